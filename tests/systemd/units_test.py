#!/usr/bin/python3
"""The units hold what systemd demands of them and stay hardened. Usage: units_test.py FOLDER-WITH-UNITS

Exit code 77 means skipped: systemd-analyze is not installed.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

# systemd's exposure: 0 is a locked room, 10 an open field. Extract may make namespaces, so it scores worse.
MAX_EXPOSURE = 2.0


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"})


def main():
    folder = Path(sys.argv[1])
    if not shutil.which("systemd-analyze"):
        print("skipped: systemd-analyze is not installed")
        return 77
    failures = 0
    units = sorted(str(path) for path in folder.iterdir() if path.is_file())
    done = run("systemd-analyze", "verify", "--man=no", *units)
    if done.returncode or done.stdout.strip():
        print(f"systemd-analyze verify:\n{done.stdout}")
        failures += 1
    services = [unit for unit in units if unit.endswith(".service")]
    for service in services:
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", service)
        match = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
        if not match or float(match.group(1)) > MAX_EXPOSURE:
            print(f"{service}: exposure above {MAX_EXPOSURE}\n{done.stdout}")
            failures += 1
        else:
            print(f"{Path(service).name}: exposure {match.group(1)}")
    if not services:
        print(f"no services in {folder}")
        failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
