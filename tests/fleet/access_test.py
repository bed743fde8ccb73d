"""Tokens and limits before a real fleet: who gets in on which wire, what he may do there, and how he is told."""
import asyncio
import json
import os
import signal
import socket
import subprocess
import time

import pytest
import websockets

from harness import BIN, Fleet, wait_for

QUESTIONS = 2  # a minute, so that the next one is half a minute away
LIMITS = {"ANSWERMILL_QUESTIONS_PER_MINUTE": str(QUESTIONS), "ANSWERMILL_CONNECTIONS_PER_TOKEN": "6",
          "ANSWERMILL_HEADER_TIMEOUT": "1", "ANSWERMILL_OPEN_ANSWERS": "8"}


def tokens(fleet, *words):
    """`answermill tokens`: its outcome and what it said."""
    done = subprocess.run([str(BIN / "answermill"), "tokens", *words, "--data", str(fleet.data)],
                          capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout.strip()


def new_token(fleet, name, *flags):
    code, token = tokens(fleet, "new", name, *flags)
    assert code == 0 and token.startswith("am_"), (code, token)
    return token


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def status(fleet, method, path, token=None, body=None, headers=None):
    answer = fleet.request(method, path, body, {**bearer(token), **(headers or {})})
    answer.read()
    return answer.status


def converse(fleet, path, token, message, until):
    """Opens a WebSocket, says one thing (after what comes first) and reads to an answer of the kind."""
    async def run():
        async with websockets.connect(f"ws://{fleet.host}:{fleet.port}{path}",
                                      extra_headers=bearer(token)) as connection:
            await connection.send(json.dumps(message))
            while True:
                said = json.loads(await asyncio.wait_for(connection.recv(), 20))
                if said["type"] in until:
                    return said
    return asyncio.run(run())


@pytest.fixture(scope="module")
def fleet():
    with Fleet(env=LIMITS) as running:
        running.ingest("law.txt", b"The lantern keeper pays no tax.\n")
        running.json("POST", "/api/collections", {"name": "law"}, expect=201)
        running.ingest("court.txt", b"The court sits in the harbour hall.\n", collection="law")
        # Whoever is inside when the first token appears stays; whoever comes later shows one.
        running.admin = new_token(running, "boss", "--scope", "admin")
        wait_for(lambda: status(running, "GET", "/api/status") == 401, "tokens to be required")
        running.reader = new_token(running, "reader", "--scope", "read")
        running.asker = new_token(running, "asker", "--scope", "ask")
        running.lawyer = new_token(running, "lawyer", "--scope", "read,ask,write", "--collection", "law")
        wait_for(lambda: status(running, "GET", "/api/documents", running.lawyer) == 200, "the tokens to be read")
        yield running


def test_each_scope_opens_what_it_says(fleet):
    assert status(fleet, "GET", "/healthz") == 200 and status(fleet, "GET", "/readyz") == 200
    assert status(fleet, "GET", "/api/documents", "am_wrong") == 401
    wanted = {("GET", "/api/search?q=lantern"): {fleet.reader, fleet.lawyer, fleet.admin},
              ("GET", "/api/conversations"): {fleet.asker, fleet.lawyer, fleet.admin},
              ("GET", "/api/status"): {fleet.admin}, ("GET", "/ws/status"): {fleet.admin},
              ("GET", "/v1/models"): {fleet.reader, fleet.asker, fleet.lawyer, fleet.admin}}
    for (method, path), allowed in wanted.items():
        for token in (fleet.reader, fleet.asker, fleet.lawyer, fleet.admin):
            assert status(fleet, method, path, token) == (200 if token in allowed else 403), path
    refused = fleet.request("POST", "/api/documents?name=a.txt", b"x", bearer(fleet.reader))
    body = json.loads(refused.read())
    assert refused.status == 403 and body["error"]["code"] == "forbidden" and body["error"]["scope"] == "write"
    assert 'scope="write"' in refused.headers["WWW-Authenticate"]
    assert fleet.json("POST", "/api/documents?name=a.txt", b"x", bearer(fleet.admin), expect=202)


def test_a_token_is_taken_from_header_cookie_and_address(fleet):
    assert status(fleet, "GET", f"/api/documents?token={fleet.reader}") == 200
    assert status(fleet, "GET", "/api/documents", headers={"Cookie": f"answermill_token={fleet.reader}"}) == 200
    visit = fleet.request("GET", f"/?token={fleet.reader}")
    visit.read()
    assert visit.status == 303 and fleet.reader in visit.headers["Set-Cookie"]
    for path in ("/ws/query", "/api/ws", "/ws/stream?user_id=u"):
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            converse(fleet, path, None, {}, ())
        assert refused.value.status_code == 401
    said = converse(fleet, f"/ws/query?token={fleet.asker}", None, {"question": "Who pays no tax?"},
                    ("stream_end", "overview", "error"))
    assert said["type"] != "error", said
    assert fleet.admin not in fleet.log_text() and fleet.reader not in fleet.log_text()


def test_a_page_keeps_its_token_in_a_cookie(fleet):
    def session(method, headers):
        answer = fleet.request(method, "/api/session", headers=headers)
        return answer.status, json.loads(answer.read()), answer.headers["Set-Cookie"]

    code, said, cookie = session("POST", bearer(fleet.lawyer))
    assert code == 200 and said == {"token": "lawyer", "scopes": ["read", "ask", "write"], "collections": ["law"]}
    assert cookie.startswith(f"answermill_token={fleet.lawyer};") and "HttpOnly; SameSite=Strict" in cookie
    kept = {"Cookie": cookie.partition(";")[0]}
    assert session("GET", kept)[:2] == (200, said)
    assert session("GET", {})[0] == 401 and session("POST", kept)[0] == 400
    assert session("POST", {**kept, **bearer("am_wrong")})[0] == 401
    assert session("POST", {**bearer(fleet.lawyer), "Origin": "http://evil.example"})[0] == 403
    code, said, cookie = session("DELETE", {"Cookie": "answermill_token=am_revoked"})
    assert code == 200 and "answermill_token=; " in cookie and "Max-Age=0" in cookie


def test_messages_are_judged_one_by_one(fleet):
    upload = {"type": "upload_begin", "id": "u", "name": "a.txt", "size": 1}
    said = converse(fleet, "/api/ws", fleet.reader, upload, ("error", "upload_ready"))
    assert said["code"] == "forbidden" and said["scope"] == "write"
    said = converse(fleet, "/api/ws", fleet.reader, {"type": "search", "id": "s", "query": "lantern"},
                    ("error", "results"))
    assert said["type"] == "results" and said["hits"]
    said = converse(fleet, "/ws/query", fleet.reader, {"question": "lantern"}, ("error", "stream_end"))
    assert said["code"] == "forbidden" and said["scope"] == "ask"
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "ask", "arguments": {"question": "Who?"}}}
    answer = fleet.json("POST", "/mcp", call, bearer(fleet.reader), expect=200)
    assert answer["result"]["isError"] and "scope" in answer["result"]["content"][0]["text"]


