#!/usr/bin/python3
"""`cpack -G DEB` makes a package that holds everything an installed fleet needs. Usage: package_test.py BUILD-FOLDER

Exit code 77 means skipped: the packaging tools are not installed.
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ["answermill", "answermill-broker", "answermill-extract", "answermill-embed", "answermill-index",
            "answermill-generate", "answermill-frontend", "answermill-grpc"]
UNITS = ["answermill.target", "answermill-broker.service", "answermill-extract@.service", "answermill-embed@.service",
         "answermill-index@.service", "answermill-generate@.service", "answermill-frontend@.service",
         "answermill-frontend.socket", "answermill-grpc.service", "answermill-bulk.slice", "answermill-.service.d/10-common.conf"]


def output(*command, **options):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options).stdout


def expected(with_page):
    yield from (f"./usr/bin/{program}" for program in PROGRAMS)
    yield from (f"./usr/lib/systemd/system/{unit}" for unit in UNITS)
    yield "./usr/lib/sysusers.d/answermill.conf"
    yield "./usr/lib/tmpfiles.d/answermill.conf"
    yield "./etc/answermill/answermill.env"
    yield "./usr/share/doc/answermill/operations.md"
    yield "./usr/share/doc/answermill/copyright"
    if with_page:
        yield "./usr/share/answermill/web/index.html"


def main():
    build = Path(sys.argv[1]).resolve()
    if not shutil.which("dpkg-shlibdeps") or not shutil.which("cpack"):
        print("skipped: dpkg-dev or cpack is not installed")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        print(output("cpack", "-G", "DEB", "--config", str(build / "CPackConfig.cmake"), "-B", folder, cwd=folder))
        package = next(Path(folder).glob("*.deb"))
        files = {line.split()[5] for line in output("dpkg-deb", "--contents", str(package)).splitlines()}
        fields = output("dpkg-deb", "--field", str(package))
        conffiles = output("dpkg-deb", "--info", str(package), "conffiles")
    print(fields)
    problems = [f"missing: {name}" for name in expected((build / "web/index.html").exists()) if name not in files]
    for library in ("libzmq5", "libsqlite3-0", "libcurl4", "libpoppler-cpp0v5", "libxapian30"):
        if library not in fields:
            problems.append(f"the package does not depend on {library}")
    if "/etc/answermill/answermill.env" not in conffiles:
        problems.append("the settings are not a conffile: an upgrade would overwrite them")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
