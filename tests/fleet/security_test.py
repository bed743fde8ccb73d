"""The bus beyond one host: keys, roles, hostile peers, a worker that joins, and revoking.

Real processes over loopback; the hostile ones are raw sockets and libzmq clients (python3-zmq).
"""
import json
import os
import random
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

zmq = pytest.importorskip("zmq")
from harness import BIN, Fleet, wait_for  # noqa: E402

PORTS = 18
DOORS = {"jobs": 0, "frontend_work": 1, "events": 2, "frontend_worker_events": 3, "query": 4, "extract_work": 5,
         "extract_worker_events": 6, "extract_blobs": 7, "embed_work": 8, "operator_query": 17}


def free_block():
    """A base port below the ephemeral range with a whole free block behind it."""
    while True:
        base = random.randrange(10_000, 32_000, PORTS)
        held = []
        try:
            for port in range(base, base + PORTS):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            pass
        finally:
            for one in held:
                one.close()


def command(*words, expect=0):
    done = subprocess.run([str(BIN / "answermill"), *map(str, words)], capture_output=True, text=True, timeout=30)
    assert done.returncode == expect, done.stderr + done.stdout
    return done


def new_key(data, name, role):
    return Path(command("keys", "new", name, "--role", role, "--data", data).stdout.strip())


def read_key(path):
    return dict(line.split(" = ") for line in path.read_text().splitlines() if " = " in line)


