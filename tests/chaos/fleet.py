"""A fleet to be attacked: tests/fleet/harness.py on a port that stays, its programs behind small wrappers that
put faults between a process and the world, and measurements of every process.

The wrappers exec the real program, so what runs, and what is killed, is the product itself. They may replace
its endpoints by those of the links (links.py) and load the shim (shim.c) that slows disks and moves clocks.
"""
import asyncio
import mmap
import os
import random
import shutil
import signal
import socket
import struct
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "fleet"))

import harness  # noqa: E402

KINDS = ("broker", "frontend", "extract", "embed", "index", "generate")
PAGE = os.sysconf("SC_PAGE_SIZE")
SHIM = harness.BIN.parent / "tests" / "libchaos_shim.so"


class Orders:
    """What shim.cpp reads: four numbers in a file that all processes of a kind share."""
    FIELDS = ("clock_ms", "sync_us", "hung_pid", "disk_full")

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8 * len(self.FIELDS)))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def give(self, field, value):
        struct.pack_into("=q", self.map, 8 * self.FIELDS.index(field), value)


class ChaosFleet(harness.Fleet):
    def __init__(self, workers, env, folder, shim=None, linked=()):
        """`linked`: (kind, channel) pairs whose sockets go through LINKS/KIND.CHANNEL."""
        self.home = Path(folder)
        self.mark = f"CHAOS_RUN={self.home.name}"
        self.links = self.home / "links"
        self.links.mkdir()
        self.bin = self.home / "bin"
        self.bin.mkdir()
        self.shim, self.linked = shim, linked
        self.orders = {kind: Orders(self.home / f"shim.{kind}") for kind in KINDS}
        port = free_port()
        super().__init__(workers, {**env, "CHAOS_RUN": self.home.name, "LOG_LEVEL": os.environ.get("LOG_LEVEL", "debug"),
                                   "XDG_RUNTIME_DIR": str(self.home)}, self.home / "data",
                         ["--listen", f"127.0.0.1:{port}"])
        self.address = ("127.0.0.1", port)
        self.url = None
        self.log = self.home / "log"
        self.peaks = {}  # kind → (bytes of memory, descriptors)
        self.data.mkdir()
        shutil.copy2(harness.BIN / "answermill", self.bin / "answermill")
        for kind in KINDS:
            self._wrap(kind, [channel for of, channel in linked if of == kind])

    def _wrap(self, kind, channels):
        """A program that changes the endpoints among its arguments and becomes the real one."""
        lines = ["#!/bin/sh", "previous=", "for word in \"$@\"; do", "  shift", "  case $previous in"]
        for channel in channels:
            lines += [f"    --{channel}-endpoint)", f"      ln -sfn \"${{word#ipc://}}\" {self.links}/new.{kind}.{channel}.$$",
                      f"      mv -T {self.links}/new.{kind}.{channel}.$$ \"{self.links}/up.${{word##*/}}\"",
                      f"      set -- \"$@\" ipc://{self.links}/{kind}.{channel}; previous=; continue ;;"]
        lines += ["    *) ;;", "  esac", "  previous=$word", "  set -- \"$@\" \"$word\"", "done"]
        if self.shim:
            lines.append(f"export LD_PRELOAD={self.shim} CHAOS_SHIM={self.orders[kind].path} CHAOS_DATA={self.data}")
        lines.append(f"exec {harness.BIN}/answermill-{kind} \"$@\"")
        wrapper = self.bin / f"answermill-{kind}"
        wrapper.write_text("\n".join(lines) + "\n")
        wrapper.chmod(0o755)

    def start(self):
        real, harness.BIN = harness.BIN, self.bin
        try:
            self.url = None
            super().start()
        finally:
            harness.BIN = real

    def processes(self):
        """Every process of the fleet: {kind: [pid]}; children that do not run yet are not there."""
        found = {kind: [] for kind in KINDS}
        parent = str(self.process.pid)
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as stat:
                    if stat.read().rsplit(")", 1)[1].split()[1] != parent:
                        continue
                name = os.path.basename(os.readlink(f"/proc/{entry}/exe").removesuffix(" (deleted)"))
            except (OSError, IndexError):
                continue
            kind = name.removeprefix("answermill-")
            if kind in found:
                found[kind].append(int(entry))
        return found

    def measure(self):
        """Keeps the highest memory and number of descriptors seen of each kind."""
        for kind, pids in self.processes().items():
            for pid in pids:
                try:
                    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
                        memory = int(statm.read().split()[1]) * PAGE
                    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
                except (OSError, IndexError):
                    continue
                most = self.peaks.get(kind, (0, 0))
                self.peaks[kind] = (max(most[0], memory), max(most[1], descriptors))

    def leftovers(self):
        """Processes that bear our mark, and files that a stopped fleet must not leave."""
        found = []
        mark = self.mark.encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as environ:
                    if mark not in environ.read().split(b"\0"):
                        continue
                with open(f"/proc/{entry}/stat", encoding="latin-1") as stat:
                    if stat.read().rsplit(")", 1)[1].split()[0] == "Z":
                        continue
                found.append(f"process {entry} {os.readlink(f'/proc/{entry}/exe')}")
            except OSError:
                continue
        expected = {"bin", "data", "log", "links"}
        found += [f"file {path.name}" for path in self.home.iterdir()
                  if path.name not in expected and not path.name.startswith("shim.")]
        return found

    def half_blobs(self):
        """Of uploads whose frontend was killed while it wrote nothing stays, where files may be nameless; elsewhere
        the next start sweeps."""
        try:
            os.close(os.open(self.data, os.O_TMPFILE | os.O_WRONLY))
        except OSError:
            return 0
        return sum(1 for _ in self.data.rglob("incoming/*"))

    def runtime_folder(self):
        """Where the sockets of the bus are: the one folder the supervisor made in our home."""
        return next(path for path in self.home.iterdir() if path.is_dir() and (path / "jobs").exists())

    async def restart(self, how):
        """The supervisor dies by `how`; a new one goes on with the same data folder and port."""
        self.process.send_signal(how)
        await asyncio.to_thread(self.process.wait, 15)
        deadline = time.monotonic() + 30
        while True:
            try:
                return await asyncio.to_thread(self.start)
            except AssertionError:
                # The guard of the one that died still holds the data folder: its end is a matter of moments.
                if time.monotonic() > deadline or "in use" not in self.log_text()[-2000:]:
                    raise
                await asyncio.sleep(0.1)

    def kill(self, pid, how=signal.SIGKILL):
        try:
            os.kill(pid, how)
            return True
        except ProcessLookupError:
            return False


def free_port():
    """Below the ephemeral range, so that nobody's outgoing connection takes it while the fleet is down."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
