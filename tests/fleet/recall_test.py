"""Does search find the page that answers? Real filings with real questions, the right file given."""
import json

import pytest

from harness import DATA, Fleet

QUESTIONS = DATA / "filings/questions.jsonl"
pytestmark = pytest.mark.skipif(not QUESTIONS.exists(), reason=f"no questions at {QUESTIONS}")


def evidence_pages(question):
    """Page numbers from 1; the data counts from 0."""
    return {evidence["page_index0"] + 1 for evidence in question["evidence"]}


def test_page_recall_at_5(capsys):
    questions = [json.loads(line) for line in QUESTIONS.read_text().splitlines() if line.strip()]
    with Fleet() as fleet:
        collections = {}
        for name in sorted({q["file"] for q in questions}):
            collections[name] = name.rsplit(".", 1)[0]
            fleet.json("POST", "/api/collections", {"name": collections[name]}, expect=201)
            fleet.ingest(name, (DATA / "filings" / name).read_bytes(), collections[name], timeout=120)
        found, missed = 0, []
        for question in questions:
            hits = fleet.search(question["question"], collections[question["file"]], k=25, threshold=1)["hits"]
            pages = list(dict.fromkeys(hit["page"] for hit in hits))[:5]
            if evidence_pages(question) & set(pages):
                found += 1
            else:
                missed.append((question["file"], sorted(evidence_pages(question)), pages, question["question"][:90]))
    recall = found / len(questions)
    with capsys.disabled():
        print(f"\npage recall@5: {recall:.3f} ({found} of {len(questions)})")
        for miss in missed:
            print("  missed", *miss)
    # Measured 0.444; docs/retrieval.md says what misses. One question is 0.037: this notices a loss of two.
    assert recall >= 0.38