def msgpack(value):
    """Just enough of msgpack for hostile messages."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value) if value < 0 else struct.pack(">BQ", 0xCF, value)
    if isinstance(value, (str, bytes)):
        raw = value.encode() if isinstance(value, str) else value
        return struct.pack(">BI", 0xC6, len(raw)) + raw
    return struct.pack(">BI", 0xDD, len(value)) + b"".join(map(msgpack, value))


def frame(kind, value, version=1):
    return bytes([version, kind]) + msgpack(value)


def hello(stage, worker="w" * 16):
    return frame(1, [worker, stage, "elsewhere", 1, 4, [], "1", ""])


class Network:
    """A fleet that listens for other hosts, and clients that come in from there."""

    def __init__(self, fleet, base):
        self.fleet, self.base = fleet, base
        self.url = f"tcp://127.0.0.1:{base}"
        self.context = zmq.Context()
        self.clients = []  # an unreferenced one would be closed before it had shaken hands

    def close(self):
        self.context.destroy(linger=0)

    def client(self, kind, door, key=None, broker=None):
        client = self.context.socket(kind)
        client.linger = 0
        self.clients.append(client)
        if key is not None:
            key = read_key(key)
            client.curve_publickey = key["public"].encode()
            client.curve_secretkey = key["secret"].encode()
            client.curve_serverkey = (broker or key["broker"]).encode()
        client.connect(f"tcp://127.0.0.1:{self.base + DOORS[door]}")
        return client

    def refused(self):
        return self.fleet.json("GET", "/api/status", expect=200)["refused"]

    def wait_refused(self, reason, more_than=0):
        return wait_for(lambda: self.refused().get(reason, 0) > more_than, f"a refusal of kind {reason}", 15)

    def workers(self, stage):
        return [w for w in self.fleet.json("GET", "/api/status", expect=200)["workers"] if w["stage"] == stage]


@pytest.fixture(scope="module")
def network():
    base = free_block()
    with Fleet(workers="extract=1", args=["--bus-listen", f"tcp://127.0.0.1:{base}"]) as fleet:
        made = Network(fleet, base)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def keys(network):
    data = network.fleet.data
    return {role: new_key(data, f"a-{role}", role) for role in ("frontend", "extract", "embed", "operator")}


class Joined:
    """`answermill join` as another host would run it."""

    def __init__(self, network, key, workers, folder):
        folder.mkdir()
        self.log = folder / "join.log"
        self.process = subprocess.Popen(
            [str(BIN / "answermill"), "join", network.url, "--key", str(key), "--workers", workers, "--data",
             str(folder / "data")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.log, "ab"), start_new_session=True)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=15) == 0, self.log.read_text()[-3000:]


def test_a_key_is_its_owners_alone_and_never_shown(network, keys):
    for path in [*keys.values(), network.fleet.data / "keys" / "broker.key"]:
        assert path.stat().st_mode & 0o777 == 0o600
        secret = read_key(path)["secret"]
        assert secret not in network.fleet.log_text()
        assert secret not in command("keys", "list", "--data", network.fleet.data).stdout
    taken = command("keys", "new", "a-embed", "--role", "embed", "--data", network.fleet.data, expect=1)
    assert "already" in taken.stderr
    command("keys", "new", "../x", "--role", "embed", "--data", network.fleet.data, expect=2)
    command("keys", "revoke", "nobody", "--data", network.fleet.data, expect=5)


def test_refuses_to_carry_the_bus_in_the_clear(tmp_path):
    for program, flags in (
            ("broker", {"jobs": "tcp://0.0.0.0:7000", "work": "ipc:///tmp/x", "events": "ipc:///tmp/x",
                        "worker-events": "ipc:///tmp/x", "query": "ipc:///tmp/x"}),
            ("embed", {"work": "tcp://10.0.0.1:7405", "events": "tcp://10.0.0.1:7406"}),
            ("frontend", {"jobs": "tcp://10.0.0.1:7400", "work": "ipc:///tmp/x", "events": "ipc:///tmp/x",
                          "worker-events": "ipc:///tmp/x", "query": "ipc:///tmp/x"})):
        words = [str(BIN / f"answermill-{program}"), "--data", str(tmp_path)]
        for name, value in flags.items():
            words += [f"--{name}-endpoint", value]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
        assert done.returncode != 0 and "unencrypted" in done.stderr and "answermill keys new" in done.stderr, done
    done = subprocess.run([str(BIN / "answermill-embed"), "--bus", "tcp://10.0.0.1:7400"], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode != 0 and "--bus-key" in done.stderr


def test_strangers_are_refused_and_counted(network, keys):
    before = network.refused()
    # A greeting of ZMTP 3.0 that wants no encryption. (libzmq's own client may hang up before it is refused.)
    with socket.create_connection(("127.0.0.1", network.base + DOORS["jobs"]), timeout=15) as plain:
        plain.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        network.wait_refused("plaintext", before.get("plaintext", 0))
    network.client(zmq.PUSH, "jobs").send(frame(1, []))
    stranger = network.fleet.data.parent / "stranger.key"
    pair = zmq.curve_keypair()
    stranger.write_text(f"public = {pair[0].decode()}\nsecret = {pair[1].decode()}\n"
                        f"broker = {read_key(keys['embed'])['broker']}\n")
    network.client(zmq.DEALER, "embed_work", stranger).send(hello("embed"))
    network.wait_refused("unknown_key")
    network.client(zmq.DEALER, "embed_work", keys["embed"], broker=pair[0].decode()).send(hello("embed"))
    network.wait_refused("handshake")
    # What is no ZeroMQ at all, and the handshakes of its old versions, which know no security.
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x01\x00" * 40, b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0",
                    os.urandom(500)):
        with socket.create_connection(("127.0.0.1", network.base + DOORS["jobs"]), timeout=5) as raw:
            raw.sendall(garbage)
    assert len(network.workers("embed")) == 1  # the fleet's own
    assert network.fleet.json("GET", "/readyz", expect=200)["ready"]


def test_a_worker_key_can_neither_submit_nor_listen_nor_ask(network, keys):
    before = network.refused().get("wrong_role", 0)
    for door, kind, message in (("jobs", zmq.PUSH, frame(1, [])), ("query", zmq.DEALER, frame(1, [1, "s", 0])),
                                ("operator_query", zmq.DEALER, frame(1, [1, "s", 0])),
                                ("frontend_work", zmq.DEALER, hello("record")), ("extract_work", zmq.DEALER,
                                                                                hello("extract"))):
        client = network.client(kind, door, keys["embed"])
        client.send(message)
        network.wait_refused("wrong_role", before)
        before = network.refused().get("wrong_role", 0)
    listener = network.client(zmq.SUB, "events", keys["embed"])
    listener.subscribe(b"")
    network.wait_refused("wrong_role", before)
    assert listener.poll(1500) == 0  # the fleet's status alone is published every second
    listening = network.client(zmq.SUB, "events", keys["frontend"])
    listening.subscribe(b"fleet")
    assert listening.poll(5000) != 0


def test_a_key_greets_for_its_own_stage_only(network, keys):
    before = network.refused().get("wrong_role", 0)
    client = network.client(zmq.DEALER, "embed_work", keys["embed"])
    client.send(hello("generate", "x" * 16))
    network.wait_refused("wrong_role", before)
    assert not [w for w in network.workers("generate") if w["host"] == "elsewhere"]
    operator = network.client(zmq.DEALER, "operator_query", keys["operator"])
    operator.send(frame(1, [7, "nosuchstream", 0]))
    assert operator.poll(5000) != 0


def test_hostile_messages_are_refused_and_nothing_breaks(network, keys):
    jobs = network.client(zmq.PUSH, "jobs", keys["frontend"])
    work = network.client(zmq.DEALER, "embed_work", keys["embed"])
    events = network.client(zmq.PUB, "extract_worker_events", keys["extract"])
    events.send_multipart([b"t" * 16, b"\x01\x01garbage"])
    before = network.refused()
    for nasty in (b"", b"\x01", b"\x01\x01", frame(1, [])[:-1] + b"\xc1", b"\x01\x01" + b"\x91" * 200_000,
                  b"\x01\x01\xdd\xff\xff\xff\xff", b"\x01\x01\xc6\xff\xff\xff\xff", frame(99, [1, 2]),
                  frame(1, ["r", ["x"] * 60_000]), os.urandom(70_000)):
        jobs.send(nasty)
        work.send(nasty)
    network.wait_refused("malformed", before.get("malformed", 0))
    jobs.send(frame(1, [], version=9))
    network.wait_refused("version")
    jobs.send(b"\x01\x01" + b"x" * (9 << 20))
    network.wait_refused("oversize")
    jobs.send(b"\x01\x01" + b"x" * (40 << 20))  # cut off by the socket itself
    jobs.send_multipart([b"\x01\x01", b"two frames"])
    network.fleet.ingest("after.txt", b"The saffron lighthouse stands on the northern pier.\n")
    assert network.fleet.search("saffron lighthouse")["hits"]
    log = network.fleet.log_text()
    assert log.count("event=refused") < 400, "refusals flood the log"


def test_a_worker_joins_and_a_revoked_one_is_cut_off(network, tmp_path):
    data = network.fleet.data
    ours = len(network.workers("extract"))
    lasting = new_key(data, "lasting", "extract")
    leaving = new_key(data, "leaving", "extract")
    first = Joined(network, lasting, "extract=1", tmp_path / "one")
    second = Joined(network, leaving, "extract=1", tmp_path / "two")
    wait_for(lambda: len(network.workers("extract")) == ours + 2, "both to join", 20)
    # Only the workers from elsewhere are left to do the work: the documents come over the bus, too.
    for pid in network.fleet.pids("extract"):
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: len(network.workers("extract")) == 2, "our own worker to be given up", 20)
        lines = "".join(f"Page of the indigo almanac, line {n}.\n" for n in range(4000))
        documents = [network.fleet.upload(f"almanac-{n}.txt", f"{n} {lines}".encode()) for n in range(6)]
        command("keys", "revoke", "leaving", "--data", data)
        wait_for(lambda: len(network.workers("extract")) == 1, "the revoked worker to be gone", 10)
        for document in documents:
            assert network.fleet.wait_document(document["id"], 90)["state"] == "ready"
        network.wait_refused("unknown_key")
        assert len(network.workers("extract")) == 1
        assert "key_refused" in wait_for(lambda: "key_refused" in second.log.read_text() and second.log.read_text(),
                                         "the worker to say why", 10)
    finally:
        for pid in network.fleet.pids("extract"):
            os.kill(pid, signal.SIGCONT)
    second.stop()
    first.stop()


def test_revoking_a_frontends_key_leaves_the_other_with_nothing_lost(network, tmp_path):
    """Both frontends come in over the network; one key is revoked while the other streams an answer."""
    data = network.fleet.data
    staying, going = new_key(data, "front-stays", "frontend"), new_key(data, "front-goes", "frontend")
    listener = network.client(zmq.SUB, "events", going)
    listener.subscribe(b"fleet")
    assert listener.poll(5000) != 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    frontend = subprocess.Popen(
        [str(BIN / "answermill-frontend"), "--bus", network.url, "--bus-key", str(staying), "--data", str(data),
         "--listen", f"127.0.0.1:{port}"], stderr=open(tmp_path / "frontend.log", "ab"), start_new_session=True)
    try:
        there = Fleet.__new__(Fleet)
        there.host, there.port = "127.0.0.1", port

        def ready():
            try:
                return there.request("GET", "/readyz").status == 200
            except OSError:
                return False
        wait_for(ready, "the frontend on the network", 20)
        network.fleet.ingest("moth.txt", ("The cinnabar moth flies at dusk. " * 40).encode())
        assert "moth" in there.ask("When does the cinnabar moth fly?").text
        command("keys", "revoke", "front-goes", "--data", data)
        answers = [there.ask("When does the cinnabar moth fly?") for _ in range(3)]
        for answer in answers:
            assert "moth" in answer.text and answer.terminal
            assert len(answer.of("done")) <= 1
        while listener.poll(0):
            listener.recv_multipart()
        assert listener.poll(2500) == 0, "a revoked frontend still hears the fleet"
        assert json.loads(there.request("GET", "/api/status").read())["ready"]
    finally:
        frontend.terminate()
        frontend.wait(timeout=15)
