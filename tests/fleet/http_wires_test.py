"""Answers over HTTP before a real fleet: /chat and /fast_chat with their steps, chunked text and lines, CORS."""
import asyncio
import hashlib
import http.client
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import websockets

from harness import ROOT, Fleet, ModelServer

PAGE = "https://shop.example"


@pytest.fixture(scope="module")
def fleet():
    with ModelServer() as model, Fleet(env={**model.env("slow-40tps"), "ANSWERMILL_CORS_ORIGINS": PAGE}) as running:
        running.ingest("report.txt", b"The main highlights are higher service revenue and a larger network.\n"
                                     b"The network now reaches nine of ten people.\n")
        yield running


def lines_of(response):
    """Events of a server-sent stream with their ids as they are."""
    events, event = [], {}
    for line in response.read().decode().splitlines():
        if not line and event:
            events.append(event)
            event = {}
        elif ": " in line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value
    return events


def chat(fleet, path, headers=None, **body):
    response = fleet.request("POST", path, {"query": "What are the main highlights?", **body}, headers)
    assert response.status == 200, response.read()
    return response, lines_of(response)


def test_fast_chat_tells_its_steps_and_its_result(fleet):
    response, events = chat(fleet, "/fast_chat/stream", auto_load_documents=True)
    assert response.headers["Content-Type"] == "text/event-stream"
    steps = [e["data"]["step"] for e in events if e["event"] == "progress"]
    assert steps == ["query_preparation", "document_selection", "vector_search", "ai_generation", "complete"]
    generating = next(e["data"] for e in events if e["data"].get("step") == "ai_generation")
    assert generating["documents"] == ["report.txt"]
    result = events[-1]
    assert result["event"] == "result" and result["data"]["sources"][0]["name"] == "report.txt"
    assert hashlib.sha256(result["data"]["response"].encode()).hexdigest() == result["data"]["sha256"]
    stream = response.headers["X-Stream-Id"]
    assert fleet.json("GET", f"/api/streams/{stream}")["text"] == result["data"]["response"]


def test_chat_has_its_own_steps_and_a_twin_that_does_not_stream(fleet):
    _, events = chat(fleet, "/chat/stream", session_id="one")
    assert [e["data"]["step"] for e in events if e["event"] == "progress"] == \
        ["document_loading", "ai_generation", "complete"]
    for path in ("/chat", "/fast_chat"):
        whole = fleet.json("POST", path, {"query": "What are the main highlights?", "session_id": "one"}, expect=200)
        assert whole["response"] and whole["status"] == "done" and whole["session_id"] == "one"
    assert fleet.json("POST", "/chat", {"query": " "}, expect=400)["error"]["code"] == "invalid_argument"


def test_a_lost_client_gets_the_rest_of_the_same_answer(fleet):
    request = {"query": "What are the main highlights?"}
    first = fleet.request("POST", "/fast_chat/stream", request)
    seen = b""
    while b"vector_search" not in seen:
        seen += first.readline()
    seen = (seen + b"").decode()
    first.close()
    last = [line for line in seen.splitlines() if line.startswith("id: ")][-1][4:]
    again, events = chat(fleet, "/fast_chat/stream", {"Last-Event-ID": last})
    assert again.headers["X-Stream-Id"] == first.headers["X-Stream-Id"] == last.split(":")[0]
    assert "query_preparation" not in [e["data"].get("step") for e in events]
    assert [e["event"] for e in events][-2:] == ["progress", "result"]


def ask(fleet, accept, query=""):
    return fleet.request("POST", "/api/ask" + query, {"question": "What are the main highlights?"}, {"Accept": accept})


