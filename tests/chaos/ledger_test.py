"""An account that never complains proves nothing: every kind of harm must be seen for what it is."""
import hashlib
import random
import struct

from ledger import Question, Upload
from links import Mangler, Messages
from work import recitation


def shown(text="one two three", wire="ws"):
    """A question whose client saw all of `text`, token by token."""
    question = Question("uid", wire, text, stream="s")
    offset = 0
    for number, word in enumerate(text.split(" "), 1):
        piece = (" " if offset else "") + word
        question.event("token", number, number, {"offset": offset, "text": piece}, number)
        offset += len(piece)
    return question


def end(question, name="done", error=None):
    digest = hashlib.sha256(question.text).hexdigest()
    question.event(name, question.seq + 1, question.seq + 1,
                   {"length": len(question.text), "sha256": digest, "error": error}, 99)
    return question


def record(question, **changes):
    return {"status": question.terminals[0][0], "text": question.text.decode(),
            "sha256": hashlib.sha256(question.text).hexdigest(), **changes}


def kinds(question, recorded):
    return {kind for kind, _ in question.verdicts(recorded)}


def test_a_whole_answer_is_whole():
    question = end(shown())
    assert question.verdicts(record(question)) == []


def test_a_lost_token_shows():
    question = Question("uid", "sse", "one two", stream="s")
    question.event("token", None, 1, {"offset": 0, "text": "one"}, 1)
    question.event("token", None, 3, {"offset": 5, "text": "wo"}, 2)
    assert "lost" in kinds(end(question), record(question))


def test_a_skipped_number_shows_on_wires_that_tell_the_first():
    question = shown("one")
    question.event("status", 5, 5, {}, 2)
    assert "lost" in kinds(end(question), record(question))


def test_a_token_twice_shows():
    question = shown("one two")
    question.event("token", 2, 2, {"offset": 3, "text": " two"}, 3)
    assert "duplicated" in kinds(end(question), record(question))


def test_another_text_at_the_same_place_shows():
    question = shown("one two three")
    question.event("token", 3, 4, {"offset": 3, "text": " other"}, 5)
    assert "duplicated" in kinds(end(question), record(question))


def test_a_joined_run_around_the_cursor_is_no_harm():
    question = shown("one two")
    question.expected = "one two three"
    question.event("token", 1, 3, {"offset": 0, "text": "one two three"}, 5)
    assert end(question).verdicts(record(question)) == [] and question.overlaps == 1


def test_a_rewind_cuts_back_and_goes_on():
    question = shown("one wrong")
    question.expected = "one right"
    question.event("rewind", 2, 1000, {"offset": 3}, 3)
    question.event("token", 1001, 1001, {"offset": 3, "text": " right"}, 4)
    assert end(question).verdicts(record(question)) == []


def test_no_end_two_ends_and_wrong_ends_show():
    assert kinds(shown(), None) == {"stuck"}
    twice = end(end(shown()))
    assert "duplicated" in kinds(twice, record(twice))
    short = end(shown("one two"))
    short.expected = "one two three"
    assert kinds(short, record(short)) == {"wrong"}
    stopped = end(shown(), "cancelled")
    assert kinds(stopped, record(stopped)) == {"wrong"}
    failed = end(shown(), "failed", {"code": "internal"})
    assert kinds(failed, record(failed)) == {"lost"}


def test_a_record_that_differs_shows():
    question = end(shown())
    assert kinds(question, None) == {"lost"}
    assert "wrong" in kinds(question, record(question, text="one two"))
    assert "wrong" in kinds(question, record(question, status="streaming"))
    assert "wrong" in kinds(question, record(question, sha256="0" * 64))


def test_a_job_set_aside_is_the_designed_end():
    question = end(shown(), "failed", {"code": "quarantined"})
    assert question.verdicts(record(question)) == [] and question.set_aside


def upload():
    document = Upload("a.pdf", ["worda", "wordb"], "d1")
    document.final = {"state": "ready", "warnings": [], "error": None, "generation": 1,
                      "pages": {"total": 2, "searchable": 2, "failed": 0}}
    return document


def hit(word, page, document="d1"):
    return {"text": f"Its only word is {word}.", "page": page, "document": document}


def test_documents_are_whole_or_named():
    assert upload().verdicts() == []
    half = upload()
    half.final["pages"]["searchable"] = 1
    assert [kind for kind, _ in half.verdicts()] == ["lost"]
    waiting = upload()
    waiting.final["state"] = "processing"
    assert [kind for kind, _ in waiting.verdicts()] == ["stuck"]


def test_each_word_is_found_once_on_its_page():
    document = upload()
    assert document.page_verdict(1, [hit("worda", 1), hit("other", 2)]) is None
    assert document.page_verdict(1, [])[0] == "lost"
    assert document.page_verdict(1, [hit("worda", 1), hit("worda", 1)])[0] == "duplicated"
    assert document.page_verdict(1, [hit("worda", 2)])[0] == "wrong"
    document.deleted = "gone"
    assert document.page_verdict(1, [hit("worda", 1)])[0] == "wrong"
    assert document.page_verdict(1, []) is None


def test_the_proxy_cuts_messages_where_they_end():
    greeting = bytes(64)
    ready = b"\x04\x05READY"
    messages = [b"\x01\x05topic\x00\x03one", b"\x01\x05topic\x02" + struct.pack("!Q", 300) + b"x" * 300]
    stream = greeting + ready + b"".join(messages)
    for step in (1, 7, len(stream)):
        parser, whole, all_bytes = Messages(), [], b""
        for at in range(0, len(stream), step):
            for piece, is_message in parser.feed(stream[at:at + step]):
                all_bytes += piece
                if is_message:
                    whole.append(piece)
        assert all_bytes == stream and whole == messages


def test_the_mangler_loses_repeats_and_swaps_whole_messages_only():
    mangler = Mangler(random.Random(1))
    mangler.share = 0.5
    sent = [f"<{number}>".encode() for number in range(1000)]
    out, held = b"", b""
    for message in sent:
        piece, held = mangler.out(message, held)
        out += piece
    numbers = [int(part) for part in (out + held).decode().strip("<>").split("><")]
    assert len(set(range(1000)) - set(numbers)) == mangler.done["lost"] > 0
    assert len(numbers) - len(set(numbers)) == mangler.done["repeated"] > 0
    assert numbers != sorted(numbers) and mangler.done["swapped"] > 0


def test_the_recitation_is_the_models():
    assert recitation("w", 3) == "w.1 w.2 w.3"
