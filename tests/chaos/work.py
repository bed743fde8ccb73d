"""What clients do while the fleet is under attack: questions over both wires that resume, uploads, deletions.

Thread: everything runs on the runner's event loop. A client retries as a good client does: what was never
acknowledged is asked anew (under another value), what was acknowledged is resumed and never asked again.
"""
import asyncio
import random
import time

from ledger import TERMINALS, Question, Upload
from wire import Gone, WebSocket, open_request, request, sse

PAUSE = 0.1          # seconds between attempts to reach the fleet
BASE_DOCUMENT = "The lighthouse of Wexmere was built in 1871 by Ada Thorne.\n"
LETTERS = "bcdfghjklmnprstvwxz"


def unique_word(rng):
    """Thirteen letters that no stemmer touches and no other page has."""
    return "q" + "".join(rng.choice(LETTERS) for _ in range(11)) + "q"


def recitation(uid, count):
    """What the model `recite` of tests/fleet/model_server.mjs says of a question that names `uid` and `count`."""
    return " ".join(f"{uid}.{number}" for number in range(1, count + 1))


class Clients:
    """Starts clients on demand, remembers every one of them, and waits for their ends."""

    def __init__(self, address, rng, make_pdf, collection="default"):
        self.address, self.rng, self.make_pdf, self.collection = address, rng, make_pdf, collection
        self.questions, self.uploads, self.tasks = [], [], set()
        self.refused = {}  # why something was not taken → how often
        self.deadline = None  # of the drain: when clients stop trying

    def _go(self, coroutine):
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def _over(self):
        return self.deadline is not None and time.monotonic() > self.deadline

    def _refuse(self, why):
        self.refused[why] = self.refused.get(why, 0) + 1

    # ---- questions ----

    def ask(self, tokens=None):
        uid = unique_word(self.rng)
        tokens = tokens or self.rng.randrange(10, 120)
        question = Question(uid, self.rng.choice(("ws", "sse")), recitation(uid, tokens),
                            cancels=self.rng.random() < 0.08)
        question.asked = time.monotonic()
        self.questions.append(question)
        text = f"Who built the lighthouse of Wexmere? recite {uid} {tokens}"
        self._go(self._follow(question, text))
        return question

    def watch_stream(self, view):
        """One more client of a stream that is known; not accounted with the questions."""
        return self._go(self._follow(view, None))

    async def _follow(self, question, text):
        attempt = self._ws if question.wire == "ws" else self._sse
        if question.cancels and text:
            self._go(self._cancel_later(question, self.rng.uniform(0.05, 2.0)))
        while not question.terminals and not self._over():
            try:
                await attempt(question, text)
            except (OSError, asyncio.TimeoutError, ValueError) as error:
                if question.stream is None:
                    self._refuse(f"a question: {type(error).__name__} {error}"[:80])
                    question.given_up = True
                    return
            if not question.terminals:
                await asyncio.sleep(PAUSE)

    async def _cancel_later(self, question, delay):
        await asyncio.sleep(delay)
        while not question.terminals and not question.given_up and not self._over():
            try:
                if question.stream:
                    await request(self.address, "POST", f"/api/streams/{question.stream}/cancel", patience=5)
            except (OSError, ValueError):
                pass
            await asyncio.sleep(1.0)

    async def _ws(self, question, text):
        socket = await WebSocket.open(self.address)
        try:
            if question.stream is None:
                socket.send({"type": "ask", "id": "1", "question": text, "collection": self.collection})
            else:
                question.resumes += 1
                socket.send({"type": "resume", "id": "2", "stream": question.stream, "after_seq": question.seq})
            while not question.terminals:
                # A client that hears nothing for long asks again on another connection.
                message = await asyncio.wait_for(socket.receive(), 12)
                if not self._take(question, message):
                    return
            # A second terminal event would come at once.
            while True:
                self._take(question, await asyncio.wait_for(socket.receive(), 0.5))
        finally:
            socket.close()

    def _take(self, question, message):
        """One message of the native protocol; False when the connection is of no more use."""
        kind, now = message["type"], time.monotonic()
        if kind == "started":
            question.stream = message["stream"]
            question.times.append(now)
        elif kind == "resumed" and not message["recovered"]:
            question.snapshot(message, now)
        elif kind == "error":
            if question.stream is None:
                raise Gone(f"refused: {message['code']}")
            self._refuse(f"a resume: {message['code']}")
            return False
        elif kind in ("status", "sources", "token", "citation", "rewind", *TERMINALS):
            if message["stream"] == question.stream:
                question.event(kind, message["first_seq"], message["seq"], message, now)
        return True

    async def _sse(self, question, text):
        events = {"Accept": "text/event-stream"}
        if question.stream is None:
            opened = await asyncio.wait_for(open_request(
                self.address, "POST", "/api/ask", {"question": text, "collection": self.collection,
                                                   "request_id": question.uid}, events), 20)
        else:
            question.resumes += 1
            opened = await asyncio.wait_for(open_request(
                self.address, "GET", f"/api/streams/{question.stream}", None,
                {**events, "Last-Event-ID": str(question.seq)}), 20)
        status, headers, reader, writer = opened
        try:
            if status != 200:
                if question.stream is None:
                    raise Gone(f"refused with {status}")
                self._refuse(f"a resume: {status}")
                return
            question.stream = headers["x-stream-id"]
            source = sse(reader, headers)
            while True:
                try:
                    # The server says something every 15 s.
                    name, seq, data = await asyncio.wait_for(anext(source), 20)
                except StopAsyncIteration:
                    return
                if name == "error":
                    self._refuse(f"a resume: {data.get('code') or data}"[:80])
                elif name == "started":
                    question.times.append(time.monotonic())
                else:
                    question.event(name, None, seq, data, time.monotonic())
        finally:
            writer.close()

    # ---- documents ----

    def upload(self, pages=None):
        pages = pages or self.rng.choice((3, 8, 20, 60))
        upload = Upload(f"{unique_word(self.rng)}.pdf", [unique_word(self.rng) for _ in range(pages)])
        self.uploads.append(upload)
        deletes = self.rng.random() < 0.15
        self._go(self._ingest(upload, self.rng.uniform(0, 4) if deletes else None))
        return upload

    def content_of(self, upload):
        filler = "The harbour lantern keeps the copper meadow and the violin of saffron timber. " * 2
        return self.make_pdf([f"Page {number} of {upload.name}\n{filler}\nIts only word is {word}."
                              for number, word in enumerate(upload.words, 1)])

    async def _ingest(self, upload, delete_after):
        path = f"/api/documents?name={upload.name}&collection={self.collection}"
        try:
            status, body = await request(self.address, "POST", path, self.content_of(upload),
                                         {"Content-Type": "application/octet-stream"}, 30)
        except (OSError, ValueError) as error:
            return self._refuse(f"an upload: {type(error).__name__} {error}"[:80])
        if status != 202:
            return self._refuse(f"an upload: {status} {(body or {}).get('error', {}).get('code')}")
        upload.document = body["documents"][0]["id"]
        upload.times.append(time.monotonic())
        if delete_after is not None:
            await asyncio.sleep(delete_after)
            return await self._delete(upload)
        await self._watch(upload)

    async def _delete(self, upload):
        upload.deleted = "asked"
        while not self._over():
            try:
                status, _ = await request(self.address, "DELETE", f"/api/documents/{upload.document}")
                if status in (200, 404):
                    upload.deleted = "gone"
                    return
                self._refuse(f"a deletion: {status}")
            except (OSError, ValueError):
                pass
            await asyncio.sleep(PAUSE)

    async def _watch(self, upload):
        """Follows the document to its end; one whose pages were set aside is retried, as its user would."""
        last = None
        while not self._over():
            await asyncio.sleep(0.25)
            try:
                status, row = await request(self.address, "GET", f"/api/documents/{upload.document}", patience=10)
            except (OSError, ValueError):
                continue
            if status != 200:
                continue
            seen = (row["state"], row["generation"], *row["pages"].values())
            if seen != last:
                last = seen
                upload.times.append(time.monotonic())
            upload.final = row
            if row["state"] not in ("ready", "failed"):
                continue
            causes = {w["code"] for w in row["warnings"]} | ({row["error"]["code"]} if row["error"] else set())
            if not causes or upload.retried >= 5 or not causes <= {"crashed", "quarantined"}:
                return
            upload.set_aside = True
            upload.retried += 1
            try:
                await request(self.address, "POST", f"/api/documents/{upload.document}/retry", patience=10)
            except (OSError, ValueError):
                pass

    # ---- the end ----

    async def drain(self, patience):
        """Waits until every client has its end; those that have none after `patience` stay without."""
        self.deadline = time.monotonic() + patience
        while self.tasks and time.monotonic() < self.deadline + 40:
            await asyncio.wait(self.tasks, timeout=0.5)
        for task in self.tasks:
            task.cancel()
        self.deadline = None

    async def load(self, seconds, questions_per_second, uploads_per_second, most_open=60):
        """Asks and uploads at these mean rates, at random moments, never more than `most_open` at once."""
        end = time.monotonic() + seconds
        rate = questions_per_second + uploads_per_second
        while (now := time.monotonic()) < end:
            await asyncio.sleep(min(self.rng.expovariate(rate), end - now))
            if len(self.tasks) >= most_open:
                continue
            if self.rng.random() * rate < questions_per_second:
                self.ask()
            else:
                self.upload()
