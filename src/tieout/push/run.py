"""push, retry, failed and verify: the whole job for one [push.NAME], from the source file to the tie-out.

Strings the steps together; each step's rules are in its own module.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import SourceError
from tieout.push import plan, tieout
from tieout.push.documents import Document
from tieout.push.opening import Opened, lease, opened
from tieout.push.plan import Item, Reading
from tieout.push.report import (
    BUCKETS,
    FailedRecord,
    OnProgress,
    PushReport,
    failed_record,
    problem_facts,
)
from tieout.push.sending import Outgoing, Sender
from tieout.push.settings import PushSettings
from tieout.rest.meter import CountingMeter
from tieout.store.ledger import LedgerRecord

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.project.report import TieOutLine
    from tieout.rest.meter import Usage
    from tieout.store.leases import Lease
    from tieout.store.ledger import State

_NOT_POSTED: tuple[State, ...] = ("failed", "unprocessed", "unknown", "sending", "held", "pending")


def push(project: Project, name: str, *, dry_run: bool = False, progress: OnProgress | None = None) -> PushReport:
    """See `tieout.push.push`."""
    return _run(project, name, None, retry=False, dry_run=dry_run, progress=progress)


def retry(
    project: Project,
    name: str,
    from_file: Path | None = None,
    *,
    dry_run: bool = False,
    progress: OnProgress | None = None,
) -> PushReport:
    """See `tieout.push.retry`."""
    return _run(project, name, from_file, retry=True, dry_run=dry_run, progress=progress)


def failed(project: Project, name: str | None = None) -> list[FailedRecord]:
    """See `tieout.push.failed`."""
    found: list[FailedRecord] = []
    for push_name in [name] if name is not None else project.names("push"):
        settings = project.section("push", push_name, PushSettings)
        with opened(project, push_name, settings) as desk:
            found.extend(
                failed_record(push_name, r.source_id, r.rows, r.state, r.error or {}, r.href)
                for r in desk.ledger.records(_NOT_POSTED)
            )
    return found


def verify(project: Project, name: str) -> list[TieOutLine]:
    """See `tieout.push.verify`. Records posted from earlier sources are read back as well."""
    settings = project.section("push", name, PushSettings)
    with opened(project, name, settings) as desk:
        try:
            reading: Reading | None = plan.read(settings, name, project.root / settings.source, desk.client)
        except SourceError as error:
            reading, note = None, error.message
        posted = list(desk.ledger.records(("posted",)))
        if reading is None:
            rest = posted
            lines = []
        else:
            items = plan.decide(reading.documents, desk.ledger, retry=False)
            for item in items:
                item.fate = "pending" if item.fate == "send" else item.fate
            present = {item.document.source_id for item in items}
            rest = [record for record in posted if record.source_id not in present]
            lines = _prove(desk, reading, items)
        if rest:
            back = tieout.read_back(desk.client, desk.object, rest)
            rows = {record.source_id: len(record.rows) for record in rest}
            totals = {"posted": sum(rows.values())}, {"posted": len(rest)}
            lines += tieout.lines(f"push {name}, earlier sources", *totals, rows, rest, back)
        elif reading is None:
            raise SourceError(note, advice=f"Nothing of [push.{name}] was posted yet.")
        return lines


def _run(
    project: Project, name: str, from_file: Path | None, *, retry: bool, dry_run: bool, progress: OnProgress | None
) -> PushReport:
    started = time.monotonic()
    settings = project.section("push", name, PushSettings)
    path = from_file if from_file is not None else project.root / settings.source
    with opened(project, name, settings) as desk:
        before = _usage(desk)
        if dry_run:
            reading = plan.read(settings, name, path, desk.client)
            items = plan.decide(reading.documents, desk.ledger, retry=retry)
            report = _report(name, desk, path, reading, items, dry_run=True)
        else:
            with lease(desk) as held:
                report = _send(desk, _Job(name, settings, path, retry, progress), held)
        after = _usage(desk)
    report.requests = after.calls - before.calls
    report.transactions = after.transactions - before.transactions
    report.seconds = time.monotonic() - started
    return report


class _Job:
    """What one run was asked to do."""

    def __init__(self, name: str, settings: PushSettings, path: Path, retry: bool, progress: OnProgress | None) -> None:
        self.name = name
        self.settings = settings
        self.path = path
        self.retry = retry
        self.progress = progress


def _send(desk: Opened, job: _Job, held: Lease) -> PushReport:
    run_id = str(uuid.uuid4())
    # The source first: a file that cannot be read must not start anything.
    reading = plan.read(job.settings, job.name, job.path, desk.client)
    desk.ledger.start_run(run_id, str(job.path))
    counter = _Counter(job.progress)
    sender = Sender(desk.client, desk.ledger, held, desk.object, run_id, counter.settled)
    sender.replay()
    settled = frozenset(sender.outcomes)
    items = plan.decide(reading.documents, desk.ledger, retry=job.retry, settled=settled)
    desk.ledger.forget(held, plan.superseded(reading.documents, desk.ledger))
    to_hold = [_held(item) for item in items if item.fate == "held"]
    desk.ledger.hold(held, run_id, to_hold)
    to_send = [item for item in items if item.fate == "send"]
    counter.begin(len(to_send))
    ready = [Outgoing.of(item.document, item.known.attempt if item.known else 0) for item in to_send]
    sender.send(ready)
    for item in to_send:
        result = sender.outcomes.get(item.document.source_id)
        item.fate = "pending" if result is None else _fate_of(result.state)
    report = _report(job.name, desk, job.path, reading, items, dry_run=False)
    report.ready, report.replayed = len(to_send), len(settled)
    report.notes += sender.notes
    report.tie_out = _prove(desk, reading, items)
    counts = {bucket: getattr(report, bucket) for bucket in BUCKETS}
    desk.ledger.finish_run(run_id, report.sha256, report.rows, counts)
    return report


def _fate_of(state: State) -> plan.Fate:
    return "unknown" if state == "sending" else state


def _held(item: Item) -> LedgerRecord:
    document = item.document
    return LedgerRecord(
        source_id=document.source_id,
        payload_hash=document.payload_hash,
        state="held",
        rows=tuple(document.rows),
        # A row that went out in another document stays that document's.
        entries=tuple(document.entries) if document.is_grouped and not document.has_moved_rows else (),
        error=problem_facts(document.problems),
    )


def _report(
    name: str, desk: Opened, path: Path, reading: Reading, items: Sequence[Item], *, dry_run: bool
) -> PushReport:
    report = PushReport(
        name=name,
        object=desk.object,
        source=str(path),
        sha256=reading.source.sha256,
        dry_run=dry_run,
        rows=reading.source.row_count,
        blank_rows=reading.source.blank_rows,
        documents=len(items),
        unused_columns=reading.unused_columns,
        rows_by_outcome=_count(items, rows=True),
    )
    report.ready = sum(item.fate == "send" for item in items)
    for bucket, count in _count(items, rows=False).items():
        setattr(report, bucket, count)
    report.problems = [problem for item in items if item.fate == "held" for problem in item.document.problems]
    if not report.rows:
        report.notes.append(f"{path.name} has no rows: there is nothing to push.")
    return report


def _count(items: Sequence[Item], *, rows: bool) -> dict[str, int]:
    counts = dict.fromkeys(BUCKETS, 0)
    for item in items:
        bucket = "pending" if item.fate == "send" else item.fate
        counts[bucket] += len(item.document.rows) if rows else 1
    return counts


def _prove(desk: Opened, reading: Reading, items: Sequence[Item]) -> list[TieOutLine]:
    arrived: list[Document] = [i.document for i in items if i.fate in ("posted", "skipped", "changed")]
    records = desk.ledger.known([document.source_id for document in arrived])
    posted = [record for record in records.values() if record.state == "posted"]
    clean = {i.document.source_id: len(i.document.rows) for i in items if i.fate in ("posted", "skipped")}
    back = tieout.read_back(desk.client, desk.object, posted)
    by_rows, by_documents = _count(items, rows=True), _count(items, rows=False)
    return tieout.lines(f"push {desk.name}", by_rows, by_documents, clean, posted, back) if items else []


class _Counter:
    """Turns settled batches into progress."""

    def __init__(self, progress: OnProgress | None) -> None:
        self._progress = progress
        self._done = 0
        self._total = 0

    def begin(self, total: int) -> None:
        self._done, self._total = 0, total
        self._tell()

    def settled(self, count: int) -> None:
        self._done += count
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None and self._total:
            self._progress(self._done, self._total)


def _usage(desk: Opened) -> Usage:
    meter = desk.client.meter
    return meter.usage if isinstance(meter, CountingMeter) else CountingMeter().usage
