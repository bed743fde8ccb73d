"""How long work stands still: a worker is killed, stopped, or its loop hangs while it writes an answer; the broker is
killed with a million jobs in its journal.

    recovery_bench.py [--rounds N] [--jobs N] [--only kill|stop|hang|broker]

Worker: from the harm to the first token that another worker writes. Broker: from its start to the first job at a
worker, beside reading the same file and selecting the same rows. Needs the fleet's binaries (ANSWERMILL_BIN), node and
python3-zmq.
"""
import argparse
import os
import shutil
import signal
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/chaos"), str(ROOT / "tests/fleet")]

from fleet import ChaosFleet  # noqa: E402
from harness import BIN, ModelServer, book, sse_events, wait_for  # noqa: E402

BARS = {"kill": 2.0, "stop": 5.0, "hang": 5.0, "broker": 5.0}
WORDS = {"kill": "worker killed, its job runs elsewhere", "stop": "worker stopped (SIGSTOP), its job runs elsewhere",
         "hang": "work loop hung, I/O thread alive", "broker": "broker killed, first job handed out"}


class Watched:
    """An answer whose events are noted with the time they came."""

    def __init__(self, fleet, number):
        self.events = []
        self.ended = False
        question = f"Who is the keeper of page 1? recite word{number} 1000"
        self.response = fleet.request("POST", "/api/ask", {"question": question}, {"Accept": "text/event-stream"})
        assert self.response.status == 200, self.response.read()
        self.stream = self.response.headers["X-Stream-Id"]
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for name, _, data in sse_events(self.response):
                self.events.append((time.monotonic(), name, data))
        except (OSError, ValueError):
            pass
        self.ended = True

    def tokens(self, after=0.0):
        return [at for at, name, _ in self.events if name == "token" and at > after]

    def resumed(self, after):
        """The first token behind the second writer's first status."""
        begun = [at for at, name, data in list(self.events)
                 if name == "status" and data.get("stage") == "generate" and at > after]
        return next(iter(self.tokens(begun[0])), None) if begun else None


def writers(fleet):
    status = fleet.json("GET", "/api/status", expect=200)
    return [worker for worker in status["workers"] if worker["stage"] == "generate"]


def busy_writer(fleet):
    return next((worker["pid"] for worker in writers(fleet) if worker["busy"]), None)


def harm_worker(fleet, how, number):
    """Seconds until another worker goes on with the answer."""
    wait_for(lambda: len(writers(fleet)) == 2 and not busy_writer(fleet), "two idle workers")
    answer = Watched(fleet, number)
    wait_for(lambda: len(answer.tokens()) > 20, "an answer under way")
    pid = wait_for(lambda: busy_writer(fleet), "its writer")
    struck = time.monotonic()
    try:
        if how == "hang":
            fleet.orders["generate"].give("hung_pid", pid)
        else:
            os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        went_on = wait_for(lambda: answer.resumed(struck), "the answer to go on", every=0.005)
    finally:
        fleet.orders["generate"].give("hung_pid", 0)
        if how == "stop":
            os.kill(pid, signal.SIGCONT)
    fleet.request("POST", f"/api/streams/{answer.stream}/cancel").read()
    wait_for(lambda: answer.ended, "the end of the answer")
    return went_on - struck


def shim(folder):
    built = BIN.parent / "tests/libchaos_shim.so"
    if built.exists():
        return built
    made = Path(folder) / "shim.so"
    subprocess.run(["g++", "-std=c++20", "-O2", "-shared", "-fPIC", str(ROOT / "tests/chaos/shim.cpp"), "-o", str(made),
                    "-ldl"], check=True)
    return made


def measure_workers(kinds, rounds):
    found = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="am-", dir="/tmp") as folder, ModelServer() as model:
        with ChaosFleet("extract=1,embed=1,index=1,generate=2,frontend=1", model.env("recite-50"), folder,
                        shim(folder)) as fleet:
            fleet.ingest("book.pdf", book(2, "bench"))
            for number in range(rounds):
                for kind in kinds:
                    found[kind].append(harm_worker(fleet, kind, number))
    return found


# ---- the broker and a million jobs ----

SUBMIT, LEASE, WELCOME, HELLO = 1, 17, 16, 1
REPLY = b"rrrrrrrrrrrrrrrr"
UNDER_WAY = 20_000


def pack(value):
    """Just enough of msgpack; the bus packs texts as binary."""
    if value is None:
        return b"\xc0"
    if isinstance(value, int):
        return struct.pack(">BQ", 0xCF, value)
    if isinstance(value, bytes):
        return struct.pack(">BI", 0xC6, len(value)) + value
    return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(pack, value))


