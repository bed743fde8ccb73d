#!/usr/bin/python3
"""The product's page must build with Debian 12's own Node: every package locked in frontend/ accepts it."""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE = (18, 20, 4)  # Debian 12


def version(text):
    numbers = [int(part) for part in re.findall(r"\d+", text.split("-")[0])[:3]]
    return tuple(numbers + [0] * (3 - len(numbers))), len(numbers)


def comparator_holds(comparator, node):
    match = re.fullmatch(r"(\^|~|>=|<=|>|<|=)?v?([\dx*.]+[-\w.]*)", comparator)
    if not match:
        raise ValueError(f"cannot read the range '{comparator}'")
    operator, text = match.group(1) or "=", match.group(2)
    if text in ("*", "x"):
        return True
    wanted, given = version(text.replace("x", "").replace("*", "").strip("."))
    if operator == "^":
        return node >= wanted and node[0] == wanted[0]
    if operator == "~":
        return node >= wanted and node[: max(1, given - 1)] == wanted[: max(1, given - 1)]
    if operator == "=":
        return node[:given] == wanted[:given]
    return {">=": node >= wanted, "<=": node <= wanted, ">": node > wanted, "<": node < wanted}[operator]


def accepts(spec, node):
    """npm's range language, as far as `engines` fields use it."""
    for alternative in spec.split("||"):
        text = re.sub(r"(\^|~|>=|<=|>|<|=)\s+", r"\1", alternative.strip())
        text = re.sub(r"(\S+)\s+-\s+(\S+)", r">=\1 <=\2", text)
        if all(comparator_holds(part, node) for part in text.split()):
            return True
    return False


def main():
    lock = ROOT / "frontend" / "package-lock.json"
    if not lock.is_file():
        print("frontend/package-lock.json is missing")
        return 1
    refused = []
    for name, package in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        engines = package.get("engines", {})
        spec = engines.get("node") if isinstance(engines, dict) else None
        if spec and not accepts(spec, NODE):
            refused.append(f"{name or 'the workspace'} {package.get('version', '')} wants Node {spec}")
    for line in refused:
        print(line)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
