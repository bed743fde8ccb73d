"""Crowds: what happens once in a round of its own rather than at random moments.

Each takes the run and a random generator, adds what it finds to the report, and returns what it did.
"""
import asyncio
import os
import socket
import time
from pathlib import Path

from faults import Struck
from ledger import Question
from wire import Gone, WebSocket

BIG = 10_000          # tokens of an answer that does not fit into any socket's buffers
CROWD = 1_000         # viewers of one answer
HERD = 5_000          # clients that lose their frontend at once
FLOOD = 10_000        # jobs of one tenant
PROBES = 40           # questions whose first token is timed
SLOWEST_PROBE = 3.0   # seconds to its first token, while a tenant floods
SLOWEST_CROWD = 60.0  # seconds until every one of a crowd has everything; the runner's own work included
MEMORY_PER_VIEWER = 256 << 10  # "a fixed few hundred KB"


def follow(run, question):
    """Another client's view of a stream that `question` began."""
    view = Question(question.uid, "ws", question.expected, question.cancels, question.stream)
    return view, run.clients.watch_stream(view)


async def started(questions):
    end = time.monotonic() + 20
    while not all(q.stream for q in questions) and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return [q for q in questions if q.stream]


def memory_of_frontends(run):
    total = 0
    for pid in run.fleet.processes()["frontend"]:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) << 10
    return total


def check_views(run, this, views):
    """The stream's own account is the main question's; here the views must be equal to it."""
    for view in views:
        for kind, what in view.verdicts({"status": view.terminals[0][0], "text": view.text.decode()}
                                        if view.terminals else None):
            run.report.find(this, kind, f"a viewer of {view.uid}, stream {view.stream}: {what}")


async def herd(run, this, rng):
    """5,000 connected clients lose their frontends at once, come back at once, and each asks for an answer."""
    slots = asyncio.Semaphore(200)

    async def idle():
        async with slots:
            for _ in range(100):
                try:
                    return await WebSocket.open(run.fleet.address)
                except (OSError, asyncio.TimeoutError):
                    await asyncio.sleep(0.2)
        raise Gone("a client could not connect in time")

    questions = [run.clients.ask(60) for _ in range(10)]
    sockets = await asyncio.gather(*(idle() for _ in range(HERD)))
    questions = await started(questions)
    begin = time.monotonic()
    for pid in run.fleet.processes()["frontend"]:
        run.fleet.kill(pid)
    end = time.monotonic()
    for each in sockets:
        each.close()
    views = [follow(run, rng.choice(questions)) for _ in range(HERD)]
    await asyncio.wait([task for _, task in views], timeout=90)
    took = time.monotonic() - begin
    check_views(run, this, [view for view, _ in views])
    run.say(f"herd: {HERD} clients have everything {took:.1f} s after their frontends died")
    return [Struck("herd", f"{HERD} clients", begin, end)]


async def crowd(run, this, rng):
    """A thousand viewers of a big answer, one of which never reads: nobody else waits, and memory is bounded."""
    before = memory_of_frontends(run)
    begin = time.monotonic()
    question = (await started([run.clients.ask(BIG)]))[0]
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    stuck.connect(run.fleet.address)
    stuck.sendall(b"GET /api/streams/%s?after_seq=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
                  % question.stream.encode())
    try:
        views = [follow(run, question) for _ in range(CROWD - 1)]
        pending = {task for _, task in views}
        most = before
        while pending and time.monotonic() - begin < SLOWEST_CROWD:
            _, pending = await asyncio.wait(pending, timeout=0.2)
            most = max(most, memory_of_frontends(run))
        took = time.monotonic() - begin
    finally:
        stuck.close()
    check_views(run, this, [view for view, _ in views])
    grown = most - before
    if grown > CROWD * MEMORY_PER_VIEWER:
        run.report.find(this, "bound", f"frontends grew by {grown >> 20} MB for {CROWD} viewers")
    run.say(f"crowd: {CROWD - 1} viewers had {len(question.text) >> 10} KB each after {took:.1f} s beside one that "
            f"never reads; frontends grew by {grown >> 20} MB")
    return [Struck("crowd", "zero window", begin, begin)]


async def probe(run, this, number):
    """Times to the first token of questions one after another, sorted."""
    times = []
    for _ in range(number):
        question = run.clients.ask(3)
        question.cancels = False  # its client has not begun yet
        end = time.monotonic() + 20
        while question.first_token is None and time.monotonic() < end:
            await asyncio.sleep(0.01)
        times.append((question.first_token or end) - question.asked)
    return sorted(times)


async def flood(run, this, rng):
    """One tenant submits 10,000 bulk jobs; the questions of another must hardly notice."""
    quiet = await probe(run, this, PROBES // 2)
    program = Path(os.environ.get("ANSWERMILL_BIN", run.fleet.bin)).parent / "tests" / "chaos_flood"
    sockets = run.fleet.runtime_folder()
    begin = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        program, f"ipc://{sockets}/jobs", f"ipc://{sockets}/events", str(FLOOD), stdout=asyncio.subprocess.PIPE)
    busy = await probe(run, this, PROBES)
    said, _ = await process.communicate()
    middle = [times[len(times) // 2] * 1000 for times in (quiet, busy)]
    run.say(f"flood: {said.decode().strip()}; first token p50 {middle[0]:.0f} ms before, {middle[1]:.0f} ms and at "
            f"most {busy[-1] * 1000:.0f} ms meanwhile")
    if process.returncode != 0:
        run.report.find(this, "stuck", f"the flood was not acknowledged: {said.decode()}")
    if busy[-1] > SLOWEST_PROBE:
        run.report.find(this, "bound", f"a question waited {busy[-1]:.1f} s while a tenant flooded")
    return [Struck("flood", f"{FLOOD} jobs", begin, begin)]


SCENARIOS = {"herd": herd, "crowd": crowd, "flood": flood}
