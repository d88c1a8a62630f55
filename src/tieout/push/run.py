"""The whole job for one [push.NAME], from the source to the tie-out, or up to a plan of it.

Strings the steps together; each step's rules are in its own module.
"""

from __future__ import annotations

import contextlib
import shlex
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ConfigurationError, TieoutError
from tieout.push import plan, plan_file
from tieout.push.changes import reopen
from tieout.push.checks.checking import Checking
from tieout.push.deciding import decide, name_actions, requests
from tieout.push.dispatch import steps
from tieout.push.dispatch.closings import Closings
from tieout.push.dispatch.finding import Lookback
from tieout.push.dispatch.requests import Bundle, Whole, ways
from tieout.push.dispatch.sending import Request, Sender
from tieout.push.dispatch.steps import Steps, Tally
from tieout.push.documents import without_id_of
from tieout.push.garbage import only_what_is_new
from tieout.push.inbox import corrected, originals
from tieout.push.inbox.returned import RECORD, Planned, Returned, came_back
from tieout.push.intake import Check, Intake, take_in
from tieout.push.looking import look
from tieout.push.opening import Desks, Opened, lease, opened
from tieout.push.plan_file import PlanHead, mapping_hash, refuse_alone, refuse_changed, refuse_other
from tieout.push.proof.audit_file import AuditWriter, Head
from tieout.push.report import (
    BUCKETS,
    OnProgress,
    PushReport,
    changed_facts,
    problem_facts,
)
from tieout.push.settings import PushSettings, settings_of
from tieout.push.sources import Source, open_source
from tieout.push.sources.text import refuse_unreadable
from tieout.push.stage import Fate, Stage, Staged
from tieout.push.standing import proof
from tieout.push.summary import origin, summed_up
from tieout.rest import Budget
from tieout.store.ledger import Entry, Result
from tieout.store.ledger_facts import CHANGES, now_text

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.store.leases import Lease
    from tieout.store.ledger import State


@dataclass(kw_only=True)
class Job:
    """What one run was asked to do, for `tieout.push.push` and its like: they say what each means."""

    project: Project
    name: str
    connection: str | None = None
    from_file: Path | None = None
    """Read in place of the section's source."""
    template: str | None = None
    retry: bool = False
    again: Sequence[str] = ()
    dry_run: bool = False
    list_records: bool = False
    plan_to: Path | None = None
    plan: Path | None = None
    audit: Path | None = None
    by: str = ""
    progress: OnProgress | None = None
    budget: Budget | None = None
    concurrency: int | None = None
    records: object = None
    coming: dict[str, set[str]] | None = None
    """Ids by object that earlier pushes of one look ahead would make; this one adds its own."""

    @cached_property
    def settings(self) -> PushSettings:
        """Raises as `settings_of`."""
        if self.plan is not None:  # as it was made, so is it applied
            self.retry = plan_file.head_of(self.plan, self.name).retry
        # A corrected file stands beside the section's source and is told from it; any other stands in its place.
        source = None if self.retry else self.from_file
        return settings_of(self.project, self.name, self.connection, template=self.template, source=source)

    @cached_property
    def path(self) -> Path | None:
        """The file to read; None where the source is none. That of a plan once it was opened."""
        own = self.settings.path_in(self.project.root)
        return self.from_file if self.retry and self.from_file is not None else own


def run(job: Job) -> PushReport:
    """The whole job. Raises what `tieout.push.push` says."""
    started = time.monotonic()
    job.settings.check(job.name)
    looks = job.dry_run or job.plan_to is not None
    if looks and job.audit is not None:
        raise ConfigurationError(
            "A run that sends nothing has no audit file.", advice="Leave it out, or have it written when it is sent."
        )
    if job.from_file is not None and job.records is None:
        refuse_unreadable(job.from_file)
    with ExitStack() as stack:
        stack.enter_context(only_what_is_new())
        stage = stack.enter_context(Stage())
        desks = stack.enter_context(opened(job.project, job.name, job.settings, job.budget, job.concurrency))
        spent = stack.enter_context(desks.main.client.measure())
        checking = stack.enter_context(Checking(desks, job.coming))
        if looks:
            intake, planned = _begun(desks, job, stage, checking)
            report = look(desks, job, intake, planned, _noted(planned, checking))
        else:
            _refuse_without_a_plan(job)
            _refuse_forbidden(desks, job.settings)
            held = stack.enter_context(lease(desks.main))
            audit = stack.enter_context(AuditWriter(job.audit)) if job.audit is not None else None
            # The source first: a file that cannot be read must not start anything.
            intake, planned = _begun(desks, job, stage, checking)
            _refuse_forbidden_steps(desks, job.settings, stage)
            report = _send(desks, job, intake, held, audit, planned)
            report.notes += _noted(planned, checking)
    report.requests = spent.calls
    report.transactions = spent.transactions
    report.seconds = time.monotonic() - started
    return report


