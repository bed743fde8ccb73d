"""The command as a script sees it: what `./dev up` promises of the sample document, and the exit codes."""
import json
import subprocess

import pytest

from harness import BIN, ROOT, Fleet

SAMPLE = ROOT / "docs/sample/answermill-handbook.md"
QUESTION = "What happens when a process dies in the middle of an answer?"


def command(fleet, *words, server=None):
    return subprocess.run([BIN / "answermill", *words, "--server", server or fleet.url], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def fleet():
    with Fleet() as running:
        done = command(running, "ingest", str(SAMPLE))
        assert done.returncode == 0, done.stderr
        yield running


def test_the_sample_answers_its_own_question(fleet):
    done = command(fleet, "ask", QUESTION)
    assert done.returncode == 0, done.stderr
    assert "continues where it stopped" in done.stdout
    assert "answermill-handbook.md" in done.stdout


def test_the_command_lists_what_was_ingested(fleet):
    assert "answermill-handbook.md" in command(fleet, "documents").stdout
    assert "answermill-handbook.md" in command(fleet, "search", "language model Ollama").stdout
    assert command(fleet, "status").returncode == 0


def test_the_journal_can_be_looked_at_beside_its_broker(fleet):
    def journal(what):
        return subprocess.run([BIN / "answermill", "journal", what, "--data", fleet.data], capture_output=True,
                              text=True, timeout=60)
    checked = journal("check")
    assert checked.returncode == 0, checked.stdout
    assert "a broker is running" in checked.stdout and "the journal is whole" in checked.stdout
    rows = [json.loads(line) for line in journal("export").stdout.splitlines()]
    assert any(row["table"] == "requests" for row in rows) and all(row["intact"] for row in rows)


@pytest.mark.parametrize("words, code, said", [
    (["ask", ""], 2, "question"),
    (["ask", "--collection", "nowhere", QUESTION], 5, "default"),
    (["documents", "show", "no-such-id"], 5, "no-such-id"),
    (["ingest", "/no/such/file.pdf"], 1, "/no/such/file.pdf"),
])
def test_errors_have_a_sentence_and_a_code(fleet, words, code, said):
    done = command(fleet, *words)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert said in done.stderr


def test_a_fleet_that_is_down_is_named(fleet):
    done = command(fleet, "ask", QUESTION, server="http://127.0.0.1:9")
    assert done.returncode == 4
    assert "127.0.0.1:9" in done.stderr and "answermill up" in done.stderr