def test_a_token_reaches_its_collections_only(fleet):
    mine = fleet.json("GET", "/api/documents", headers=bearer(fleet.lawyer), expect=200)["documents"]
    assert [document["name"] for document in mine] == ["court.txt"]
    everything = fleet.json("GET", "/api/documents", headers=bearer(fleet.admin), expect=200)["documents"]
    other = next(document["id"] for document in everything if document["name"] == "law.txt")
    for method, path in (("GET", ""), ("GET", "/pages/1"), ("GET", "/file"), ("GET", "/events"), ("DELETE", ""),
                         ("POST", "/retry")):
        assert status(fleet, method, f"/api/documents/{other}{path}", fleet.lawyer) == 404, path
    assert status(fleet, "GET", "/api/search?q=tax&collection=default", fleet.lawyer) == 403
    assert status(fleet, "POST", "/api/documents?name=a.txt&collection=default", fleet.lawyer, b"x") == 403
    assert status(fleet, "DELETE", "/api/collections/default", fleet.lawyer) == 403
    form = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nx\r\n' \
           b'--b\r\nContent-Disposition: form-data; name="collection"\r\n\r\ndefault\r\n--b--\r\n'
    assert status(fleet, "POST", "/api/documents", fleet.lawyer, form,
                  {"Content-Type": "multipart/form-data; boundary=b"}) == 403
    hits = fleet.json("GET", "/api/search?q=harbour", headers=bearer(fleet.lawyer), expect=200)["hits"]
    assert {hit["collection"] for hit in hits} == {"law"}
    models = fleet.json("GET", "/v1/models", headers=bearer(fleet.lawyer), expect=200)["data"]
    assert [model["id"] for model in models] == ["law"]
    assert converse(fleet, "/ws/stream?user_id=u&course_id=law", fleet.lawyer, {"type": "ping"}, ("pong",))