def _source(job: Job) -> Source:
    return open_source(job.settings, job.path, f"[push.{job.name}]", job.records)


def _checks(settings: PushSettings, desks: Desks) -> tuple[Check, ...]:
    """What is checked of documents beside their fields."""
    return (steps.files_exist(settings, desks.root),) if settings.attachment is not None else ()


def _begun(desks: Desks, job: Job, stage: Stage, checking: Checking) -> tuple[Intake, PlanHead | None]:
    """The checked documents on the stage: those of a plan, or of the source."""
    return _applied(desks, job, stage) if job.plan is not None else (_taken(desks, job, stage, checking), None)


def _noted(planned: PlanHead | None, checking: Checking) -> Sequence[str]:
    """What the checks had to say: those of this run, or of the one that made the plan."""
    return planned.notes if planned is not None else list(checking.notes())


def _taken(desks: Desks, job: Job, stage: Stage, checking: Checking) -> Intake:
    checks = _checks(job.settings, desks)
    returned = _returned(desks, job, stage)
    if returned is not None:
        checks = (returned.check, *checks)
    source = returned if returned is not None else _source(job)
    watch = corrected.watch(desks, job.settings) if returned is None else None
    return take_in(job.settings, job.name, source, desks.main.client, stage, checks, checking, watch)


def _returned(desks: Desks, job: Job, stage: Stage) -> Returned | None:
    """The corrected file that was given, where it is one that `tieout failed` wrote. Only a retry takes it."""
    path = job.from_file
    if path is None or (job.retry and path == job.settings.path_in(desks.root)):
        return None
    section = f"[push.{job.name}]"
    file = came_back(path, job.settings, section)
    if file is None:
        return None
    if not job.retry:
        plan = f" --plan {shlex.quote(str(job.plan_to))}" if job.plan_to is not None else ""
        raise ConfigurationError(
            f"{path.name} is a file that `tieout failed` wrote: its rows are known by their column {RECORD}.",
            advice=f"`tieout retry {job.name} --from {shlex.quote(str(path))}{plan}` takes it back. Nothing was sent.",
        )
    return Returned(file, path, job.settings, section, desks.main.ledger.originals, job.by, stage.rows)


def _refuse_without_a_plan(job: Job) -> None:
    if job.settings.two_people and job.plan is None:
        source = f" --from {shlex.quote(str(job.from_file))}" if job.from_file is not None else ""
        command = f"tieout {'retry' if job.retry else 'push'} {job.name}{source} --plan PLAN"
        raise ConfigurationError(
            f"[push.{job.name}] wants two people: one who plans, another who applies the plan.",
            advice=f"Run `{command}`, and let the other run `tieout push {job.name} --apply PLAN`. Nothing was sent.",
        )


def _refuse_forbidden(desks: Desks, settings: PushSettings) -> None:
    """Raise ConfigurationError before anything is read or written where the connection may not do all that the section
    asks for."""
    for going in ways(settings, desks.object):
        desks.main.client.refuse_forbidden(going.method, going.path)


def _refuse_forbidden_steps(desks: Desks, settings: PushSettings, stage: Stage) -> None:
    """The same for actions that some records of the source want and others do not."""
    if settings.last_column is None:
        return
    wanted = steps.actions_wanted(settings, stage)
    for going in ways(settings, desks.object, wanted):
        desks.main.client.refuse_forbidden(going.method, going.path)
    desks.has_steps = bool(wanted) or steps.ATTACH in settings.steps


def _applied(desks: Desks, job: Job, stage: Stage) -> tuple[Intake, PlanHead]:
    """A plan onto the stage, after it was seen that it fits this push and that its source is what it was."""
    assert job.plan is not None
    head = desks.load_plan(stage, job.plan)
    refuse_other(head, job.name, job.settings, desks.main.ledger.scope)
    if job.settings.two_people and not job.dry_run:
        refuse_alone(head, job.by, job.name)
    job.again = head.again
    source = _planned(job, head, stage)
    refuse_changed(head, source.sha256)
    steps.refuse_changed_files(job.settings, desks.root, stage, head.remade)
    corrected.refuse_superseded(desks, stage, head)
    intake = Intake(
        source=source,
        stage=stage,
        unused_columns=head.unused_columns,
        derived_from=head.derived_from,
        told_apart=head.told_apart,
        unnamed=head.unnamed,
    )
    return intake, head


