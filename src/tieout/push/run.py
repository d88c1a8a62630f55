"""push and retry: the whole job for one [push.NAME], from the source file to the tie-out.

Strings the steps together; each step's rules are in its own module.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.push import plan
from tieout.push.documents import without_id_of
from tieout.push.intake import Intake, take_in
from tieout.push.opening import Desks, Opened, lease, opened
from tieout.push.report import (
    BUCKETS,
    OnProgress,
    PushReport,
    changed_facts,
    problem_facts,
)
from tieout.push.requests import Outgoing, batches
from tieout.push.sending import Request, Sender
from tieout.push.settings import PushSettings, settings_of
from tieout.push.sources import Source, open_source
from tieout.push.stage import Fate, Stage, Staged
from tieout.push.standing import proof
from tieout.store.ledger import Entry, Result

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
    with (
        Stage() as stage,
        opened(project, job.name, job.settings, job.budget, job.concurrency) as desks,
        desks.main.client.measure() as spent,
    ):
        source = open_source(job.settings, job.path, f"[push.{job.name}]", job.records)
        if dry_run:
            intake = take_in(job.settings, job.name, source, desks.main.client, stage)
            plan.decide(stage, desks.ledger, desks.object, retry=job.retry)
            report = _report(desks, intake, dry_run=True)
        else:
            with lease(desks.main) as held:
                # The source first: a file that cannot be read must not start anything.
                intake = take_in(job.settings, job.name, source, desks.main.client, stage)
                report = _send(desks, job, intake, held)
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


def _send(desks: Desks, job: _Job, intake: Intake, held: Lease) -> PushReport:
    run_id = str(uuid.uuid4())
    stage = intake.stage
    main = desks.main
    main.ledger.start_run(run_id, _origin(intake.source))
    counter = _Counter(job.progress)
    sender = Sender(held, run_id, in_flight=_places(job, main), results=_Settling(stage, counter))
    for desk in desks.all_known():
        sender.replay(desk)
    plan.decide(stage, desks.ledger, desks.object, retry=job.retry, settled=frozenset(sender.settled))
    ready = _announce(desks, intake, held, run_id)
    counter.begin(ready)
    sender.send(batches(_outgoing(desks, stage)))
    stage.rename_fate("send", "pending")
    _mark_changed(desks, stage, held)
    report = _report(desks, intake, dry_run=False)
    report.ready, report.replayed = ready, len(sender.settled)
    report.notes += sender.notes
    report.tie_out = proof(desks, stage, strict=False)
    counts: dict[str, int] = {bucket: getattr(report, bucket) for bucket in BUCKETS}
    main.ledger.finish_run(run_id, report.sha256, report.rows, counts)
    return report


def _places(job: _Job, desk: Opened) -> int:
    """Requests at a time: as many as the company takes, or one where the order is to be kept."""
    ceiling = desk.client.limiter.ceiling
    return 1 if job.settings.keep_order else min(ceiling, job.concurrency or ceiling)


def _announce(desks: Desks, intake: Intake, held: Lease, run_id: str) -> int:
    """Write into the ledgers what will be sent and what is held, before anything is -> how many will be sent."""
    stage = intake.stage
    for entity in stage.entities():
        ledger = desks.ledger(entity)
        if ledger.is_empty():
            continue
        ledger.forget(held, plan.superseded(stage, entity, ledger))
        ledger.forget_rows_without_id(held, without_id_of(intake.source.name))
    ready = 0
    for chunk in stage.chunks("send", "held"):
        for entity, documents in plan.by_entity(chunk):
            ledger = desks.ledger(entity)
            to_send = [Outgoing.of(d, ledger.operation, desks.object).record for d in documents if d.fate == "send"]
            ledger.announce(held, run_id, to_send)
            ledger.hold(held, run_id, [_held(d) for d in documents if d.fate == "held"])
            ready += len(to_send)
    return ready


def _outgoing(desks: Desks, stage: Stage) -> Iterator[tuple[Opened, Outgoing]]:
    for chunk in stage.chunks("send"):
        for document in chunk:
            desk = desks.at(document.entity)
            yield desk, Outgoing.of(document, desk.ledger.operation, desks.object)


class _Settling:
    """Takes what the ledger says of a request's records over into the stage."""

    def __init__(self, stage: Stage, counter: _Counter) -> None:
        self._stage = stage
        self._counter = counter

    def __call__(self, request: Request, results: Sequence[Result], final: bool) -> None:
        fates = {out.seq: _fate_of(result.state) for out, result in zip(request.outgoing, results, strict=False)}
        self._stage.settle(fates)
        if final and not request.again:
            self._counter.settled(len(results))


def _fate_of(state: State) -> Fate:
    return "unknown" if state == "sending" else state


def _held(document: Staged) -> Entry:
    rows, totals = document.texts()
    error = msgspec.json.encode(problem_facts(document.problems)).decode()
    return Entry(document.source_id, document.payload_hash, rows, totals, document.entries, error=error)


def _mark_changed(desks: Desks, stage: Stage, held: Lease) -> None:
    for chunk in stage.chunks():
        for entity, documents in plan.by_entity(chunk):
            known = [document.source_id for document in documents if document.known]
            if known:
                changed = {d.source_id: changed_facts() for d in documents if d.fate == "changed"}
                desks.ledger(entity).mark_changed(held, known, changed)


def _report(desks: Desks, intake: Intake, *, dry_run: bool) -> PushReport:
    stage, source = intake.stage, intake.source
    report = PushReport(
        name=desks.name,
        object=desks.object,
        source=_origin(source),
        sha256=source.sha256,
        dry_run=dry_run,
        rows=source.row_count,
        blank_rows=source.blank_rows,
        unused_columns=intake.unused_columns,
        rows_by_outcome=dict.fromkeys(BUCKETS, 0),
    )
    for entity, fate, documents, rows in stage.counts():
        bucket = "pending" if fate == "send" else fate
        setattr(report, bucket, getattr(report, bucket) + documents)
        report.documents += documents
        report.rows_by_outcome[bucket] += rows
        of_entity = report.by_entity.setdefault(entity, dict.fromkeys(BUCKETS, 0))
        of_entity[bucket] += documents
        report.ready += documents if fate == "send" else 0
    report.problems = [problem for chunk in stage.chunks("held") for d in chunk for problem in d.problems]
    if not report.rows:
        report.notes.append(f"{source.subject} has no rows: there is nothing to push.")
    report.notes += source.notes
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
