#!/usr/bin/python3
"""Time to the first token of a question through the whole fleet, with a model server that answers at once.

The limit is the same client asking that model server directly, in the same run. What is between is ours: edge, broker,
embed, index, generate and back.
"""
import http.client
import json
import statistics
import sys
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/fleet"))
from harness import Fleet, ModelServer, book  # noqa: E402

QUESTIONS = 300


def first_byte(connection, path, body, headers, marker):
    """Milliseconds from the request to the first body bytes that hold `marker`."""
    began = time.perf_counter()
    connection.request("POST", path, body=json.dumps(body), headers={"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    seen, at = b"", None
    while True:
        piece = response.read1(65536)
        if not piece:
            return at
        seen += piece
        if at is None and marker in seen:
            at = (time.perf_counter() - began) * 1000


def summary(name, times):
    times = sorted(times)
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99) - 1]
    print(f"{name:<34} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")
    return p50, p99


def main():
    with ModelServer() as models, Fleet(env={**models.env("instant"), "LOG_LEVEL": "warn"}) as fleet:
        fleet.ingest("book.pdf", book(100, "bench"))
        direct = urllib.parse.urlsplit(models.base_url)
        model = http.client.HTTPConnection(direct.hostname, direct.port)
        ours = http.client.HTTPConnection(fleet.host, fleet.port)
        prompt = {"model": "instant", "stream": True, "messages": [{"role": "user", "content": "keeper"}]}
        question = {"question": "What is the keeper of page 17 called?"}
        asks = {"Accept": "text/event-stream"}
        directly, through = [], []
        for turn in range(QUESTIONS + 20):
            a = first_byte(model, direct.path + "/chat/completions", prompt, {"Authorization": "Bearer test-key"}, b"content")
            b = first_byte(ours, "/api/ask", question, asks, b"event: token")
            if turn >= 20:  # the first ones warm caches up
                directly.append(a)
                through.append(b)
    print(f"time to first token, {QUESTIONS} questions one after the other, instant model")
    limit, _ = summary("model server alone (limit)", directly)
    p50, p99 = summary("through Answermill", through)
    print(f"overhead p50 {p50 - limit:.2f} ms, p99 {p99 - limit:.2f} ms; ratio to the limit {p50 / limit:.2f}")


main()