def test_curl_shows_every_step_as_it_comes(fleet):
    begun = time.monotonic()
    body = json.dumps({"query": "What are the main highlights?", "auto_load_documents": True})
    command = ["curl", "-sS", "--no-buffer", "-X", "POST", fleet.url + "/chat/stream",
               "-H", "Content-Type: application/json", "-d", body]
    heard = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        for line in curl.stdout:
            if line.startswith("event: "):
                heard.append((line.split()[1], time.monotonic() - begun))
    assert [name for name, _ in heard] == ["progress"] * 3 + ["result"]
    assert heard[0][1] < heard[-1][1] / 2, heard


CHROMIUM = r"""
const { chromium } = require('playwright-core');
(async () => {
  const [url, stream] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  const page = await browser.newPage();
  await page.goto(url + '/healthz');
  const seen = await page.evaluate((stream) => new Promise((resolve, reject) => {
    const events = new EventSource('/api/streams/' + stream);
    const bytes = [];
    events.addEventListener('token', (event) => {
      const { offset, text } = JSON.parse(event.data);
      bytes.splice(offset, Infinity, ...new TextEncoder().encode(text));
    });
    events.addEventListener('done', (event) => {
      events.close();
      resolve({ text: new TextDecoder().decode(new Uint8Array(bytes)), ...JSON.parse(event.data) });
    });
    setTimeout(() => reject(new Error('no end')), 30000);
  }), stream);
  await browser.close();
  console.log(JSON.stringify(seen));
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(not Path(os.environ.get("CHROMIUM", "/usr/bin/chromium")).exists(), reason="no Chromium")
def test_a_browsers_event_source_hears_a_running_answer(fleet, tmp_path):
    (tmp_path / "drive.cjs").write_text(CHROMIUM)
    response = ask(fleet, "text/event-stream")
    done = subprocess.run(["node", str(tmp_path / "drive.cjs"), fleet.url, response.headers["X-Stream-Id"]],
                          stdout=subprocess.PIPE, text=True, timeout=60, check=True,
                          env={**os.environ, "NODE_PATH": str(ROOT / "tests/node_modules")})
    seen = json.loads(done.stdout)
    assert hashlib.sha256(seen["text"].encode()).hexdigest() == seen["sha256"] and seen["length"] > 0


def test_ws_stream_needs_a_user_and_tells_its_configuration(fleet):
    async def talk():
        address = f"ws://{fleet.host}:{fleet.port}/ws/stream"
        for query in ("", "?user_id=", "?course_id=default"):
            with pytest.raises(websockets.InvalidStatusCode) as refused:
                await websockets.connect(address + query)
            assert refused.value.status_code == 400
        async with websockets.connect(address + "?user_id=u&course_id=null") as socket:
            connection = json.loads(await socket.recv())
            assert connection["course_id"] is None
            assert connection["config"] == {
                "model_comprehensive": "slow-40tps", "model_personalized": "slow-40tps", "rag_threshold": 0.85,
                "rag_top_k": 8, "openai_temperature": 0.7, "openai_max_tokens": 1000, "streaming": True,
                "cache_enabled": False, "personalization_enabled": False}
    asyncio.run(talk())


def test_variables_that_mean_nothing_yet_are_named():
    unused = {"REDIS_CACHE_URL": "redis://localhost:6380", "DATABASE_URL": "postgresql://localhost/db"}
    with Fleet(env=unused) as started:
        for name in unused:
            assert name in started.log_text()
        assert "REDIS_KNOWLEDGE_URL" not in started.log_text()


def test_chunked_text_is_the_text_itself(fleet):
    response = ask(fleet, "text/plain")
    assert response.headers["Transfer-Encoding"] == "chunked"
    pieces = []
    while piece := response.read1(65536):
        pieces.append(piece)
    assert len(pieces) > 5, "it came all at once"
    text = b"".join(pieces)
    stream = fleet.json("GET", f"/api/streams/{response.headers['X-Stream-Id']}")
    assert hashlib.sha256(text).hexdigest() == stream["sha256"]
    rest = fleet.request("GET", f"/api/streams/{stream['stream']}?offset=10", headers={"Accept": "text/plain"}).read()
    assert text[10:] == rest


def test_lines_in_three_shapes(fleet):
    counts = {}
    for shape in ("events", "tokens", "buffered&buffer_bytes=100&buffer_ms=5000"):
        response = ask(fleet, "application/x-ndjson", f"?shape={shape}")
        events = [json.loads(line) for line in response.read().decode().splitlines() if line]
        text = b""
        for event in events:
            if event["type"] == "token":
                text = text[:event["offset"]] + event["text"].encode()
        assert hashlib.sha256(text).hexdigest() == events[-1]["sha256"]
        counts[shape[:6]] = [event["type"] for event in events]
    assert "sources" in counts["events"] and "status" in counts["events"]
    assert set(counts["tokens"]) == {"started", "token", "done"}
    assert counts["buffer"].count("token") < counts["tokens"].count("token") / 3
    assert ask(fleet, "text/plain", "?shape=events").status == 400


def test_the_first_form_named_is_given(fleet):
    assert ask(fleet, "application/json, text/plain, */*").headers["Content-Type"].startswith("application/json")
    assert ask(fleet, "text/plain, application/json").headers["Content-Type"].startswith("text/plain")
    assert ask(fleet, "*/*").headers["Content-Type"].startswith("text/event-stream")


def test_a_failed_answer_cuts_plain_text_off():
    with ModelServer() as model, Fleet(env=model.env("error-midstream")) as broken:
        broken.ingest("a.txt", b"The main highlights are few.\n")
        response = ask(broken, "text/plain")
        with pytest.raises(http.client.IncompleteRead):
            response.read()


def test_pages_of_configured_origins_may_read(fleet):
    asking = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = fleet.request("OPTIONS", "/fast_chat/stream", headers=asking)
    assert preflight.status == 204 and "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "content-type"
    response, events = chat(fleet, "/fast_chat/stream", {"Origin": PAGE})
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "X-Stream-Id" in response.headers["Access-Control-Expose-Headers"] and events[-1]["event"] == "result"
    stranger = fleet.request("POST", "/chat", {"query": "Q"}, {"Origin": "https://other.example"})
    assert stranger.status == 403 and "Access-Control-Allow-Origin" not in stranger.headers


def test_what_is_prefetched_is_embedded_once_and_wishes_reach_the_model():
    with ModelServer() as model, Fleet(env={**model.env("instant"), "EMBED_BASE_URL": model.base_url,
                                            "EMBED_MODEL": "embed-64"}) as fleet:
        fleet.ingest("shop.txt", b"The harbour shop sells lanterns and copper kettles.\n")
        question = "What does the shop in the harbour sell to sailors?"

        async def prefetch():
            async with websockets.connect(f"ws://{fleet.host}:{fleet.port}/api/ws") as socket:
                await socket.send(json.dumps({"type": "prefetch", "id": "p", "question": question}))
                while True:
                    said = json.loads(await asyncio.wait_for(socket.recv(), 30))
                    if said.get("id") == "p":
                        return said

        prefetched = asyncio.run(prefetch())
        assert prefetched["type"] == "prefetched" and prefetched["passages"] == 1, prefetched
        asked = fleet.json("POST", "/v1/chat/completions", {"model": "answermill", "messages": [
            {"role": "system", "content": "Speak like a pirate."}, {"role": "user", "content": question}]}, expect=200)
        assert asked["choices"][0]["message"]["content"]
        with urllib.request.urlopen(model.base_url.removesuffix("/v1") + "/requests") as seen:
            requests = json.load(seen)
        embedded = [r["body"]["input"] for r in requests if "input" in r["body"]]
        assert sum(question in texts for texts in embedded) == 1, embedded
        system = [m["content"] for r in requests for m in r["body"].get("messages", []) if m["role"] == "system"]
        assert "Speak like a pirate." in system[-1] and system[-1].startswith("You answer questions from")
