#!/usr/bin/python3
"""Pages per second from upload to searchable, against pdftotext on the same file and as many cores.

pdftotext only writes text; Answermill also cuts, embeds, indexes and commits every page.
"""
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/fleet"))
from harness import DATA, Fleet, book, wait_for  # noqa: E402

ROUNDS = 3


def pdftotext(path, pages, jobs):
    """The file's pages split over `jobs` processes, as a user would do it by hand."""
    step = -(-pages // jobs)

    def part(first):
        subprocess.run(["pdftotext", "-layout", "-f", str(first), "-l", str(min(pages, first + step - 1)), path, "/dev/null"],
                       check=True, stderr=subprocess.DEVNULL)

    began = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(part, range(1, pages + 1, step)))
    return pages / (time.perf_counter() - began)


def main():
    cores = os.cpu_count() or 1
    real = DATA / "filings/BOEING_2022_10K.pdf"
    files = [("made up, 600 pages", book(600, "bench"))]
    if real.exists():
        files.insert(0, (real.name, real.read_bytes()))
    for name, content in files:
        path = Path("/tmp") / f"answermill-bench-{os.getpid()}.pdf"
        path.write_bytes(content)
        ours, peers, pages = [], [], 0
        with Fleet(f"extract={cores},embed=1,index=1,generate=1,frontend=1", env={"LOG_LEVEL": "warn"}) as fleet:
            for turn in range(ROUNDS):
                began = time.perf_counter()
                document = fleet.upload(f"{turn}.pdf", content)
                done = wait_for(lambda: (lambda d: d if d["state"] in ("ready", "failed") else None)(
                    fleet.document(document["id"])), "the document", every=0.005)
                pages = done["pages"]["total"]
                ours.append(pages / (time.perf_counter() - began))
                peers.append(pdftotext(str(path), pages, cores))
        path.unlink()
        print(f"{name}: {pages} pages, {cores} cores, best of {ROUNDS}")
        print(f"  pdftotext -layout, {cores} processes  {max(peers):8.0f} pages/s")
        print(f"  Answermill, upload to searchable   {max(ours):8.0f} pages/s   ratio {max(ours) / max(peers):.2f}")


main()
