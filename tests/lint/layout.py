#!/usr/bin/python3
"""Who may include whom, and where each third party is at home.

Arrows point down only:
shared/base <- access, config, log, messages, text <- streams <- bus, store, http <- broker, workers, frontend.
The last three never include one another, with one exception: a frontend consumes the `record` stage itself, so
frontend/ may include the contract and client of workers/runtime. A stage includes workers/runtime and shared.
Tests and benches may include anything.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MAX_LINES = 500
MAX_BYTES = 1 << 20

LAYERS = {
    "shared/base": 0,
    "shared/access": 1, "shared/config": 1, "shared/log": 1, "shared/metrics": 1, "shared/messages": 1,
    "shared/text": 1,
    "shared/streams": 2,
    "shared/bus": 3, "shared/store": 3, "shared/http": 3,
}
STAGES = {"extract", "embed", "index", "generate"}

# Third party (prefix of the include) -> the folders that may see it.
HOMES = {
    "zmq": ["shared/bus"],
    "spdlog": ["shared/log"],
    "sqlite3": ["shared/store"],
    "curl/": ["shared/http"],
    "boost/": ["frontend/server"],
    "websocketpp/": ["frontend/server/edge"],
    "poppler": ["workers/extract"],
    "uchardet": ["workers/extract"],
    "faiss/": ["workers/index"],
    "xapian": ["workers/index"],
    "cblas": ["workers/embed", "workers/index"],
    "nlohmann/": ["frontend", "workers/embed", "workers/generate"],
    "openssl/": ["shared/base", "frontend/server"],
    "grpcpp": ["frontend/grpc"],
    "google/protobuf": ["frontend/grpc"],
}


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, check=True, capture_output=True)
    return [name for name in out.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def library(path):
    """The folder that owns a source: shared/NAME, workers/NAME, else its top folder."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] in ("shared", "workers") else parts[0]


def allowed(source, target):
    """Whether a file of library `source` may include one of library `target`."""
    if source == target:
        return True
    if source.startswith("shared/"):
        return target.startswith("shared/") and LAYERS.get(target, 9) < LAYERS.get(source, 9)
    if target.startswith("shared/"):
        return True
    if source.startswith("workers/"):
        return target == "workers/runtime" and source != "workers/runtime"
    return source == "frontend" and target == "workers/runtime"


def check_includes(path, lines):
    source = library(path)
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, name = match.group(1) == '"', match.group(2)
        if quoted:
            if not (ROOT / name).is_file():
                yield f"{path}:{number}: include paths start at the repository root: {name}"
            elif not allowed(source, library(name)):
                yield f"{path}:{number}: {source} must not know {library(name)} ({name})"
            continue
        for prefix, homes in HOMES.items():
            if name.startswith(prefix) and not any(path.startswith(home + "/") for home in homes):
                yield f"{path}:{number}: <{name}> is at home in {', '.join(homes)} only"


def check_text(path, lines):
    if path.endswith(".h") and "#pragma once" not in (line.strip() for line in lines):
        yield f"{path}: a header needs #pragma once"
    if len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines; a file says one thing in at most {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
            yield f"{path}:{number}: unfinished work belongs in no source"


def main():
    problems = []
    for path in tracked("shared/*", "broker/*", "workers/*", "frontend/server/*", "frontend/command/*"):
        if path.endswith((".h", ".cpp")):
            lines = (ROOT / path).read_text(encoding="utf-8").split("\n")
            problems += check_includes(path, lines)
            problems += check_text(path, lines)
    for path in tracked():
        if (ROOT / path).stat().st_size > MAX_BYTES:
            problems.append(f"{path}: over 1 MB; large data stays out of the repository")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
