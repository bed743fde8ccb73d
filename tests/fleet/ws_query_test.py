"""/ws/query before a real fleet: passages at once, tokens, overview, errors, and the stream read elsewhere."""
import asyncio
import hashlib
import json

import pytest
import websockets

from harness import Fleet, ModelServer


@pytest.fixture(scope="module")
def fleet():
    with ModelServer() as model, Fleet(env=model.env("slow-40tps")) as running:
        running.ingest("shop.txt", b"The harbour shop sells lanterns and copper kettles.\n"
                                   b"Lanterns are returned within thirty days.\n")
        yield running


def converse(fleet, *questions, until=("stream_end", "overview", "error")):
    """Sends each question, reads to its end; all messages."""
    async def run():
        said = []
        async with websockets.connect(f"ws://{fleet.host}:{fleet.port}/ws/query?token=anything") as socket:
            for question in questions:
                await socket.send(question if isinstance(question, str) else json.dumps(question))
                while True:
                    said.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
                    last = said[-1]
                    if last["type"] in until or last.get("status") == "complete":
                        break
        return said
    return asyncio.run(run())


def test_streams_token_by_token_and_can_be_read_elsewhere(fleet):
    said = converse(fleet, {"question": "What does the harbour shop sell?", "humanize": True, "stream": True,
                            "session_id": "unique-session-id"})
    types = [message["type"] for message in said]
    assert types[:3] == ["status", "immediate", "status"]
    assert types[3] == "stream_start" and types[-1] == "stream_end"
    assert set(types[4:-1]) == {"stream_token"}
    text = "".join(message["token"] for message in said if message["type"] == "stream_token")
    end = said[-1]
    assert hashlib.sha256(text.encode()).hexdigest() == end["sha256"]
    assert end["length"] == len(text.encode()) and end["session_id"] == "unique-session-id"
    immediate = said[1]
    assert immediate["files"][0]["filename"] == "shop.txt"
    assert any("lanterns" in snippet["text"] for snippet in immediate["snippets"])
    stream = fleet.json("GET", f"/api/streams/{said[0]['stream_id']}", expect=200)
    assert (stream["text"], stream["sha256"]) == (text, end["sha256"])


def test_gives_an_overview_without_streaming(fleet):
    said = converse(fleet, {"question": "What is returned within thirty days?", "stream": False})
    assert [message["type"] for message in said] == ["status", "immediate", "status", "overview"]
    assert said[-1]["overview"] and said[-1]["meta"]["output_tokens"] > 0


def test_only_searches_and_tells_errors(fleet):
    said = converse(fleet, {"question": "copper kettles", "humanize": False}, "not JSON", {"question": " "})
    assert [message["type"] for message in said] == ["status", "immediate", "status", "error", "error"]
    assert [message["code"] for message in said[3:]] == ["malformed", "invalid_argument"]


def test_an_answer_outlives_its_connection(fleet):
    async def leave():
        async with websockets.connect(f"ws://{fleet.host}:{fleet.port}/ws/query") as socket:
            await socket.send(json.dumps({"question": "Which kettles are sold?"}))
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), 30))
                if message["type"] == "stream_token":
                    return stream
                stream = message.get("stream_id")
    stream = asyncio.run(leave())
    body = fleet.request("GET", f"/api/streams/{stream}", headers={"Accept": "text/event-stream"}).read().decode()
    assert body.count("event: done") == 1
