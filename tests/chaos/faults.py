"""The faults: each is a coroutine that does its harm, undoes what must be undone, and says what it did.

A fault gets the run (its fleet, clients and status) and a random generator of its own. It returns a Struck for each
harm done: its kind, the moment it began and the moment from which the fleet could heal.
"""
import asyncio
import signal
import time
from dataclasses import dataclass

from wire import request

# How often each kind is chosen. The broker is one; the others come in numbers.
WEIGHTS = {"broker": 2, "frontend": 3, "extract": 3, "embed": 3, "index": 3, "generate": 3}
BOUNDARIES = ("extract", "embed", "index", "generate", "record")


@dataclass
class Struck:
    fault: str
    what: str
    begin: float
    end: float


def victim(run, rng, weights=None):
    """A process that runs now, as (kind, pid)."""
    weights = weights or WEIGHTS
    there = {kind: pids for kind, pids in run.fleet.processes().items() if pids and kind in weights}
    if not there:
        return None, None
    kinds = sorted(there)
    kind = rng.choices(kinds, [weights[kind] for kind in kinds])[0]
    return kind, rng.choice(there[kind])


def struck(fault, what, begin=None):
    now = time.monotonic()
    return [Struck(fault, what, begin or now, now)]


async def kill(run, rng):
    """kill -9 of any one process at any moment."""
    kind, pid = victim(run, rng)
    return struck("kill", kind) if kind and run.fleet.kill(pid) else []


async def boundary(run, rng):
    """kill -9 of a worker in the very moment it has a job of its stage."""
    stage = rng.choice(BOUNDARIES)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        try:
            _, status = await request(run.fleet.address, "GET", "/api/status", patience=2)
        except (OSError, ValueError):
            status = None
        busy = [w["pid"] for w in (status or {}).get("workers", []) if w["stage"] == stage and w["busy"]]
        alive = {pid for pids in run.fleet.processes().values() for pid in pids}
        busy = [pid for pid in busy if pid in alive]
        if busy and run.fleet.kill(rng.choice(busy)):
            return struck("boundary", stage)
        await asyncio.sleep(0.02)
    return []


async def stop(run, rng):
    """SIGSTOP of any one process, SIGCONT a while later: it believes that no time has passed."""
    kind, pid = victim(run, rng)
    if not kind or not run.fleet.kill(pid, signal.SIGSTOP):
        return []
    begin = time.monotonic()
    try:
        await asyncio.sleep(rng.choice((0.3, 1.0, 2.5, 6.0)))
    finally:
        run.fleet.kill(pid, signal.SIGCONT)
    return struck("stop", kind, begin)


async def stage(run, rng):
    """kill -9 of all workers of a stage at once."""
    kind = rng.choice([kind for kind in WEIGHTS if kind != "broker"])
    pids = run.fleet.processes()[kind]
    return struck("stage", kind) if [pid for pid in pids if run.fleet.kill(pid)] else []


async def pair(run, rng):
    """kill -9 of the broker and, in the same moment, of all that could remember for it."""
    other = rng.choice(("generate", "frontend", "index"))
    there = run.fleet.processes()
    pids = there["broker"] + there[other]
    return struck("pair", f"broker+{other}") if [pid for pid in pids if run.fleet.kill(pid)] else []


async def supervisor(run, rng):
    """The supervisor is killed or told to stop; another goes on with the data folder."""
    how = rng.choice((signal.SIGKILL, signal.SIGTERM))
    begin = time.monotonic()
    await run.fleet.restart(how)
    return struck("supervisor", how.name, begin)


async def cut(run, rng):
    """Every connection of one kind of process on one channel breaks."""
    link = run.links[rng.choice(sorted(run.links))]
    return struck("cut", link.name) if link.cut() else []


async def partition(run, rng):
    """Nothing passes in one direction, or in both, for a while; then it heals, or breaks and is made anew."""
    kind = rng.choice(sorted({kind for kind, _ in run.links}))
    channels = [link for (of, _), link in sorted(run.links.items()) if of == kind]
    directions = rng.choice((("up",), ("down",), ("up", "down")))
    begin = time.monotonic()
    try:
        for link in channels:
            link.hold(*directions)
        await asyncio.sleep(rng.choice((0.5, 1.5, 3.0, 6.0)))
    finally:
        for link in channels:
            if rng.random() < 0.5:
                link.cut()
            link.heal()
    return struck("partition", f"{kind}:{'+'.join(directions)}", begin)


async def events(run, rng):
    """The event channels lose, repeat and swap messages."""
    begin = time.monotonic()
    run.mangler.share = rng.choice((0.02, 0.1, 0.3))
    try:
        await asyncio.sleep(rng.uniform(1, 6))
    finally:
        run.mangler.share = 0.0
    return struck("events", "bus", begin)


async def hang(run, rng):
    """The loop of a process stands still while its other threads, libzmq's among them, live on."""
    kind, pid = victim(run, rng)
    if not kind:
        return []
    begin = time.monotonic()
    run.fleet.orders[kind].give("hung_pid", pid)
    try:
        await asyncio.sleep(rng.choice((0.5, 3.0, 6.0)))
    finally:
        run.fleet.orders[kind].give("hung_pid", 0)
    return struck("hang", kind, begin)


async def fsync(run, rng):
    """Each fsync of one kind of process takes long."""
    return await order(run, rng, "fsync", rng.choice(("broker", "frontend", "index")), "sync_us",
                       rng.choice((20_000, 200_000, 1_000_000)))


async def disk(run, rng):
    """The disk is full: writing to the data folder fails for one kind of process, or for all."""
    kind = rng.choice(("broker", "frontend", "index", None))
    return await order(run, rng, "disk", kind, "disk_full", 1)


async def clock(run, rng):
    """The wall clock jumps, and jumps back later, for one kind of process or for all."""
    kind = rng.choice(("broker", "frontend", "index", "generate", None))
    return await order(run, rng, "clock", kind, "clock_ms", rng.choice((-3_600_000, -5_000, 5_000, 86_400_000)))


async def order(run, rng, fault, kind, field, value):
    begin = time.monotonic()
    kinds = [kind] if kind else sorted(run.fleet.orders)
    for one in kinds:
        run.fleet.orders[one].give(field, value)
    try:
        await asyncio.sleep(rng.uniform(1, 6))
    finally:
        for one in kinds:
            run.fleet.orders[one].give(field, 0)
    return struck(fault, kind or "all", begin)


FAULTS = {"kill": kill, "boundary": boundary, "stop": stop, "stage": stage, "pair": pair, "supervisor": supervisor,
          "cut": cut, "partition": partition, "events": events, "hang": hang, "fsync": fsync, "disk": disk,
          "clock": clock}
LINKED = {"cut", "partition", "events"}       # need the links between processes and bus
SHIMMED = {"hang", "fsync", "disk", "clock"}  # need the preloaded shim
# How often each is drawn when several are allowed.
SHARES = {"kill": 10, "boundary": 5, "stop": 4, "stage": 2, "pair": 1, "supervisor": 1, "cut": 3, "partition": 2,
          "events": 2, "hang": 2, "fsync": 1, "disk": 1, "clock": 1}
ALONE = {"supervisor"}  # takes away what other faults hold on to
