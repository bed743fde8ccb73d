"""https:// and wss:// from end to end: real clients, a certificate renewed under them, and who speaks no TLS."""
import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest
import websockets

from harness import BIN, Fleet, sse_events, wait_for

TEXT = "# Locks\n\nThe lock keeper of the northern canal is called Zaltbommel and opens at seven.\n"


def make_certificate(folder, name="mill"):
    """A self-signed one for this machine; renewed in place, as a renewal tool would."""
    fresh, final = [folder / f"new.{end}" for end in ("pem", "key")], [folder / f"{name}.{end}" for end in ("pem", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-out", str(fresh[0]), "-keyout", str(fresh[1])], check=True, capture_output=True)
    os.chmod(fresh[1], 0o600)
    for source, target in zip(fresh, final):
        os.replace(source, target)
    return final


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    arguments = ("--listen", "https://127.0.0.1:0", "--tls-cert", str(certificate), "--tls-key", str(key))
    with Fleet(args=arguments) as fleet:
        fleet.folder_of_certificates = folder
        fleet.certificate, fleet.key = certificate, key
        fleet.https = fleet.urls[1]
        fleet.tls_port = urllib.parse.urlsplit(fleet.https).port
        fleet.ingest("locks.md", TEXT.encode())
        yield fleet


def trusting(fleet):
    return ssl.create_default_context(cafile=fleet.certificate)


def https(fleet):
    return http.client.HTTPSConnection("127.0.0.1", fleet.tls_port, timeout=30, context=trusting(fleet))


def get_json(fleet, path):
    connection = https(fleet)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    return json.loads(answer.read())


def test_an_answer_streams_over_https(served):
    assert served.https.startswith("https://127.0.0.1:")
    connection = https(served)
    connection.request("POST", "/api/ask", json.dumps({"question": "Who keeps the northern lock?"}),
                       {"Content-Type": "application/json", "Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert answer.status == 200
    text, ends = "", []
    for name, _, data in sse_events(answer):
        if name == "token":
            text += data["text"]
        if name in ("done", "failed"):
            ends.append((name, data))
            break
    assert "Zaltbommel" in text
    assert ends[0][0] == "done" and ends[0][1]["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_websockets_of_python_answer_over_wss(served):
    async def talk():
        address = f"wss://127.0.0.1:{served.tls_port}/ws/stream?user_id=u&course_id=default"
        async with websockets.connect(address, ssl=trusting(served), origin=served.https) as socket_:
            await socket_.send(json.dumps({"type": "chat_request", "query": "Who keeps the northern lock?"}))
            async for text in socket_:
                message = json.loads(text)
                if message["type"] == "chat_response":
                    return json.dumps(message)
    assert "Zaltbommel" in asyncio.run(asyncio.wait_for(talk(), 30))


def test_a_page_without_encryption_is_no_page_of_ours(served):
    async def talk():
        with pytest.raises(websockets.exceptions.InvalidStatusCode) as refused:
            await websockets.connect(f"wss://127.0.0.1:{served.tls_port}/api/ws", ssl=trusting(served),
                                     origin=f"http://127.0.0.1:{served.tls_port}")
        assert refused.value.status_code == 403
    asyncio.run(asyncio.wait_for(talk(), 30))


def test_big_documents_go_both_ways(served):
    body = b"".join(hashlib.sha256(number.to_bytes(4, "big")).hexdigest().encode() + b"\n" for number in range(300_000))
    connection = https(served)
    connection.request("POST", "/api/documents?name=big.txt&collection=big", body,
                       {"Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    assert answer.status == 202, answer.read()
    document = json.loads(answer.read())["documents"][0]
    connection.request("GET", f"/api/documents/{document['id']}/file")
    answer = connection.getresponse()
    assert answer.status == 200
    assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(body).digest()
    connection.request("DELETE", f"/api/documents/{document['id']}")
    assert connection.getresponse().status < 300


def test_curl_and_node_and_our_own_command(served):
    curl = subprocess.run(["curl", "-sS", "-N", "--cacert", served.certificate, f"{served.https}/readyz"],
                          capture_output=True, text=True, timeout=30)
    assert json.loads(curl.stdout)["ready"] is True, curl.stderr
    if shutil.which("node"):
        script = f"fetch('{served.https}/readyz').then(r => r.json()).then(j => console.log(j.ready))"
        node = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=30,
                              env={**os.environ, "NODE_EXTRA_CA_CERTS": str(served.certificate)})
        assert node.stdout.strip() == "true", node.stderr
    command = [BIN / "answermill", "ask", "--server", served.https, "Who keeps the northern lock?"]
    ours = subprocess.run([*command, "--ca-file", served.certificate], capture_output=True, text=True, timeout=30)
    assert "Zaltbommel" in ours.stdout, ours.stderr
    stranger = subprocess.run(command, capture_output=True, text=True, timeout=30)  # nobody vouches for it
    assert stranger.returncode == 4 and "not trusted" in stranger.stderr and "--ca-file" in stranger.stderr


def test_plain_speakers_are_told_and_garbage_is_let_go(served):
    plain = http.client.HTTPConnection("127.0.0.1", served.tls_port, timeout=30)
    plain.request("GET", "/readyz")
    answer = plain.getresponse()
    assert answer.status == 400 and b"https://" in answer.read()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", served.tls_port), timeout=30) as raw, pytest.raises(ssl.SSLError):
        old.wrap_socket(raw)
    for noise in (b"\x16\x03\x01\xff\xff" + os.urandom(4000), os.urandom(4000), b"\x16"):
        with socket.create_connection(("127.0.0.1", served.tls_port), timeout=30) as raw:
            raw.sendall(noise)
            with contextlib.suppress(OSError):  # it may have been cut already
                raw.shutdown(socket.SHUT_WR)
            try:
                while raw.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    assert get_json(served, "/readyz")["ready"] is True


def certificate_shown(fleet):
    return ssl.get_server_certificate(("127.0.0.1", fleet.tls_port))


def test_a_renewed_certificate_is_taken_up_under_load(served):
    old = certificate_shown(served)
    live = https(served)
    live.request("GET", "/healthz")
    assert live.getresponse().read() is not None
    stop, failures = threading.Event(), []
    any_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    any_certificate.check_hostname, any_certificate.verify_mode = False, ssl.CERT_NONE

    def hammer():
        while not stop.is_set():
            try:
                connection = http.client.HTTPSConnection("127.0.0.1", served.tls_port, timeout=30,
                                                         context=any_certificate)
                connection.request("GET", "/healthz")
                if connection.getresponse().status != 200:
                    failures.append("status")
                connection.close()
            except OSError as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        make_certificate(served.folder_of_certificates)
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: certificate_shown(served) != old, "the new certificate", 20)
        live.request("GET", "/healthz")
        assert live.getresponse().status == 200, "the live connection went on"
        good = served.key.read_bytes()
        served.key.write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n")
        served.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "event=reload_failed" in served.log_text(), "the complaint", 20)
        served.key.write_bytes(good)
        assert get_json(served, "/readyz")["ready"] is True
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_the_key_is_nowhere_to_be_seen(served):
    secret = re.sub(r"-----.*?-----|\s", "", served.key.read_text())[:40]
    assert secret not in served.log_text() and "nonsense" not in served.log_text()
    for pid in served.pids("frontend"):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                assert secret.encode() not in file.read()


def test_up_says_what_is_missing(tmp_path):
    certificate, key = make_certificate(tmp_path)
    for arguments, expected in ((["--listen", "https://127.0.0.1:0"], "--tls-cert"),
                                (["--listen", "https://127.0.0.1:0", "--tls-cert", certificate], "--tls-key"),
                                (["--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key], "nothing listens"),
                                (["--listen", "https://127.0.0.1:0", "--tls-cert", "/none", "--tls-key", key], "/none")):
        outcome = subprocess.run([BIN / "answermill", "up", "--data", tmp_path / "data", *arguments],
                                 capture_output=True, text=True, timeout=30)
        assert outcome.returncode == 2 and expected in outcome.stderr, outcome.stderr
