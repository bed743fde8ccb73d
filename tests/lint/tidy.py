#!/usr/bin/python3
"""clang-tidy over every translation unit of the project, remembering what was clean.

A unit's verdict is remembered under the hash of everything of ours that went into it (its source, the project's
headers it reaches, its command and the checks), so a second run looks only at what changed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
CHECKED = ("shared", "broker", "workers", "frontend")


def reach(path, seen):
    """Adds `path` and the project's headers it reaches to `seen`."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for name in INCLUDE.findall(path.read_bytes()):
        reach(ROOT / name.decode(), seen)


def key_of(unit, checks):
    seen = set()
    reach(Path(unit["file"]), seen)
    digest = hashlib.sha256(checks + unit["command"].encode())
    for path in sorted(seen):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def check(unit, build, extra):
    command = ["clang-tidy", "--quiet", "-p", str(build), *extra, unit["file"]]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout.strip() + ("" if done.returncode in (0, 1) else done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="folder with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--analyze", action="store_true", help="also run the slow static analyzer")
    arguments = parser.parse_args()
    extra = ["--checks=clang-analyzer-*"] if arguments.analyze else []
    checks = (ROOT / ".clang-tidy").read_bytes() + "".join(extra).encode()
    build = arguments.build.resolve()
    remembered = build / "tidy"
    remembered.mkdir(exist_ok=True)

    units = {}
    for unit in json.loads((build / "compile_commands.json").read_text()):
        path = Path(unit["file"])
        if ROOT in path.parents and path.relative_to(ROOT).parts[0] in CHECKED:
            units[unit["file"]] = unit
    keys = {file: key_of(unit, checks) for file, unit in units.items()}
    todo = [file for file in sorted(units) if not (remembered / keys[file]).exists()]
    print(f"clang-tidy: {len(todo)} of {len(units)} translation units to look at", flush=True)

    started, failed = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(check, units[file], build, extra): file for file in todo}
        for number, future in enumerate(concurrent.futures.as_completed(running), 1):
            code, output = future.result()
            file = running[future]
            if code == 0:
                (remembered / keys[file]).touch()
            else:
                failed += 1
                print(output, flush=True)
            if number % 20 == 0:
                print(f"clang-tidy: {number}/{len(todo)} after {time.monotonic() - started:.0f} s", flush=True)
    print(f"clang-tidy: {failed} of {len(todo)} units with complaints, {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