def frame(kind, value):
    return bytes([1, kind]) + pack(value)


class Broker:
    def __init__(self, folder):
        import zmq
        self.zmq, self.folder, self.context = zmq, Path(folder), zmq.Context()
        self.journal = self.folder / "journal.sqlite"
        self.process = None

    def endpoint(self, name):
        return f"ipc://{self.folder}/{name}"

    def start(self):
        names = ("jobs", "work", "events", "worker-events", "query")
        flags = [word for name in names for word in (f"--{name}-endpoint", self.endpoint(name))]
        self.process = subprocess.Popen([BIN / "answermill-broker", "--data", self.folder, "--tenant-open-jobs",
                                         "2000000", *flags], stderr=open(self.folder / "log", "ab"))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def fill(self, count):
        """Submits durable jobs of a stage that nobody serves yet, and waits for every acknowledgement."""
        events, jobs = self.context.socket(self.zmq.SUB), self.context.socket(self.zmq.PUSH)
        events.rcvhwm = 0
        events.subscribe(REPLY)
        events.connect(self.endpoint("events"))
        jobs.connect(self.endpoint("jobs"))
        job = [b"", b"bench", b"work", b"t", b"REQUEST-ID-HERE", b"", b"", b"", 2, 0, 0, 0, os.urandom(256)]
        head, tail = frame(SUBMIT, [REPLY, job, None, None, None]).split(b"REQUEST-ID-HERE")
        acknowledged = 0
        while not events.poll(200):  # the same one until it is answered: the subscription must have arrived
            jobs.send(head + b"%015d" % 0 + tail)
        while events.poll(200):
            events.recv_multipart()
        for number in range(1, count):
            jobs.send(head + b"%015d" % number + tail)
            while number - acknowledged >= UNDER_WAY or events.poll(0):
                assert events.poll(30_000), "no acknowledgements"
                events.recv_multipart()
                acknowledged += 1
        while acknowledged < count - 1:
            assert events.poll(30_000), "no acknowledgements"
            events.recv_multipart()
            acknowledged += 1
        events.close()
        jobs.close(linger=0)

    def first_job(self):
        """Starts the broker; seconds until a worker has a job."""
        began = time.monotonic()
        self.start()
        worker = self.context.socket(self.zmq.DEALER)
        worker.connect(self.endpoint("work"))
        hello = frame(HELLO, [b"bench-worker", b"bench", b"", 1, 1, []])
        worker.send(hello)
        while True:
            assert time.monotonic() - began < 120, "no job came"
            if not worker.poll(100):
                continue
            if worker.recv()[1] == LEASE:
                worker.close(linger=0)
                return time.monotonic() - began


def read_file(path):
    began = time.monotonic()
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    return time.monotonic() - began


def select_rows(path):
    began = time.monotonic()
    with sqlite3.connect(path) as database:
        for table in ("requests", "jobs"):
            database.execute(f"SELECT count(*), sum(length(key) + length(value) + sum) FROM {table}").fetchall()
    return time.monotonic() - began


def measure_broker(count, rounds):
    times = []
    folder = tempfile.mkdtemp(prefix="am-", dir="/var/tmp")  # a real disk
    broker = Broker(folder)
    try:
        broker.start()
        began = time.monotonic()
        broker.fill(count)
        print(f"  {count} durable jobs journaled in {time.monotonic() - began:.0f} s")
        broker.kill()
        for _ in range(rounds):
            times.append(broker.first_job())
            broker.kill()
        size = broker.journal.stat().st_size >> 20
        print(f"  the limit: {read_file(broker.journal):.2f} s to read the file ({size} MB) in sequence, "
              f"{select_rows(broker.journal):.2f} s to SELECT its rows")
    finally:
        broker.context.destroy(linger=0)
        if broker.process and broker.process.poll() is None:
            broker.kill()
        shutil.rmtree(folder)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--only", choices=sorted(BARS))
    options = parser.parse_args()
    kinds = [kind for kind in ("kill", "stop", "hang") if options.only in (None, kind)]
    found = measure_workers(kinds, options.rounds) if kinds else {}
    if options.only in (None, "broker"):
        found["broker"] = measure_broker(options.jobs, options.rounds)
    print(f"{'what':<50} {'median s':>9} {'worst s':>9} {'bar s':>7}")
    for kind, times in found.items():
        print(f"{WORDS[kind]:<50} {statistics.median(times):>9.2f} {max(times):>9.2f} {BARS[kind]:>7.1f}")


if __name__ == "__main__":
    main()
