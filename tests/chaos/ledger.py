"""What clients were promised and what they saw: one record for each question and each upload, and the verdicts.

Pure: no sockets, no clock. A verdict is None when all is well, else (kind, text); the kinds are
  lost        an acknowledged thing did not come to its end, or its end lacks something
  duplicated  something came twice: bytes, terminal events, passages
  stuck       it never ended
  wrong       an end that the promise does not allow (a stale write, another's text)
"""
import hashlib
from dataclasses import dataclass, field

TERMINALS = ("done", "cancelled", "failed", "expired")
NUMBERS_OF_A_BOOT = 1 << 20
SET_ASIDE = ("crashed", "quarantined")  # causes a job may be set aside with after three deaths under it


@dataclass
class Question:
    uid: str
    wire: str  # "ws" or "sse"
    expected: str
    cancels: bool = False
    stream: str | None = None  # known from the acknowledgement on
    text: bytes = b""
    seq: int = 0
    terminals: list = field(default_factory=list)  # (name, data)
    anomalies: list = field(default_factory=list)  # (verdict kind, text)
    times: list = field(default_factory=list)      # when something new came
    resumes: int = 0
    rewinds: int = 0
    overlaps: int = 0
    given_up: bool = False
    asked: float = 0.0
    first_token: float | None = None

    def token(self, data):
        piece = data["text"].encode()
        if data["offset"] > len(self.text):
            self.anomalies.append(("lost", f"a hole: {len(self.text)} bytes, then offset {data['offset']}"))
        elif data["offset"] < len(self.text):
            # A run of tokens that was joined before this client's cursor was known: legal where it says the same.
            self.overlaps += 1
            if not (self.text[:data["offset"]] + piece).startswith(self.text):
                self.anomalies.append(("duplicated", f"{len(self.text)} bytes, then {len(piece)} at {data['offset']}"))
        self.text = self.text[:data["offset"]] + piece

    def event(self, name, first, last, data, now):
        """An event as it came over the wire; first is None on wires that do not tell it."""
        self.times.append(now)
        if name == "rewind":
            self.rewinds += 1
            self.text = self.text[:data["offset"]]
            self.seq = last
            return
        if name in TERMINALS:
            self.terminals.append((name, data))
            if self.seq and last is not None and last <= self.seq and len(self.terminals) == 1:
                self.anomalies.append(("duplicated", f"the terminal has number {last} after {self.seq}"))
            return
        if last:
            if last <= self.seq:
                self.anomalies.append(("duplicated", f"event {last} after {self.seq}"))
            elif first is not None and (self._skips(first) or (first <= self.seq and name != "token")):
                kind = "lost" if first > self.seq + 1 else "duplicated"
                self.anomalies.append((kind, f"{name} {first}–{last} after {self.seq}"))
            self.seq = max(self.seq, last)
        if name == "token":
            self.first_token = self.first_token or now
            self.token(data)

    def _skips(self, first):
        """A number missing. After a restart of the broker numbers go on at the beginning of its boot's range."""
        return first > self.seq + 1 and (first - 1) % NUMBERS_OF_A_BOOT != 0

    def snapshot(self, data, now):
        """`resumed` with recovered false: the whole text instead of the rest."""
        self.times.append(now)
        whole = data["text"].encode()
        if not whole.startswith(self.text):
            self.anomalies.append(("wrong", "the snapshot is not a continuation of what was shown"))
        self.text = whole
        self.seq = data["seq"]
        if data["status"] in TERMINALS:
            self.terminals.append((data["status"], {"error": data.get("error")}))

    def verdicts(self, recorded):
        """`recorded`: what /api/streams/ID says afterwards, None when it is not known there."""
        found = list(self.anomalies)
        if self.stream is None:
            return found  # never acknowledged: nothing was promised
        if not self.terminals:
            return found + [("stuck", f"no terminal event; {len(self.text)} of {len(self.expected)} bytes")]
        if len(self.terminals) > 1:
            found.append(("duplicated", f"{len(self.terminals)} terminal events"))
        name, data = self.terminals[0]
        digest = hashlib.sha256(self.text).hexdigest()
        if data.get("length", len(self.text)) != len(self.text):
            found.append(("lost", f"{len(self.text)} bytes shown, the terminal says {data['length']}"))
        elif data.get("sha256", digest) != digest:
            found.append(("wrong", "the text is not the one the terminal names"))
        expected = self.expected.encode()
        if name == "done" and self.text != expected:
            found.append(("wrong", f"shown {self.text[-60:]!r}, expected {expected[-60:]!r}"))
        elif name == "cancelled" and not (self.cancels and expected.startswith(self.text)):
            found.append(("wrong", "cancelled, though nobody asked for it" if not self.cancels else "cancelled with another text"))
        elif name in ("failed", "expired") and not self.set_aside and not self.refused:
            found.append(("lost", f"it ended as {name}: {data.get('error')}"))
        if self.refused:
            pass  # with a full disk the catalog cannot note the refusal either; the question may be taken up later
        elif recorded is None:
            found.append(("lost", "the stream is not on record"))
        else:
            if recorded["status"] != name:
                found.append(("wrong", f"shown as {name}, recorded as {recorded['status']}"))
            if recorded["text"].encode() != self.text:
                found.append(("wrong", f"{len(self.text)} bytes shown, {len(recorded['text'].encode())} recorded, not the same"))
            if recorded.get("sha256") and recorded["sha256"] != digest:
                found.append(("wrong", "the record's hash is not the text's"))
        return found

    @property
    def _cause(self):
        failed = self.terminals and self.terminals[0][0] == "failed"
        return (self.terminals[0][1].get("error") or {}).get("code") if failed else None

    @property
    def set_aside(self):
        """The designed end of a job under which three processes died."""
        return self._cause in SET_ASIDE

    @property
    def refused(self):
        """The designed answer of a journal whose disk is full: said at once, before any work."""
        return self._cause == "disk_full" and not self.text

    def longest_silence(self):
        return max((b - a for a, b in zip(self.times, self.times[1:])), default=0.0)

    def worst_gap(self, begin, end):
        """The longest silence between two events of this stream that overlaps begin…end; 0 when none does."""
        return max((b - a for a, b in zip(self.times, self.times[1:]) if a < end and b > begin), default=0)


