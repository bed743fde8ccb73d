#!/usr/bin/python3
"""Attacks a real fleet on a seeded schedule and accounts for everything it was asked to do.

    tests/chaos/chaos.py [--minutes N] [--seed S] [--faults a,b] [--kills N] [--workers …]

A run is rounds: some seconds of load and faults, then quiet until every client has its end, then the account of
the round. Exit code 1 when anything was lost,
duplicated, stuck or wrong; the seed is printed, and the same seed draws the same faults and values again (the
moments within the fleet differ from run to run).
"""
import argparse
import asyncio
import random
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from account import account
from faults import ALONE, FAULTS, LINKED, SHARES, SHIMMED
from fleet import SHIM, ChaosFleet, harness
from ledger import Question
from links import CHANNELS, open_links
from report import Report
from scenarios import HERD, SCENARIOS
from wire import request
from work import BASE_DOCUMENT, Clients

MOST_AT_ONCE = 4     # faults
SILENCE_TOLD = 8.0   # seconds
MOST_MEMORY = 512 << 20
MOST_DESCRIPTORS = 1000
SCENARIOS_EVERY = 3  # so many rounds of faults, then one of each scenario
FLEET = "extract=3,embed=2,index=2,generate=3,frontend=2"
EVERYTHING = [*FAULTS, *SCENARIOS]


class Round:
    def __init__(self, number):
        self.number, self.faults, self.struck = number, set(), []

    def __str__(self):
        return f"round {self.number}"


class Run:
    def __init__(self, options, fleet, report):
        self.options, self.fleet, self.report = options, fleet, report
        self.rng = random.Random(options.seed)
        self.clients = Clients(fleet.address, random.Random(self.rng.random()), harness.make_pdf)
        self.faults = [name for name in options.faults if name in FAULTS]
        self.scenarios = [name for name in options.faults if name in SCENARIOS]
        self.kills = 0
        self.began = time.monotonic()
        self.links, self.mangler = {}, None

    def say(self, text):
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", flush=True)

    async def prepare(self):
        if self.fleet.linked:
            self.links, self.mangler = await open_links(self.fleet.links, random.Random(self.rng.random()))
        await asyncio.to_thread(self.fleet.start)
        await asyncio.to_thread(self.fleet.ingest, "base.txt", BASE_DOCUMENT.encode())
        warm = self.clients.ask(5)
        await self.clients.drain(30)
        assert warm.terminals, "the fleet does not answer before any fault"

    async def attack(self, this):
        """Faults at random moments while the round's load runs; some last, so that several overlap."""
        end, going = time.monotonic() + self.options.round, set()
        while (left := end - time.monotonic()) > 0 and not self.enough():
            await asyncio.sleep(min(left, self.rng.expovariate(self.options.rate)))
            name = self.rng.choices(self.faults, [SHARES[fault] for fault in self.faults])[0]
            rng = random.Random(self.rng.random())
            if name in ALONE and going:
                await asyncio.wait(going)
            if len(going) < MOST_AT_ONCE:
                task = asyncio.create_task(self.strike(this, name, rng))
                going.add(task)
                task.add_done_callback(going.discard)
                if name in ALONE:
                    await task
        if going:
            await asyncio.gather(*going)

    async def strike(self, this, name, rng):
        for struck in await FAULTS[name](self, rng):
            this.struck.append(struck)
            this.faults.add(struck.fault)
            self.kills += struck.fault in ("kill", "boundary")

    def enough(self):
        return self.options.kills and self.kills >= self.options.kills

    async def watch(self):
        while True:
            await asyncio.to_thread(self.fleet.measure)
            await asyncio.sleep(0.5)

    async def quiet(self, patience=60):
        """Waits until the broker has nothing left; says what is still there otherwise."""
        end = time.monotonic() + patience
        left = "no status"
        while time.monotonic() < end:
            try:
                _, status = await request(self.fleet.address, "GET", "/api/status", patience=5)
                left = {s["stage"]: (s["queued"], s["leased"]) for s in status["stages"] if s["queued"] or s["leased"]}
                if status["open_streams"]:
                    left["open streams"] = status["open_streams"]
                if status["ready"] and not left:
                    return None
            except (OSError, ValueError) as error:
                left = repr(error)
            await asyncio.sleep(0.2)
        return left

    async def round(self, number, scenario=None):
        this = Round(number)
        first_question, first_upload = len(self.clients.questions), len(self.clients.uploads)
        if scenario:
            this.faults.add(scenario)
            this.struck += await SCENARIOS[scenario](self, this, random.Random(self.rng.random()))
        else:
            load = self.clients.load(self.options.round, self.options.questions, self.options.uploads)
            await asyncio.gather(self.attack(this), load)
        calm = time.monotonic()
        await self.clients.drain(self.options.patience)
        left = await self.quiet()
        drained = time.monotonic() - calm
        if left:
            self.report.find(this, "stuck", f"in the broker: {left}")
        questions, uploads = self.clients.questions[first_question:], self.clients.uploads[first_upload:]
        await account(self, this, questions, uploads)
        for struck in this.struck:
            gaps = [q.worst_gap(struck.begin, struck.end) for q in questions]
            self.report.strike(struck, max(gaps, default=0.0))
        slowest = max(questions, key=Question.longest_silence, default=None)
        silence = slowest.longest_silence() if slowest else 0.0
        if silence > SILENCE_TOLD:
            self.say(f"{slowest.uid} over {slowest.wire} heard nothing for {silence:.1f} s; stream {slowest.stream}")
        done = sum(bool(q.stream) for q in questions), sum(bool(u.document) for u in uploads)
        self.say(f"{this}: {len(this.struck)} faults, {done[0]} questions, {done[1]} documents, drained in "
                 f"{drained:.1f} s, {self.report.number('lost', 'stuck', 'duplicated', 'wrong')} findings so far")

    async def run(self):
        await self.prepare()
        watcher = asyncio.create_task(self.watch())
        end, number = time.monotonic() + self.options.minutes * 60, 0
        while not self.enough() and (self.options.kills or time.monotonic() < end):
            number += 1
            turn = number % (len(self.scenarios) + SCENARIOS_EVERY) - SCENARIOS_EVERY
            if not self.faults:
                turn = (number - 1) % len(self.scenarios)
            await self.round(number, self.scenarios[turn] if turn >= 0 and self.scenarios else None)
            if len(self.report.findings) >= self.options.most_findings:
                self.say("enough was found")
                break
        watcher.cancel()


