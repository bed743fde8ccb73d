"""An extract worker as on another host: no data folder, an empty cache, documents over the bus."""
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from harness import BIN, Fleet, book, wait_for

MEGABYTE = 1 << 20
SIZE = 60 * MEGABYTE
WINDOW = 8 * 256 * 1024  # what may be on its way at a cut


class RemoteFleet(Fleet):
    """A fleet whose extract workers are started separately, with nothing but the bus."""

    def __init__(self, **options):
        super().__init__("extract=0,embed=1,index=1,generate=1,frontend=1", **options)
        self.run = Path(self.folder.name) / "run"
        self.cache = Path(self.folder.name) / "cache"
        self.run.mkdir(mode=0o700)
        self.env["XDG_RUNTIME_DIR"] = str(self.run)
        self.worker = None
        self.worker_log = Path(self.folder.name) / "worker-log"

    def start(self):
        joining = threading.Thread(target=self.start_worker)
        joining.start()
        super().start()  # ready once the worker is there
        joining.join()

    def start_worker(self):
        bus = wait_for(lambda: next(self.run.glob("answermill-*/work"), None), "the broker's sockets").parent
        environment = {**os.environ, "LOG_LEVEL": "debug"}
        environment.pop("ANSWERMILL_DATA_DIR", None)
        self.worker = subprocess.Popen(
            [BIN / "answermill-extract", "--work-endpoint", f"ipc://{bus}/work",
             "--events-endpoint", f"ipc://{bus}/worker-events", "--blobs-endpoint", f"ipc://{bus}/blobs",
             "--blob-cache", self.cache], env=environment, cwd="/", stderr=open(self.worker_log, "ab"))

    def stop(self, check=True):
        if self.worker:
            self.worker.terminate()
            self.worker.wait(timeout=10)
            self.worker = None
        super().stop(check)

    def part(self):
        """The size of the partial file of the transfer under way."""
        return sum(path.stat().st_size for path in self.cache.glob("*.part"))

    def lines(self, event):
        """Lines of the separate worker that tell of an event, as dictionaries."""
        return fields_of(self.worker_log.read_text(), event)

    def sent(self):
        """What the present broker has sent so far, as of its last finished transfer."""
        return int(fields_of(self.log_text(), "blob_sent")[-1]["sent_bytes"])


def fields_of(text, event):
    return [dict(re.findall(r"(\w+)=(\S+)", line)) for line in text.splitlines() if f"event={event} " in line]


def large(marker):
    """A small book in a large file."""
    return book(6, marker, ballast=os.urandom(SIZE))


@pytest.fixture(scope="module")
def fleet():
    with RemoteFleet(env={"ANSWERMILL_BLOB_RATE": "24M"}) as running:
        yield running


def test_a_document_comes_over_the_bus_and_once(fleet):
    content = large("remote")
    document = fleet.ingest("remote.pdf", content)
    assert document["pages"]["searchable"] == 6
    fetched = fleet.lines("blob_fetched")[-1]
    assert int(fetched["received"]) == len(content) and fetched["duplicate"] == "0", fetched
    assert len(fleet.lines("blob_fetched")) == 1, "plan and pages share one transfer"
    assert fleet.sent() == len(content)


def test_a_killed_broker_goes_on_where_it_was(fleet):
    content = large("broken")
    document = fleet.upload("broken.pdf", content)
    arrived = wait_for(lambda: fleet.part() > SIZE / 4 and fleet.part(), "a quarter of the bytes", every=0.005)
    fleet.kill("broker")
    assert fleet.wait_document(document["id"])["state"] == "ready"
    fetched = fleet.lines("blob_fetched")[-1]
    assert int(fetched["received"]) == len(content), fetched
    assert int(fetched["duplicate"]) <= WINDOW, fetched
    assert fleet.sent() <= len(content) - arrived + WINDOW, "the new broker sent only what was missing"


def test_a_killed_workers_successor_goes_on_where_it_was(fleet):
    content = large("dead")
    before = fleet.sent()
    document = fleet.upload("dead.pdf", content)
    arrived = wait_for(lambda: fleet.part() > SIZE / 4 and fleet.part(), "a quarter of the bytes", every=0.005)
    fleet.worker.send_signal(signal.SIGKILL)
    fleet.worker.wait()
    fleet.start_worker()
    assert fleet.wait_document(document["id"])["state"] == "ready"
    fetched = fleet.lines("blob_fetched")[-1]
    assert int(fetched["resumed_at"]) >= arrived, fetched
    assert int(fetched["resumed_at"]) + int(fetched["received"]) == len(content), fetched
    assert fleet.sent() - before <= len(content) + WINDOW


def test_a_damaged_file_of_the_cache_is_fetched_again(fleet):
    content = book(3, "flipped")
    fleet.ingest("flipped.pdf", content)
    cached = max(fleet.cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    with open(cached, "r+b") as file:
        file.seek(len(content) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    transfers = len(fleet.lines("blob_fetched"))
    document = fleet.ingest("flipped-again.pdf", content)
    assert document["pages"]["searchable"] == 3
    assert len(fleet.lines("blob_cache_damaged")) == 1
    assert len(fleet.lines("blob_fetched")) == transfers + 1
    assert cached.read_bytes() == content


def test_bytes_that_are_gone_fail_the_document_with_their_code(fleet):
    document = fleet.upload("gone.pdf", large("gone"))
    wait_for(lambda: fleet.part() > 0, "the transfer", every=0.005)
    newest = max((path for path in (fleet.data / "blobs").glob("??/*")), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    failed = fleet.wait_document(document["id"])
    assert failed["state"] == "failed" and failed["error"]["code"] == "not_found", failed
    assert wait_for(lambda: fleet.lines("blob_failed"), "the worker's word")[-1]["code"] == "not_found"
