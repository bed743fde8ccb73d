"""The account of a round: every question against the record, every page against the search."""
import asyncio
import time

from wire import request

AT_ONCE = 8


async def account(run, this, questions, uploads):
    report = run.report
    everything = asyncio.Semaphore(AT_ONCE)

    async def ask_until_answered(path, good=(200, 404)):
        """The fleet is at peace: everything must be answered; what is not is tried for a while."""
        end = time.monotonic() + 20
        while True:
            try:
                async with everything:
                    status, body = await request(run.fleet.address, "GET", path, patience=10)
                if status in good:
                    return status, body
                problem = f"{status} {body}"
            except (OSError, ValueError) as error:
                problem = repr(error)
            if time.monotonic() > end:
                report.find(this, "stuck", f"{path}: {problem}"[:300])
                return 0, None
            await asyncio.sleep(0.2)

    async def check_question(question):
        recorded = None
        if question.stream:
            status, recorded = await ask_until_answered(f"/api/streams/{question.stream}")
            recorded = recorded if status == 200 else None
        for kind, what in question.verdicts(recorded):
            report.find(this, kind, f"question {question.uid} over {question.wire}, stream {question.stream}: {what}")

    async def check_upload(upload):
        for kind, what in upload.verdicts():
            report.find(this, kind, f"document {upload.name} {upload.document}: {what}")
        if upload.document is None:
            return
        await asyncio.gather(*(check_page(upload, page) for page in range(1, len(upload.words) + 1)))

    async def check_page(upload, page):
        word = upload.words[page - 1]
        path = f"/api/search?q={word}&collection={run.clients.collection}&k=8&threshold=2"
        status, body = await ask_until_answered(path, (200,))
        if status != 200:
            return
        if verdict := upload.page_verdict(page, body["hits"]):
            report.find(this, verdict[0], f"document {upload.name} {upload.document}: {verdict[1]}")
        report.add("pages searched")

    await asyncio.gather(*map(check_question, questions))
    await asyncio.gather(*map(check_upload, uploads))
    await check_strangers(run, this, ask_until_answered)
    report.add("questions acknowledged", sum(bool(q.stream) for q in questions))
    report.add("resumes", sum(q.resumes for q in questions))
    report.add("rewinds", sum(q.rewinds for q in questions))
    report.add("joined runs", sum(q.overlaps for q in questions))
    report.add("questions refused by a full disk", sum(q.refused for q in questions))
    report.add("questions set aside", sum(q.set_aside for q in questions))
    report.add("documents acknowledged", sum(bool(u.document) for u in uploads))
    report.add("deleted", sum(u.deleted == "gone" for u in uploads))
    report.add("documents set aside, then retried", sum(u.set_aside for u in uploads))


async def check_strangers(run, this, ask):
    """What was taken but never acknowledged must have come to an end as well."""
    _, body = await ask(f"/api/documents?collection={run.clients.collection}", (200,))
    known = {upload.document for upload in run.clients.uploads}
    for row in (body or {}).get("documents", []):
        if row["id"] not in known and row["state"] not in ("ready", "failed"):
            run.report.find(this, "stuck", f"document {row['id']} of a client that heard nothing: {row['state']}")
