"""A real fleet for tests: `answermill up` on a folder and a port of its own, and clients that speak to it.

Needs only Debian's python3; the WebSocket client is python3-websockets. Binaries come from ANSWERMILL_BIN.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("ANSWERMILL_BIN", ROOT / "build/release/bin"))
DATA = Path(os.environ.get("ANSWERMILL_DATA", ROOT.parent / "shared/data"))
PATIENCE = 60.0


class Fleet:
    """`answermill up`, started on entering and stopped on leaving; leaving checks that it stopped cleanly."""

    def __init__(self, workers=None, env=None, data=None, args=(), listen="127.0.0.1:0"):
        self.folder = tempfile.TemporaryDirectory(prefix="am-")
        self.data = Path(data) if data else Path(self.folder.name) / "data"
        self.workers = workers
        self.env = {**os.environ, "LOG_LEVEL": "debug", **(env or {})}
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DEEPSEEK_API_KEY", "EMBED_BASE_URL"):
            if name not in (env or {}):
                self.env.pop(name, None)
        self.args = list(args)
        self.listen = listen
        self.log = Path(self.folder.name) / "log"
        self.process = None
        self.url = None
        self.urls = []  # one for each --listen, in their order

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            sys.stderr.write("---- the fleet's log, its end ----\n" + self.log_text()[-6000:])
        self.stop(check=kind is None)
        self.folder.cleanup()

    def start(self):
        command = [BIN / "answermill", "up", "--data", self.data, "--listen", self.listen]
        if self.workers:
            command += ["--workers", self.workers]
        self.process = subprocess.Popen([*map(str, command), *self.args], env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=open(self.log, "ab"), text=True,
                                        start_new_session=True)
        killer = threading.Timer(PATIENCE, self.process.kill)
        killer.start()
        self.urls = []
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.urls.append(line.split()[1])
                if len(self.urls) == 1 + self.args.count("--listen"):
                    self.url = self.urls[0]
                    break
        killer.cancel()
        assert self.url, "the fleet did not become ready:\n" + self.log_text()[-4000:]
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        parts = urllib.parse.urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port

    def stop(self, check=True):
        if self.process is None or self.process.poll() is not None:
            return
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=15)
        took = time.monotonic() - began
        if check:
            assert code == 0, f"`answermill up` ended with {code}"
            assert took < 6, f"stopping took {took:.1f} s"

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def pids(self, program):
        """Process ids of this fleet's children of a kind: "broker", "extract" …"""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                name = os.path.basename(os.readlink(entry / "exe").removesuffix(" (deleted)"))
            except (OSError, IndexError):
                continue
            if parent == self.process.pid and name == f"answermill-{program}":
                found.append(int(entry.name))
        return sorted(found)

    def kill(self, program, which=0):
        pids = wait_for(lambda: self.pids(program), f"a {program} process")
        os.kill(pids[which % len(pids)], signal.SIGKILL)

    # ---- HTTP ----

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body=body, headers=headers)
        return connection.getresponse()

    def json(self, method, path, body=None, headers=None, expect=None):
        answer = self.request(method, path, body, headers)
        text = answer.read()
        if expect is not None:
            assert answer.status == expect, f"{method} {path}: {answer.status} {text[:500]!r}"
        return json.loads(text) if text else None

    def upload(self, name, content, collection="default"):
        query = urllib.parse.urlencode({"name": name, "collection": collection})
        return self.json("POST", f"/api/documents?{query}", body=content,
                         headers={"Content-Type": "application/octet-stream"}, expect=202)["documents"][0]

    def document(self, document_id):
        return self.json("GET", f"/api/documents/{document_id}")

    def wait_document(self, document_id, timeout=PATIENCE):
        def finished():
            document = self.document(document_id)
            return document if document.get("state") in ("ready", "failed") else None
        return wait_for(finished, f"document {document_id} to finish", timeout)

    def ingest(self, name, content, collection="default", timeout=PATIENCE):
        document = self.wait_document(self.upload(name, content, collection)["id"], timeout)
        assert document["state"] == "ready", document
        return document

    def search(self, query, collection="default", k=8, threshold=None):
        words = {"q": query, "collection": collection, "k": k}
        if threshold is not None:
            words["threshold"] = threshold
        return self.json("GET", "/api/search?" + urllib.parse.urlencode(words), expect=200)

    def ask(self, question, timeout=PATIENCE, **fields):
        """Asks over SSE and reads to the end; resumes over /api/streams when the connection breaks."""
        answer = Answer()
        try:
            response = self.request("POST", "/api/ask", {"question": question, **fields},
                                    {"Accept": "text/event-stream"}, timeout)
            assert response.status == 200, response.read()
            answer.stream = response.headers["X-Stream-Id"]
            answer.read(response)
        except (OSError, http.client.HTTPException):
            if answer.stream is None:
                raise
        deadline = time.monotonic() + timeout
        while not answer.terminal and time.monotonic() < deadline:
            try:
                response = self.request("GET", f"/api/streams/{answer.stream}",
                                        headers={"Accept": "text/event-stream", "Last-Event-ID": str(answer.seq)})
                if response.status == 200:
                    answer.read(response)
                    continue
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.1)  # the frontend is being restarted
        return answer


