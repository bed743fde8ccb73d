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


FAULTS = {"kill": kill, "boundary": boundary, "stop": stop, "stage": stage, "pair": pair, "supervisor": supervisor}
# How often each is drawn when several are allowed; kills of one process are counted apart (--kills).
SHARES = {"kill": 10, "boundary": 5, "stop": 4, "stage": 2, "pair": 1, "supervisor": 0.4}
ALONE = {"supervisor"}  # takes away what other faults hold on to