def _planned(job: Job, head: PlanHead, stage: Stage) -> Source:
    """The source of a plan, read for its hash: the file that was planned, wherever it lay, unless another was named."""
    if head.is_returned:
        return Planned(job.from_file or Path(head.source), job.settings, f"[push.{job.name}]", head.rows)
    if job.from_file is None and job.path is not None and Path(head.source).is_file():
        job.path = Path(head.source)
    source = _source(job)
    for _ in source.rows() if source.can_repeat else stage.rows.remember(source.rows()):
        pass
    return source


def _send(
    desks: Desks, job: Job, intake: Intake, held: Lease, audit: AuditWriter | None, planned: PlanHead | None
) -> PushReport:
    run_id, started_at = str(uuid.uuid4()), now_text()
    stage = intake.stage
    main = desks.main
    reopen(desks, stage, job.again, held)  # before the run begins: who names what cannot be is told, and nothing began
    main.ledger.start_run(run_id, origin(intake.source))
    corrected.record(desks, stage, held, run_id, intake.source.sha256)
    counter = _Counter(job.progress)
    closings = Closings(main.object, stage, _holder(desks, held, run_id))
    tally = Tally(job.settings.steps)
    settling = _Settling(stage, counter, tally, closings)
    sender = Sender(
        held,
        run_id,
        in_flight=_places(job, main),
        atomic=job.settings.atomic,
        results=settling,
        posted=settling.posted,
        look_up=Lookback(job.settings.identify),
    )
    for desk in desks.all_known():
        sender.replay(desk)
    decided = decide(desks, stage, job.settings, retry=job.retry, settled=frozenset(sender.settled))
    name_actions(desks, stage, job.settings)
    corrected.remember(desks, stage, held, run_id)
    ready = _announce(desks, intake, job.settings, held, run_id)
    decided.forget(held)
    counter.begin(ready)
    going = requests(desks, stage, job.settings, decided.target, closings)
    _send_all(desks, job, intake, held, run_id, sender, settling, going)
    if job.settings.steps:
        desks_here = desks.all_known()
        Steps(job.settings, desks.root, sender, held, run_id).run(desks_here, retry=job.retry)
    _mark_changed(desks, stage, held)
    not_kept = _keep(desks, job, intake, held)
    if audit is not None:
        audit.head(_head(desks, job, intake, run_id, started_at, planned))
    on_read = audit.documents if audit is not None else None
    tie_out, by_sage_state = proof(desks, stage, strict=False, on_read=on_read, held=held)
    report = summed_up(desks, intake, dry_run=False)
    report.ready, report.replayed = ready, len(sender.settled)
    report.steps = tally.counts(desks.all_known()) if job.settings.steps else {}
    report.notes += decided.kept_back + sender.notes + not_kept
    report.tie_out, report.by_sage_state = tie_out, by_sage_state
    report.plan, report.plan_file = planned, str(job.plan or "")
    counts: dict[str, int] = {bucket: getattr(report, bucket) for bucket in BUCKETS}
    main.ledger.finish_run(run_id, report.sha256, report.rows, counts)
    if audit is not None:
        audit.finish(report, now_text())
        report.audit_file = str(audit.path)
    return report


def _keep(desks: Desks, job: Job, intake: Intake, held: Lease) -> list[str]:
    """Keep the rows of what is not posted -> what is to be said about it."""
    note = originals.keep(desks, intake.stage, intake.source, held, lambda: _source(job))
    return [note] if note else []


def _head(desks: Desks, job: Job, intake: Intake, run_id: str, started_at: str, planned: PlanHead | None) -> Head:
    source, scope = intake.source, desks.main.ledger.scope
    return Head(
        run=run_id,
        tieout_version=version("tieout"),
        push=job.name,
        object=desks.object,
        operation=job.settings.operation,
        source=origin(source),
        source_sha256=source.sha256,
        source_rows=source.row_count,
        blank_rows=source.blank_rows,
        skipped_rows=source.skipped_rows,
        mapping_sha256=mapping_hash(job.settings),
        environment=scope.environment,
        company=scope.company,
        entity=scope.entity,
        connection=desks.main.connection,
        sage_user=desks.main.user,
        started_at=started_at,
        planned_by=planned.planned_by if planned is not None else "",
        planned_at=planned.planned_at if planned is not None else "",
        applied_by=job.by,
    )


def _send_all(
    desks: Desks,
    job: Job,
    intake: Intake,
    held: Lease,
    run_id: str,
    sender: Sender,
    settling: _Settling,
    going: Iterable[tuple[Opened, Bundle]],
) -> None:
    """Send what is to go; what it never came to is pending, in the stage and in the ledger."""
    stage, ledger = intake.stage, desks.main.ledger
    try:
        sender.send(going)
    except TieoutError:
        settling.finish()
        stage.rename_fate("send", "pending")
        with contextlib.suppress(TieoutError):  # what stopped the push is what is to be told
            ledger.settle_left(held)
            _keep(desks, job, intake, held)
        raise
    sender.spread()
    settling.finish()
    stage.rename_fate("send", "pending")
    if any(fate == "pending" for _, fate, _, _ in stage.counts()):
        ledger.settle_left(held)
    else:
        ledger.drop_planned(held, run_id)


