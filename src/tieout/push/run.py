"""push and retry: the whole job for one [push.NAME], from the source file to the tie-out.

Strings the steps together; each step's rules are in its own module.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.push import plan
from tieout.push.opening import Opened, lease, opened
from tieout.push.plan import Item, Reading
from tieout.push.report import (
    BUCKETS,
    OnProgress,
    PushReport,
    changed_facts,
    problem_facts,
)
from tieout.push.sending import Outgoing, Sender, announced
from tieout.push.settings import PushSettings, settings_of
from tieout.push.sources import Source
from tieout.push.standing import counts_of, proof
from tieout.store.ledger import LedgerRecord

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget
    from tieout.store.leases import Lease
    from tieout.store.ledger import State


def push(
    project: Project,
    name: str,
    *,
    connection: str | None = None,
    dry_run: bool = False,
    budget: Budget | None = None,
    concurrency: int | None = None,
    progress: OnProgress | None = None,
    records: object = None,
) -> PushReport:
    """See `tieout.push.push`."""
    settings = settings_of(project, name, connection)
    job = _Job(name, settings, settings.path_in(project.root), False, progress, budget, concurrency, records)
    return _run(project, job, dry_run=dry_run)


def retry(
    project: Project,
    name: str,
    from_file: Path | None = None,
    *,
    connection: str | None = None,
    dry_run: bool = False,
    budget: Budget | None = None,
    concurrency: int | None = None,
    progress: OnProgress | None = None,
    records: object = None,
) -> PushReport:
    """See `tieout.push.retry`."""
    settings = settings_of(project, name, connection)
    path = from_file if from_file is not None else settings.path_in(project.root)
    return _run(project, _Job(name, settings, path, True, progress, budget, concurrency, records), dry_run=dry_run)


def _run(project: Project, job: _Job, *, dry_run: bool) -> PushReport:
    started = time.monotonic()
    with opened(project, job.name, job.settings, job.budget, job.concurrency) as desk, desk.client.measure() as spent:
        if dry_run:
            reading = plan.read(job.settings, job.name, job.path, desk.client, job.records)
            items = plan.decide(reading.documents, desk.ledger, desk.object, retry=job.retry)
            report = _report(desk, reading, items, dry_run=True)
        else:
            with lease(desk) as held:
                report = _send(desk, job, held)
    report.requests = spent.calls
    report.transactions = spent.transactions
    report.seconds = time.monotonic() - started
    return report


class _Job:
    """What one run was asked to do."""

    def __init__(
        self,
        name: str,
        settings: PushSettings,
        path: Path | None,
        retry: bool,
        progress: OnProgress | None,
        budget: Budget | None,
        concurrency: int | None = None,
        records: object = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.path = path
        self.retry = retry
        self.progress = progress
        self.budget = budget
        self.concurrency = concurrency
        self.records = records


def _send(desk: Opened, job: _Job, held: Lease) -> PushReport:
    run_id = str(uuid.uuid4())
    # The source first: a file that cannot be read must not start anything.
    reading = plan.read(job.settings, job.name, job.path, desk.client, job.records)
    desk.ledger.start_run(run_id, _origin(reading.source))
    counter = _Counter(job.progress)
    sender = Sender(desk.client, desk.ledger, held, desk.object, run_id, counter.settled)
    sender.replay()
    settled = frozenset(sender.outcomes)
    items = plan.decide(reading.documents, desk.ledger, desk.object, retry=job.retry, settled=settled)
    desk.ledger.forget(held, plan.superseded(reading.documents, desk.ledger))
    to_hold = [_held(item) for item in items if item.fate == "held"]
    desk.ledger.hold(held, run_id, to_hold)
    to_send = [item for item in items if item.fate == "send"]
    counter.begin(len(to_send))
    ready = [Outgoing.of(item.document, item.known.attempt if item.known else 0) for item in to_send]
    desk.ledger.announce(held, run_id, [announced(outgoing) for outgoing in ready])
    sender.send(ready)
    for item in to_send:
        result = sender.outcomes.get(item.document.source_id)
        item.fate = "pending" if result is None else _fate_of(result.state)
    report = _report(desk, reading, items, dry_run=False)
    changed = {item.document.source_id: changed_facts() for item in items if item.fate == "changed"}
    desk.ledger.mark_changed(held, [item.document.source_id for item in items if item.known], changed)
    report.ready, report.replayed = len(to_send), len(settled)
    report.notes += sender.notes
    report.tie_out = proof(desk, items, strict=False)
    counts: dict[str, int] = {bucket: getattr(report, bucket) for bucket in BUCKETS}
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
        totals=document.totals,
        error=problem_facts(document.problems),
    )


def _report(desk: Opened, reading: Reading, items: Sequence[Item], *, dry_run: bool) -> PushReport:
    report = PushReport(
        name=desk.name,
        object=desk.object,
        source=_origin(reading.source),
        sha256=reading.source.sha256,
        dry_run=dry_run,
        rows=reading.source.row_count,
        blank_rows=reading.source.blank_rows,
        documents=len(items),
        unused_columns=reading.unused_columns,
        rows_by_outcome=counts_of(items, rows=True),
    )
    report.ready = sum(item.fate == "send" for item in items)
    for bucket, count in counts_of(items, rows=False).items():
        setattr(report, bucket, count)
    report.problems = [problem for item in items if item.fate == "held" for problem in item.document.problems]
    if not report.rows:
        report.notes.append(f"{reading.source.subject} has no rows: there is nothing to push.")
    report.notes += reading.source.notes
    return report


def _origin(source: Source) -> str:
    return source.name if source.path is None else str(source.path)


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