@dataclass
class Upload:
    name: str
    words: list  # of each page, in order
    document: str | None = None  # its id, from the acknowledgement on
    deleted: str | None = None   # "asked", "gone"
    times: list = field(default_factory=list)  # when its progress moved
    retried: int = 0
    set_aside: bool = False
    final: dict | None = None

    def verdicts(self):
        """Of the document's own row."""
        if self.document is None or self.deleted:
            return [] if self.deleted != "asked" else [("stuck", "the deletion was never acknowledged")]
        if self.final is None or self.final["state"] not in ("ready", "failed"):
            return [("stuck", f"{self.final and (self.final['state'], self.final['pages'])}")]
        pages = self.final["pages"]
        if self.final["state"] == "failed":
            return [("lost", f"failed: {self.final['error']}")]
        if pages["searchable"] != len(self.words) or pages["failed"] or self.final["warnings"]:
            return [("lost", f"{pages} {self.final['warnings']}")]
        return []

    def page_verdict(self, page, hits):
        """`hits`: passages a search for the page's own word found. The word stands on that page once."""
        word = self.words[page - 1]
        mine = [hit for hit in hits if word in hit["text"].lower()]
        if self.deleted == "gone":
            return ("wrong", f"{word}: found after its deletion") if mine else None
        if self.deleted:
            return None
        if not mine:
            return ("lost", f"page {page} ({word}) is not found")
        if len(mine) > 1:
            return ("duplicated", f"page {page} ({word}) is found {len(mine)} times")
        if mine[0]["page"] != page or mine[0]["document"] != self.document:
            return ("wrong", f"{word} is found on page {mine[0]['page']} of {mine[0]['document']}")
        return None
