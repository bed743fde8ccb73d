"""Whatever is dropped on it: a typed error or success, nothing crashes, nothing else waits, all of it is listed."""
import http.client
import os

import pytest

from harness import DATA, Fleet, book, make_pdf

NEEDS_DATA = pytest.mark.skipif(not DATA.exists(), reason=f"no real documents at {DATA}")


@pytest.fixture(scope="module")
def fleet():
    with Fleet(env={"ANSWERMILL_EXTRACT_PAGE_TIMEOUT": "5"}) as running:
        yield running
        crashed = [line for line in running.log_text().splitlines() if "was killed by signal" in line]
        assert not crashed, crashed


def fails_with(fleet, name, content, *codes):
    document = fleet.wait_document(fleet.upload(name, content)["id"])
    assert document["state"] == "failed", document
    assert document["error"]["code"] in codes, document["error"]
    assert document["error"]["message"]
    assert document["id"] in [d["id"] for d in fleet.json("GET", "/api/documents")["documents"]]
    return document


def test_an_empty_file(fleet):
    fails_with(fleet, "empty.pdf", b"", "empty_file")


def test_a_truncated_pdf(fleet):
    whole = book(20, "cut")
    document = fleet.wait_document(fleet.upload("cut.pdf", whole[:len(whole) // 3])["id"])
    assert document["state"] == "ready" or document["error"]["code"] in ("damaged", "empty_file", "no_text")


def test_a_pdf_without_pages(fleet):
    fails_with(fleet, "none.pdf", make_pdf([]), "empty_file", "damaged")


def test_a_pdf_without_text(fleet):
    fails_with(fleet, "blank.pdf", make_pdf(["", ""]), "no_text")


def test_a_picture_called_pdf(fleet):
    fails_with(fleet, "picture.pdf", b"\x89PNG\r\n\x1a\n" + bytes(5000), "unsupported", "damaged")


def test_a_word_file_names_what_is_supported(fleet):
    document = fails_with(fleet, "letter.docx", b"PK\x03\x04" + b"\x00" * 26 + b"word/document.xml" + bytes(500), "unsupported")
    assert "PDF" in document["error"]["message"]


def test_a_gigabyte_of_zeros_delays_nobody(fleet):
    def zeros():
        block = bytes(1 << 20)
        for _ in range(1024):
            yield block

    connection = http.client.HTTPConnection(fleet.host, fleet.port, timeout=120)
    connection.request("POST", "/api/documents?name=zeros.pdf", body=zeros(),
                       headers={"Content-Type": "application/octet-stream", "Content-Length": str(1 << 30)})
    document = __import__("json").loads(connection.getresponse().read())["documents"][0]
    other = fleet.ingest("quick.txt", b"A quick note about copper lanterns.\n", timeout=20)
    assert other["state"] == "ready"
    finished = fleet.wait_document(document["id"])
    assert finished["error"]["code"] in ("unsupported", "damaged"), finished


def test_a_hostile_name_is_shown_harmlessly(fleet):
    document = fleet.ingest("../../etc/pass\x01wd 🚀.txt", b"A note on rockets and thistles.\n")
    assert "/" not in document["name"] and "\x01" not in document["name"] and "🚀" in document["name"], document["name"]


def test_multipart_takes_several_files(fleet):
    boundary = "XyZ"
    parts = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                    f"Content-Type: text/plain\r\n\r\n{text}\r\n" for name, text in
                    [("a.txt", "Amber harbours."), ("b.md", "# Bees\n\nBees hum.")]) + f"--{boundary}--\r\n"
    answer = fleet.json("POST", "/api/documents", body=parts.encode(),
                        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}, expect=202)
    assert [d["name"] for d in answer["documents"]] == ["a.txt", "b.md"]
    assert all(fleet.wait_document(d["id"])["state"] == "ready" for d in answer["documents"])


def test_a_failed_document_can_be_tried_again(fleet):
    document = fails_with(fleet, "again.pdf", make_pdf([""]), "no_text")
    retried = fleet.json("POST", f"/api/documents/{document['id']}/retry", expect=202)
    assert retried["generation"] == document["generation"] + 1
    assert fleet.wait_document(document["id"])["error"]["code"] == "no_text"


@NEEDS_DATA
def test_real_oddities(fleet):
    folder = DATA / "pdf-odd"
    files = sorted(folder.rglob("*.pdf"))[:: int(os.environ.get("ANSWERMILL_ODD_STEP", "3"))]
    uploads = {str(f.relative_to(folder)): fleet.upload(f.name, f.read_bytes(), "default")["id"] for f in files}
    states = {name: fleet.wait_document(upload, 120) for name, upload in uploads.items()}
    for name, document in states.items():
        if document["state"] == "failed":
            assert document["error"]["code"] in ("damaged", "encrypted", "empty_file", "no_text", "crashed", "limit",
                                                 "timeout", "unsupported"), (name, document["error"])
    assert sum(d["state"] == "ready" for d in states.values()) > len(states) / 4


@NEEDS_DATA
def test_a_real_filing_is_answered_with_its_page(fleet):
    fleet.json("POST", "/api/collections", {"name": "filings"})
    document = fleet.ingest("amcor.pdf", (DATA / "filings/AMCOR_2023_10K.pdf").read_bytes(), "filings", timeout=120)
    assert document["pages"]["searchable"] == document["pages"]["total"] > 50
    answer = fleet.ask("What are the major products and services that Amcor offers?", collection="filings")
    assert answer.terminal[0] == "done" and answer.of("citation")


def test_what_is_not_there_is_told_in_json(fleet):
    for method, path, status in [("GET", "/api/nope", 404), ("PUT", "/api/documents", 405), ("GET", "/nothing.html", 404)]:
        answer = fleet.request(method, path)
        assert answer.status == status, path
        body = answer.read()
        assert not path.startswith("/api") or b'"code"' in body