def parse():
    parser = argparse.ArgumentParser(description="Attacks a fleet and accounts for everything.")
    parser.add_argument("--minutes", type=float, default=3, help="no round begins later")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--faults", default=",".join(EVERYTHING), help="of " + ",".join(EVERYTHING))
    parser.add_argument("--kills", type=int, default=0, help="instead of --minutes: until so many processes were killed one by one")
    parser.add_argument("--rate", type=float, default=1.0, help="faults a second")
    parser.add_argument("--round", type=float, default=20, help="seconds of attack before each account")
    parser.add_argument("--patience", type=float, default=90, help="seconds the clients wait in quiet")
    parser.add_argument("--questions", type=float, default=3, help="a second")
    parser.add_argument("--uploads", type=float, default=1, help="a second")
    parser.add_argument("--workers", default=FLEET)
    parser.add_argument("--most-findings", type=int, default=50, help="stop after a round with so many")
    parser.add_argument("--keep", action="store_true", help="keep the data folder and the log")
    options = parser.parse_args()
    options.faults = [name for name in options.faults.split(",") if name]
    for name in options.faults:
        if name not in EVERYTHING:
            parser.error(f"there is no fault {name!r}")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    options = parse()
    raise_descriptor_limit()
    report = Report()
    needed = set(options.faults)
    if needed & SHIMMED and not SHIM.exists():
        sys.exit(f"{SHIM} is missing: build the target chaos_shim")
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {options.seed}, faults {','.join(options.faults)}, fleet {options.workers}, in {folder}", flush=True)
    failed = True
    try:
        with harness.ModelServer() as models:
            fleet = ChaosFleet(options.workers, models.env("recite-50"), folder,
                               SHIM if needed & SHIMMED else None, CHANNELS if needed & LINKED else ())
            run = Run(options, fleet, report)
            try:
                asyncio.run(run.run())
                fleet.stop()
                for left in fleet.leftovers():
                    report.find(Round(0), "left", left)
                if half := fleet.half_blobs():
                    report.find(Round(0), "left", f"{half} half blobs of killed uploads")
                check_bounds(fleet, report)
                failed = not report.clean
            finally:
                if fleet.process:
                    fleet.stop(check=False)
                finish(run, report)
    finally:
        if failed:
            print(f"run it again: tests/chaos/chaos.py --seed {options.seed} --minutes {options.minutes:g} "
                  f"--faults {','.join(options.faults)}; the fleet's log: {folder}/log", file=sys.stderr)
        elif not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


def check_bounds(fleet, report):
    for kind, (memory, descriptors) in fleet.peaks.items():
        if memory > MOST_MEMORY:
            report.find(Round(0), "bound", f"{kind} took {memory >> 20} MB")
        if descriptors > MOST_DESCRIPTORS + (HERD if kind == "frontend" else 0):
            report.find(Round(0), "bound", f"{kind} had {descriptors} descriptors")


def finish(run, report):
    print(report.table())
    waits = sorted(q.first_token - q.asked for q in run.clients.questions if q.first_token)
    if waits:
        print(f"first token of {len(waits)} questions, under attack: p50 {waits[len(waits) // 2] * 1000:.0f} ms, "
              f"p99 {waits[len(waits) * 99 // 100] * 1000:.0f} ms, worst {waits[-1]:.1f} s")
    print("asked: " + ", ".join(f"{name} {number}" for name, number in report.counts.items()))
    print("not taken: " + (", ".join(f"{why} ×{times}" for why, times in sorted(run.clients.refused.items())) or "nothing"))
    print("peaks: " + ", ".join(f"{kind} {memory >> 20} MB {descriptors} descriptors"
                                for kind, (memory, descriptors) in sorted(run.fleet.peaks.items())))


if __name__ == "__main__":
    sys.exit(main())
