"""The main job on real processes: a PDF goes in, a cited answer comes out, and nobody's death changes that."""
import json
import os
import random
import signal
import threading
import time

import pytest

from harness import Fleet, ModelServer, book, wait_for

KINDS = ["broker", "frontend", "extract", "embed", "index", "generate"]


@pytest.fixture(scope="module", params=["one of each", "two of each"])
def fleet(request):
    workers = {"one of each": None,
               "two of each": "extract=2,embed=2,index=2,generate=2,frontend=2"}[request.param]
    with Fleet(workers) as running:
        yield running


def test_a_question_cites_the_page_that_answers_it(fleet):
    document = fleet.ingest("book.pdf", book(40, "cites"), collection="default")
    assert document["pages"] == {"total": 40, "extracted": 40, "embedded": 40, "searchable": 40, "failed": 0}
    answer = fleet.ask("What is the keeper of page 17 called?", documents=[document["id"]])
    assert answer.terminal[0] == "done", answer.terminal
    assert "Citeskeeper17zed" in answer.text
    assert any(c["page"] == 17 and c["exact"] for c in answer.of("citation")), answer.of("citation")
    assert answer.terminal[1]["length"] == len(answer.bytes)
    assert answer.terminal[1]["meta"]["mode"] == "quoting"


def test_a_citation_names_the_very_characters_it_quotes(fleet):
    document = fleet.ingest("quotes.pdf", book(6, "quotes"))
    answer = fleet.ask("Who is the keeper of page 4?", documents=[document["id"]])
    cited = [c for c in answer.of("citation") if c["exact"]]
    assert cited
    for citation in cited:
        page = fleet.json("GET", f"/api/documents/{document['id']}/pages/{citation['page']}", expect=200)
        span = page["text"][citation["begin"]:citation["end"]]
        before = answer.bytes[:citation["text_begin"]].decode().rstrip()
        assert before.endswith(span.strip()), (span, before[-200:])


def test_an_unrelated_question_finds_nothing(fleet):
    fleet.ingest("other.pdf", book(3, "other"))
    answer = fleet.ask("Which enzyme catalyses the hydrolysis of lactose?")
    assert answer.terminal[0] == "done"
    assert answer.terminal[1]["meta"]["mode"] == "nothing_found"
    assert not answer.of("citation")


def test_a_deleted_document_is_found_by_no_query(fleet):
    document = fleet.ingest("gone.pdf", book(5, "gone"))
    assert fleet.search("Gonekeeper3zed", threshold=1)["hits"]
    fleet.json("DELETE", f"/api/documents/{document['id']}", expect=200)
    assert not [h for h in fleet.search("Gonekeeper3zed", threshold=1)["hits"] if h["document"] == document["id"]]
    assert fleet.request("GET", f"/api/documents/{document['id']}").status == 404


def test_a_delete_in_mid_ingest_leaves_nothing_findable(fleet):
    document = fleet.upload("half.pdf", book(300, "half"))
    wait_for(lambda: fleet.document(document["id"])["pages"]["searchable"] > 0, "a first searchable page")
    fleet.json("DELETE", f"/api/documents/{document['id']}", expect=200)
    # Stragglers of the cancelled ingest would turn up while another document runs through the same stages.
    fleet.ingest("after.pdf", book(8, "after"))
    hits = fleet.search("Halfkeeper1zed keeper", k=50, threshold=1)["hits"]
    assert not [h for h in hits if h["document"] == document["id"]]


def test_follow_up_questions_see_the_conversation(fleet):
    document = fleet.ingest("talk.pdf", book(12, "talk"))
    first = fleet.ask("What is the keeper of page 9 called?", documents=[document["id"]])
    conversation = first.of("started")[0]["conversation"]
    fleet.ask("And of page 5?", conversation=conversation, documents=[document["id"]])
    recorded = wait_for(lambda: [m for m in fleet.json("GET", f"/api/conversations/{conversation}")["messages"]
                                 if m["role"] == "assistant" and m["status"] == "done"][1:], "both answers on record")
    assert "Talkkeeper5zed" in recorded[0]["text"]


def test_fifty_clients_ask_while_twenty_documents_are_ingested(fleet):
    collection = "crowd"
    fleet.json("POST", "/api/collections", {"name": collection})
    base = fleet.ingest("base.pdf", book(60, "crowd"), collection)
    uploads = [fleet.upload(f"more{i}.pdf", book(10, f"more{chr(97 + i)}"), collection)["id"] for i in range(20)]
    answers, errors = {}, []

    def client(number):
        try:
            page = number % 60 + 1
            answers[number] = (page, fleet.ask(f"What is the keeper of page {page} called?", collection=collection,
                                               documents=[base["id"]], timeout=120))
        except Exception as error:  # told by the main thread
            errors.append((number, repr(error)))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[:3]
    for number, (page, answer) in answers.items():
        assert answer.terminal[0] == "done", (number, answer.terminal)
        assert f"Crowdkeeper{page}zed" in answer.text, (number, page, answer.text[:300])
    assert all(fleet.wait_document(upload, 120)["state"] == "ready" for upload in uploads)


