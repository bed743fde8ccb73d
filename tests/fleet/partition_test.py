"""A worker on another host behind a network that breaks: a network namespace and a veth pair, CURVE across it.

One direction after the other goes silent (the neighbour's address is made a wrong one, so packets leave and nobody
takes them), then the link goes down. Work goes on elsewhere, the worker comes back by itself, and nothing is lost or
twice. Needs root and the right to change the network; skipped otherwise.
"""
import os
import signal
import subprocess
import uuid

import pytest

pytest.importorskip("zmq")
from harness import BIN, Fleet, book, wait_for  # noqa: E402
from security_test import Network, free_block, new_key  # noqa: E402

PAGES = 40
RATE = 4 << 20           # bytes a second of documents on their way to the far worker:
BALLAST = os.urandom(3 * RATE)  # its job lasts a while
WRONG = "02:00:00:00:00:99"


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermissionError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Wire:
    """A namespace of its own at the other end of a pair of network devices."""

    def __init__(self):
        mark = uuid.uuid4().hex[:6]
        self.space, self.near, self.far = f"am-{mark}", f"am{mark}n", f"am{mark}f"
        subnet = f"10.{200 + int(mark[:2], 16) % 50}.{int(mark[2:4], 16)}"
        self.here, self.there = f"{subnet}.1", f"{subnet}.2"
        ip("netns", "add", self.space)
        try:
            ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.space)
            ip("addr", "add", f"{self.here}/24", "dev", self.near)
            ip("link", "set", self.near, "up")
            self.inside("addr", "add", f"{self.there}/24", "dev", self.far)
            self.inside("link", "set", self.far, "up")
        except PermissionError:
            self.close()
            raise

    def inside(self, *words):
        return ip("-n", self.space, *words)

    def close(self):
        subprocess.run(["ip", "link", "del", self.near], capture_output=True, check=False)
        ip("netns", "del", self.space)

    def silence(self, direction):
        """Nothing arrives any more: "up" is what the worker says, "down" what it hears."""
        if direction in ("up", "both"):
            self.inside("neigh", "replace", self.here, "lladdr", WRONG, "dev", self.far, "nud", "permanent")
        if direction in ("down", "both"):
            ip("neigh", "replace", self.there, "lladdr", WRONG, "dev", self.near, "nud", "permanent")

    def cut(self):
        ip("link", "set", self.near, "down")

    def heal(self):
        ip("link", "set", self.near, "up")
        for run, address, device in ((self.inside, self.here, self.far), (ip, self.there, self.near)):
            try:
                run("neigh", "del", address, "dev", device)
            except PermissionError:
                pass  # it was not wrong


@pytest.fixture(scope="module")
def wire():
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")
    try:
        made = Wire()
    except (PermissionError, FileNotFoundError) as error:
        pytest.skip(f"cannot make a network namespace here: {error}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def network(wire):
    base = free_block()
    with Fleet("extract=1,embed=1,index=1,generate=1,frontend=1", env={"ANSWERMILL_BLOB_RATE": str(RATE)},
               args=["--bus-listen", f"tcp://{wire.here}:{base}"]) as fleet:
        made = Network(fleet, base)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def remote(network, wire, tmp_path_factory):
    """An extract worker at the other end."""
    folder = tmp_path_factory.mktemp("remote")
    key = new_key(network.fleet.data, "far", "extract")
    log = open(folder / "log", "ab")
    worker = subprocess.Popen(
        ["ip", "netns", "exec", wire.space, str(BIN / "answermill-extract"), "--bus", f"tcp://{wire.here}:{network.base}",
         "--bus-key", str(key), "--blob-cache", str(folder / "cache")], cwd="/", stdin=subprocess.DEVNULL, stderr=log,
        env={name: value for name, value in os.environ.items() if name != "ANSWERMILL_DATA_DIR"})
    yield worker
    wire.heal()
    worker.terminate()
    worker.wait(timeout=15)
    log.close()


def far_worker(network, remote):
    return next((worker for worker in network.workers("extract") if worker["pid"] == remote.pid), None)


@pytest.mark.parametrize("fault", ["up", "down", "cut"])
def test_work_goes_on_and_the_worker_comes_back(network, wire, remote, fault):
    fleet = network.fleet
    wait_for(lambda: far_worker(network, remote), "the far worker", 20)
    [near] = fleet.pids("extract")
    os.kill(near, signal.SIGSTOP)
    try:
        wait_for(lambda: len(network.workers("extract")) == 1, "the near worker to be given up", 10)
        document = fleet.upload(f"{fault}.pdf", book(PAGES, f"{fault}side", BALLAST))
        wait_for(lambda: far_worker(network, remote)["busy"], "a job at the far worker", 10)
        if fault == "cut":
            wire.cut()
        else:
            wire.silence(fault)
    finally:
        os.kill(near, signal.SIGCONT)
    try:
        ready = fleet.wait_document(document["id"], 30)
        assert ready["state"] == "ready", ready
        assert ready["pages"]["total"] == ready["pages"]["searchable"] == PAGES, ready
        wait_for(lambda: not far_worker(network, remote), "the far worker to be given up", 10)
    finally:
        wire.heal()
    wait_for(lambda: far_worker(network, remote), "the far worker to come back by itself", 20)
    assert remote.poll() is None
    for page in (1, PAGES // 2, PAGES):
        name = f"{fault.title()}sidekeeper{page}zed"
        hits = [hit for hit in fleet.search(name)["hits"] if name in hit["text"]]
        assert len({hit["page"] for hit in hits}) == 1, hits
    again = fleet.document(document["id"])
    assert again["pages"] == ready["pages"] and again["chunks"] == ready["chunks"], "written twice"