def _places(job: Job, desk: Opened) -> int:
    """Requests at a time: as many as the company takes, or one where the order is to be kept."""
    ceiling = desk.client.limiter.ceiling
    return 1 if job.settings.keep_order else min(ceiling, job.concurrency or ceiling)


def _announce(desks: Desks, intake: Intake, settings: PushSettings, held: Lease, run_id: str) -> int:
    """Write into the ledgers what will be sent and what is held, before anything is -> how many will be sent."""
    stage = intake.stage
    _forget(desks, intake, held)
    ready = 0
    for entity, parts in stage.to_send():
        desks.ledger(entity).plan(held, run_id, parts)
        ready += sum(len(part.ids) for part in parts)
    for chunk in stage.chunks("held"):
        for entity, documents in plan.by_entity(chunk):
            desks.ledger(entity).hold(held, run_id, [_held(d) for d in documents])
    if settings.steps:
        for chunk in stage.chunks("send", "posted", "skipped"):
            for entity, documents in plan.by_entity(chunk):
                steps.announce(desks.ledger(entity), settings, held, run_id, documents, stage)
    return ready


def _forget(desks: Desks, intake: Intake, held: Lease) -> None:
    """Take out of the ledgers what never arrived and is in other documents, or in other entities, by now."""
    stage = intake.stage
    ledgers = {entity: desks.ledger(entity) for entity in stage.entities()}
    ledgers = {entity: ledger for entity, ledger in ledgers.items() if not ledger.is_empty()}
    for entity, gone in plan.superseded(stage, ledgers).items():
        ledgers[entity].forget(held, gone)
        ledgers[entity].forget_rows_without_id(held, without_id_of(intake.source.name))
    for ledger, gone in corrected.renamed(desks, stage):
        ledger.forget(held, gone)
    for ledger in desks.ledgers():
        if gone := plan.moved(stage, ledger, desks.ledger):
            ledger.forget(held, gone)
            ledger.originals.settle(held)  # no document of this source would: it has none in that entity


_MANY = 100_000
"""Documents that are posted before the stage is told: one statement for all of them, and a number each until then."""


class _Settling:
    """Takes what the ledger says of a request's records over into the stage."""

    def __init__(self, stage: Stage, counter: _Counter, tally: Tally, closings: Closings) -> None:
        self._stage = stage
        self._counter = counter
        self._tally = tally
        self._closings = closings
        self._posted: list[int] = []
        """Documents that the stage does not know yet to be posted, by their first rows: it is told of many at once."""

    def posted(self, request: Request) -> None:
        """All records of a request, which are those of documents."""
        if isinstance(request.outgoing, Whole):
            self._stage.lots.settle(request.outgoing.seqs, "posted")
        else:
            self._posted.extend(request.outgoing.seqs)
        if len(self._posted) >= _MANY:
            self.finish()
        self._counter.settled(request.batch.count)

    def finish(self) -> None:
        """Before the stage is asked what became of its documents."""
        self._stage.settle(dict.fromkeys(self._posted, "posted"))
        self._posted.clear()

    def __call__(self, request: Request, results: Sequence[Result], final: bool) -> None:
        if request.batch.step and request.batch.operation not in CHANGES:
            self._tally.told(request.batch, results)
            return
        seqs = request.outgoing.seqs
        self._stage.settle({seq: _fate_of(result.state) for seq, result in zip(seqs, results, strict=False)})
        self._closings.note(request, results)
        if final and not request.again:
            self._counter.settled(len(results))


def _fate_of(state: State) -> Fate:
    return "unknown" if state == "sending" else state


def _holder(desks: Desks, held: Lease, run_id: str) -> Callable[[str, Sequence[Staged]], None]:
    """What writes documents of an entity into its ledger as held."""

    def hold(entity: str, documents: Sequence[Staged]) -> None:
        desks.ledger(entity).hold(held, run_id, [_held(document) for document in documents])

    return hold


def _held(document: Staged) -> Entry:
    rows, totals = document.texts()
    error = msgspec.json.encode(problem_facts(document.problems)).decode()
    return Entry(document.source_id, document.payload_hash, rows, totals, document.entries, error=error)


def _mark_changed(desks: Desks, stage: Stage, held: Lease) -> None:
    for chunk in stage.chunks(known=True):
        for entity, documents in plan.by_entity(chunk):
            known = [document.source_id for document in documents if document.known]
            if known:
                changed = {d.source_id: changed_facts() for d in documents if d.fate == "changed"}
                desks.ledger(entity).mark_changed(held, known, changed)


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