def test_both_extract_workers_take_pages_and_the_first_is_searchable_before_the_last():
    with Fleet("extract=2,embed=1,index=1,generate=1,frontend=1") as fleet:
        document = fleet.upload("long.pdf", book(800, "long"))
        seen = wait_for(lambda: (lambda d: d if d["pages"]["searchable"] else None)(fleet.document(document["id"])),
                        "a searchable page", every=0.01)
        assert seen["pages"]["extracted"] < seen["pages"]["total"], "everything was extracted before anything was searchable"
        assert fleet.search("Longkeeper1zed", threshold=1)["hits"]
        assert fleet.wait_document(document["id"])["state"] == "ready"
        takers = {line.split("|")[0].strip() for line in fleet.log_text().splitlines() if "op=pages" in line and "job_start" in line}
        assert {"extract.1", "extract.2"} <= takers, takers


def test_a_restarted_broker_finishes_journaled_jobs_and_the_fleet_goes_on_after_a_stop():
    with Fleet() as fleet:
        document = fleet.upload("journal.pdf", book(400, "journal"))
        wait_for(lambda: fleet.document(document["id"])["pages"]["extracted"] > 0, "the first pages")
        fleet.stop()
        fleet.start()
        finished = fleet.wait_document(document["id"])
        assert finished["state"] == "ready" and finished["pages"]["searchable"] == 400
        assert "Journalkeeper333zed" in fleet.ask("What is the keeper of page 333 called?").text


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_during_ingest_loses_nothing(kind):
    pages = 1500  # enough that both kills fall into the work
    content = book(pages, "kill")
    with Fleet() as fleet:
        document = fleet.upload("kill.pdf", content)
        for kills in range(2):
            progress = fleet_progress(fleet, document["id"])
            assert progress < FINISHED or kills > 0, "it was over before the first kill"
            fleet.kill(kind)
            wait_for(lambda: fleet_progress(fleet, document["id"]) > min(progress, FINISHED - 1),
                     f"progress after a kill of {kind}")
        finished = fleet.wait_document(document["id"])
        assert finished["state"] == "ready", finished
        assert finished["pages"]["searchable"] == pages and not finished["warnings"], finished
        for page in random.Random(kind).sample(range(1, pages + 1), 5):
            assert any(h["page"] == page for h in fleet.search(f"Killkeeper{page}zed", threshold=1)["hits"]), page


FINISHED = 10**9


def fleet_progress(fleet, document):
    state = fleet.document(document)
    return FINISHED if state["state"] in ("ready", "failed") else 1 + sum(
        state["pages"][stage] for stage in ("extracted", "embedded", "searchable"))


@pytest.mark.parametrize("kind", ["broker", "frontend", "generate"])
def test_a_kill_during_an_answer_keeps_the_text_whole(kind):
    with ModelServer() as models, Fleet("extract=1,embed=1,index=1,generate=2,frontend=2",
                                        env=models.env("slow-10tps")) as fleet:
        fleet.ingest("small.txt", b"The lighthouse of Wexmere was built in 1871 by Ada Thorne.\n")
        result = {}
        client = threading.Thread(target=lambda: result.update(answer=fleet.ask("Who built the lighthouse of Wexmere?")))
        client.start()
        stream = wait_for(lambda: fleet.json("GET", "/api/status")["open_streams"], "an open stream")
        assert stream
        time.sleep(1.5)  # into the middle of an answer that takes four seconds
        for pid in fleet.pids(kind):  # all of a kind, so that it was surely the one that had the answer
            os.kill(pid, signal.SIGKILL)
        client.join()
        answer = result["answer"]
        assert answer.terminal[0] == "done", answer.terminal
        assert [int(word[5:]) for word in answer.text.split()] == list(range(1, 41)), answer.text
        assert answer.terminal[1]["length"] == len(answer.bytes)


def test_tokens_come_at_the_models_pace():
    with ModelServer() as models, Fleet(env=models.env("slow-2tps")) as fleet:
        fleet.ingest("small.txt", b"The lighthouse of Wexmere was built in 1871 by Ada Thorne.\n")
        answer = fleet.ask("Who built the lighthouse of Wexmere?")
        gaps = [b - a for a, b in zip(answer.token_times, answer.token_times[1:])]
        assert len(gaps) >= 30
        assert 0.35 < sorted(gaps)[len(gaps) // 2] < 0.65, gaps
        assert max(gaps) < 1.5, gaps


def test_a_megabyte_through_a_slow_client_arrives_whole():
    with ModelServer() as models, Fleet(env=models.env("long-1mb")) as fleet:
        fleet.ingest("small.txt", b"The lighthouse of Wexmere was built in 1871 by Ada Thorne.\n")
        response = fleet.request("POST", "/api/ask", {"question": "Who built the lighthouse of Wexmere?"},
                                 {"Accept": "text/event-stream"})
        raw = b""
        while not raw.endswith(b"\n\n") or b"event: done" not in raw[-2000:]:
            piece = response.read1(16384)
            assert piece, "the stream broke off"
            raw += piece
            time.sleep(0.005)
        text = b""
        for block in raw.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
            if fields.get("event") == "token":
                data = json.loads(fields["data"])
                text = text[:data["offset"]] + data["text"].encode()
            elif fields.get("event") == "done":
                assert json.loads(fields["data"])["length"] == len(text)
        assert len(text) >= 1_000_000