def test_too_many_questions_are_told_on_every_wire(fleet):
    token = new_token(fleet, "eager", "--scope", "ask,read")
    wait_for(lambda: status(fleet, "GET", "/api/collections", token) == 200, "the token to be read")
    ask = {"question": "Who pays no tax?"}
    spent = 0
    while status(fleet, "POST", "/api/ask", token, ask, {"Accept": "application/json"}) == 200:
        spent += 1
    assert spent >= QUESTIONS
    answers = {}
    for path, body in (("/api/ask", ask), ("/chat", {"query": "Who?"}), ("/chat/stream", {"query": "Who?"}),
                       ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Who?"}]})):
        refused = fleet.request("POST", path, body, bearer(token))
        answers[path] = refused.read().decode()
        assert refused.status == 429 and int(refused.headers["Retry-After"]) >= 1, path
    assert json.loads(answers["/api/ask"])["error"]["retry_after"] > 0
    assert json.loads(answers["/chat"])["error"]["code"] == "rate_limited"
    assert answers["/chat/stream"].startswith("event: error\ndata: ")
    assert json.loads(answers["/v1/chat/completions"])["error"]["code"] == "rate_limit_exceeded"
    said = converse(fleet, "/api/ws", token, {"type": "ask", "id": "a", **ask}, ("error", "started"))
    assert said["code"] == "rate_limited" and said["retry_after"] > 0
    said = converse(fleet, "/ws/query", token, ask, ("error", "stream_end"))
    assert said["code"] == "rate_limited" and said["retry_after"] > 0
    said = converse(fleet, "/ws/stream?user_id=u", token, {"type": "chat_request", "query": "Who?"},
                    ("error", "chat_response"))
    assert said["error_code"] == "RATE_LIMIT_EXCEEDED" and said["retry_after"] > 0
    assert status(fleet, "GET", "/api/search?q=lantern", token) == 200
    counted = fleet.json("GET", "/ws/status", headers=bearer(fleet.admin), expect=200)["access"]
    assert counted["limits"]["questions_per_minute"] == QUESTIONS and counted["refused"]["questions"] >= 7


def test_connections_of_a_token_are_counted(fleet):
    token = new_token(fleet, "hoarder", "--scope", "read")
    wait_for(lambda: status(fleet, "GET", "/api/documents", token) == 200, "the token to be read")

    async def run():
        url = f"ws://{fleet.host}:{fleet.port}/api/ws?token={token}"
        open_now = []
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            for _ in range(8):
                open_now.append(await websockets.connect(url))
        assert refused.value.status_code == 429
        assert 4 <= len(open_now) <= 6
        for connection in open_now:
            await connection.close()
    asyncio.run(run())
    wait_for(lambda: status(fleet, "GET", "/api/documents", token) == 200, "a place to be free again")


def test_a_revoked_token_loses_its_connections_at_once(fleet):
    token = new_token(fleet, "leaver", "--scope", "read")
    wait_for(lambda: status(fleet, "GET", "/api/documents", token) == 200, "the token to be read")

    async def run():
        async with websockets.connect(f"ws://{fleet.host}:{fleet.port}/api/ws?token={token}") as connection:
            assert tokens(fleet, "revoke", "leaver")[0] == 0
            for pid in fleet.pids("frontend"):
                os.kill(pid, signal.SIGHUP)  # at once, rather than within the second
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await asyncio.wait_for(connection.recv(), 10)
            return connection.close_code
    assert asyncio.run(run()) == 1008
    assert status(fleet, "GET", "/api/documents", token) == 401
    code, listed = tokens(fleet, "list")
    assert code == 0 and "leaver" not in listed and "lawyer" in listed and "am_" not in listed


def test_a_header_that_trickles_is_ended(fleet):
    began = time.monotonic()
    with socket.create_connection((fleet.host, fleet.port), timeout=10) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        slow.settimeout(0.1)
        said = b""
        while time.monotonic() - began < 10 and b"408" not in said:
            try:
                slow.sendall(b"x")
                said += slow.recv(1000)
            except TimeoutError:
                continue
            except OSError:
                break
    assert b" 408 " in said and time.monotonic() - began < 5
