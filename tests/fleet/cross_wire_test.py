"""An answer is begun on any wire, left at random and picked up on another, again and again: it ends byte-identical."""
import asyncio
import hashlib
import http.client
import importlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import websockets

from harness import ROOT, Fleet, ModelServer, sse_events, wait_for

QUESTION = "What does the harbour shop sell?"
SSE = {"Accept": "text/event-stream"}


class Reader:
    """What one client has of an answer: bytes, the last sequence number, and the end when it came."""

    def __init__(self, fleet, calls, stream, dice):
        self.fleet, self.grpc, self.stream, self.dice = fleet, calls, stream, dice
        self.bytes, self.seq, self.end, self.hops = b"", 0, None, []

    def take(self, name, seq, data):
        if name == "token":
            assert data["offset"] <= len(self.bytes), "a hole in the text"
            self.bytes = self.bytes[:data["offset"]] + data["text"].encode()
        elif name == "rewind":
            self.bytes = self.bytes[:data["offset"]]
        elif name in ("done", "failed", "cancelled", "expired"):
            self.end = (name, data["sha256"], data["length"])
        if seq is not None:
            self.seq = seq

    def events(self, response, count):
        for number, (name, seq, data) in enumerate(sse_events(response)):
            self.take(name, seq, data)
            if self.end or number >= count:
                return

    def on_sse(self, count):
        response = self.fleet.request("GET", f"/api/streams/{self.stream}",
                                      headers={**SSE, "Last-Event-ID": str(self.seq)})
        self.events(response, count)
        response.close()

    def on_lines(self, count):
        response = self.fleet.request("GET", f"/api/streams/{self.stream}?after_seq={self.seq}",
                                      headers={"Accept": "application/x-ndjson"})
        for _ in range(count):
            line = response.readline()
            if line.strip():
                event = json.loads(line)
                self.take(event["type"], event["seq"], event)
            if self.end or not line:
                break
        response.close()

    def on_text(self, count):
        response = self.fleet.request("GET", f"/api/streams/{self.stream}?offset={len(self.bytes)}",
                                      headers={"Accept": "text/plain"})
        for _ in range(count):
            piece = response.read1(1 + self.dice.randrange(40))
            if not piece:
                break
            self.bytes += piece
        response.close()

    def on_responses(self, count):
        response = self.fleet.request("GET", f"/v1/responses/resp_{self.stream}?stream=true"
                                             f"&starting_after={3 + len(self.bytes)}")
        for number, (name, _, data) in enumerate(sse_events(response)):
            if name == "response.output_text.delta":
                self.bytes += data["delta"].encode()
            elif name == "response.completed":
                text = data["response"]["output"][0]["content"][0]["text"].encode()
                assert text == self.bytes
            if name == "response.completed" or number >= count:
                break
        response.close()

    def on_state(self, _):
        state = self.fleet.json("GET", f"/api/streams/{self.stream}", expect=200)
        assert state["text"].encode().startswith(self.bytes)
        self.bytes = state["text"].encode()

    def on_socket(self, count):
        async def run():
            async with websockets.connect(f"ws://{self.fleet.host}:{self.fleet.port}/api/ws") as socket:
                await socket.send(json.dumps({"type": "resume", "id": "r", "stream": self.stream, "after_seq": self.seq}))
                taken = 0
                while taken <= count and not self.end:
                    message = json.loads(await asyncio.wait_for(socket.recv(), 30))
                    if message.get("stream") != self.stream:
                        continue
                    assert message["type"] != "error", message
                    if message["type"] == "resumed" and not message["recovered"]:
                        self.bytes, self.seq = message["text"].encode(), message["seq"]
                        if message["status"] != "streaming":
                            return
                    elif message["type"] != "resumed":
                        self.take(message["type"], message["seq"], message)
                        taken += 1
        asyncio.run(run())

    def on_grpc(self, count):
        events = self.grpc.watch(self.stream, self.seq)
        for number, event in enumerate(events):
            name = event.WhichOneof("event")
            detail = getattr(event, name)
            if name == "token":
                self.take(name, event.seq, {"offset": detail.offset, "text": detail.text})
            elif name == "rewind":
                self.take(name, event.seq, {"offset": detail.offset})
            elif name == "end":
                self.take(detail.status, event.seq, {"sha256": detail.sha256, "length": detail.length})
            else:
                self.seq = event.seq
            if self.end or number >= count:
                break
        events.cancel()

    def wander(self, deadline):
        wires = [self.on_sse, self.on_lines, self.on_text, self.on_responses, self.on_state, self.on_socket,
                 self.on_grpc]
        while not self.end:
            assert time.monotonic() < deadline, f"no end on {self.stream}: {self.hops}"
            wire = self.dice.choice(wires)
            try:
                wire(self.dice.randrange(1, 4))
                self.hops.append(wire.__name__)
            except (OSError, EOFError, grpc.RpcError, http.client.HTTPException, websockets.WebSocketException):
                time.sleep(0.05)  # the frontend is being restarted