class Answer:
    """An answer as a client of the SSE wire sees it: text by offsets, events counted."""

    def __init__(self):
        self.stream = None
        self.bytes = b""
        self.seq = 0
        self.events = []
        self.terminal = None
        self.token_times = []

    @property
    def text(self):
        return self.bytes.decode()

    def of(self, kind):
        return [data for name, data in self.events if name == kind]

    def read(self, response):
        for name, seq, data in sse_events(response):
            self.take(name, seq, data)
            if self.terminal:
                return

    def take(self, name, seq, data):
        self.events.append((name, data))
        if seq is not None:
            self.seq = seq
        if name == "token":
            self.token_times.append(time.monotonic())
            assert data["offset"] <= len(self.bytes), "a hole in the text"
            self.bytes = self.bytes[:data["offset"]] + data["text"].encode()
        elif name == "rewind":
            self.bytes = self.bytes[:data["offset"]]
        elif name in ("done", "cancelled", "failed", "expired"):
            assert self.terminal is None, "two terminal events"
            self.terminal = (name, data)


def sse_events(response):
    name, seq, data = None, None, []
    while True:
        line = response.readline()
        if not line:
            return
        line = line.decode().rstrip("\r\n")
        if not line:
            if data:
                yield name or "message", seq, json.loads("\n".join(data))
            name, data = None, []
        elif line.startswith(":"):
            continue
        else:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "id":
                seq = int(value)
            elif field == "data":
                data.append(value)


def wait_for(condition, what, timeout=PATIENCE, every=0.05):
    """Polls a condition of the outside world; the test fails when it does not come true in time."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            value = condition()
        except (OSError, http.client.HTTPException):
            value = None
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        time.sleep(every)


def make_pdf(pages, ballast=b""):
    """A real PDF of text pages: one string a page, its lines kept. The ballast is in the file and on no page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        lines = text.split("\n")
        content = "BT /F1 11 Tf 50 780 Td 14 TL\n"
        for line in lines:
            escaped = re.sub(r"([\\()])", r"\\\1", line)
            content += f"({escaped}) Tj T*\n"
        stream = zlib.compress((content + "ET").encode("latin-1"))
        objects.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R "
                       b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects))
        kids.append(b"%d 0 R" % len(objects))
    if ballast:
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(ballast), ballast))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


WORDS = ("harbour lantern meadow copper violin granite saffron timber orchid marble anchor thistle "
         "bramble cobalt ferry glacier hazel ivory juniper kestrel").split()


def book(pages, marker="volume", ballast=b""):
    """A PDF whose page N says something that only page N says."""
    texts = []
    for number in range(1, pages + 1):
        lines = [f"Chapter {number} of the {marker}"]
        for line in range(24):
            lines.append(" ".join(WORDS[(number * 7 + line * 3 + i) % len(WORDS)] for i in range(9)) + ".")
        lines.append(f"The keeper of page {number} is called {marker.title()}keeper{number}zed.")
        texts.append("\n".join(lines))
    return make_pdf(texts, ballast)


class ModelServer:
    """tests/fleet/model_server.mjs, a server of OpenAI's wire format on a port of its own."""

    def __enter__(self):
        self.process = subprocess.Popen(["node", str(ROOT / "tests/fleet/model_server.mjs"), "--port", "0"],
                                        stdout=subprocess.PIPE, text=True)
        self.base_url = json.loads(self.process.stdout.readline())["base_url"]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def env(self, model):
        return {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": "test-key", "OPENAI_MODEL": model,
                "OPENAI_MODEL_COMPREHENSIVE": model}