class Calls:
    """The gRPC service, with its messages made from the contract by protoc."""

    def __init__(self, address):
        with tempfile.TemporaryDirectory() as folder:
            contract = ROOT / "frontend/grpc"
            subprocess.run(["protoc", f"--proto_path={contract}", f"--python_out={folder}", "answermill.proto"],
                           check=True, cwd=contract)
            sys.path.insert(0, folder)
            self.messages = importlib.import_module("answermill_pb2")
            sys.path.remove(folder)
        self.channel = grpc.insecure_channel(address)

    def stream(self, call, request):
        path = f"/answermill.v1.Answermill/{call}"
        begin = self.channel.unary_stream(path, request_serializer=type(request).SerializeToString,
                                          response_deserializer=self.messages.AnswerEvent.FromString)
        return begin(request, timeout=30)

    def ask(self, question):
        return self.stream("Ask", self.messages.AskRequest(question=question))

    def watch(self, stream, after_seq):
        return self.stream("Watch", self.messages.WatchRequest(stream=stream, after_seq=after_seq))


def grpc_address(fleet):
    """What the gRPC process says that it listens on."""
    seen = lambda: re.search(r"grpc\S*.*port=(\d+) listening", fleet.log_text())
    wait_for(seen, "the gRPC port", 30)
    return f"127.0.0.1:{seen()[1]}"


def begin_on_grpc(calls):
    events = calls.ask(QUESTION)
    stream = next(event.started.stream for event in events if event.HasField("started"))
    events.cancel()
    return stream


def begin_on_http(fleet, path, body, headers=None):
    response = fleet.request("POST", path, body, headers)
    assert response.status == 200, response.read()
    stream = response.headers["X-Stream-Id"]
    response.close()
    return stream


def begin_on_socket(fleet, path, message, name):
    async def run():
        async with websockets.connect(f"ws://{fleet.host}:{fleet.port}{path}") as socket:
            await socket.send(json.dumps(message))
            while True:
                said = json.loads(await asyncio.wait_for(socket.recv(), 30))
                if said.get(name):
                    return said[name]
                if said["type"] == "chat_started":
                    return said["metadata"][name]
    return asyncio.run(run())


BEGINNINGS = {
    "sse": lambda f: begin_on_http(f, "/api/ask", {"question": QUESTION}),
    "lines": lambda f: begin_on_http(f, "/api/ask", {"question": QUESTION}, {"Accept": "application/x-ndjson"}),
    "text": lambda f: begin_on_http(f, "/api/ask", {"question": QUESTION}, {"Accept": "text/plain"}),
    "chat": lambda f: begin_on_http(f, "/fast_chat/stream", {"query": QUESTION}),
    "completions": lambda f: begin_on_http(f, "/v1/chat/completions", {
        "model": "answermill", "stream": True, "messages": [{"role": "user", "content": QUESTION}]}),
    "responses": lambda f: begin_on_http(f, "/v1/responses", {"model": "answermill", "stream": True, "input": QUESTION}),
    "ui": lambda f: begin_on_http(f, "/api/chat", {"messages": [{"role": "user", "parts": [
        {"type": "text", "text": QUESTION}]}]}),
    "native": lambda f: begin_on_socket(f, "/api/ws", {"type": "ask", "id": "q", "question": QUESTION}, "stream"),
    "query": lambda f: begin_on_socket(f, "/ws/query", {"question": QUESTION}, "stream_id"),
    "ws_stream": lambda f: begin_on_socket(f, "/ws/stream?user_id=u", {"type": "chat_request", "query": QUESTION},
                                           "stream_id"),
}


def test_every_wire_leads_to_the_same_bytes():
    seed = int(os.environ.get("ANSWERMILL_SEED", time.time_ns() % 1_000_000))
    print("seed", seed)
    with ModelServer() as model, Fleet(env=model.env("slow-10tps"), args=["--grpc", "127.0.0.1:0"]) as fleet:
        calls = Calls(grpc_address(fleet))
        fleet.ingest("shop.txt", b"The harbour shop sells lanterns and copper kettles.\n")
        streams = {name: begin(fleet) for name, begin in BEGINNINGS.items()} | {"grpc": begin_on_grpc(calls)}
        readers = [Reader(fleet, calls, stream, random.Random(f"{seed} {name}")) for name, stream in streams.items()]
        deadline = time.monotonic() + 60
        failures = []

        def run(reader):
            try:
                reader.wander(deadline)
            except BaseException as error:  # told by the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=run, args=(reader,)) for reader in readers]
        for thread in threads:
            thread.start()
        wait_for(lambda: sum(len(reader.hops) for reader in readers) >= 60 or failures, "some hops", 30)
        fleet.kill("frontend")  # in the middle of it, for good measure
        for thread in threads:
            thread.join(90)
        assert not failures, failures
        hops = sum(len(reader.hops) for reader in readers)
        assert hops >= 100, hops
        assert {wire for reader in readers for wire in reader.hops} == {
            "on_sse", "on_lines", "on_text", "on_responses", "on_state", "on_socket", "on_grpc"}
        whole = {reader.bytes for reader in readers}
        assert len(whole) == 1 and b"token40" in whole.pop()
        for reader in readers:
            assert reader.end == ("done", hashlib.sha256(reader.bytes).hexdigest(), len(reader.bytes))
