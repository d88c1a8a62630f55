"""What a run would do, without doing it: a dry run, a plan that is written to a file, a look into such a plan.

Asks Intacct and the ledger; sends nothing, and writes nothing but the plan.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.push.changes import look_at_reopened
from tieout.push.deciding import decide, name_actions, requests
from tieout.push.dispatch.closings import Closings
from tieout.push.plan_file import PlanHead, is_alone, mapping_hash
from tieout.push.summary import planned_ids, planned_records, planned_sums, summed_up
from tieout.store.ledger_facts import now_text

if TYPE_CHECKING:
    from tieout.push.intake import Intake
    from tieout.push.opening import Desks
    from tieout.push.report import PushReport
    from tieout.push.run import Job
    from tieout.push.settings import PushSettings
    from tieout.push.stage import Stage


def look(desks: Desks, job: Job, intake: Intake, planned: PlanHead | None, notes: Sequence[str]) -> PushReport:
    """Say what would be sent; with `plan_to` keep what was checked. `notes` are what the checks had to say."""
    stage, settings = intake.stage, job.settings
    decided = decide(desks, stage, settings, retry=job.retry)
    look_at_reopened(desks, stage, job.again)
    name_actions(desks, stage, settings)
    report = summed_up(desks, intake, dry_run=True)
    report.notes += decided.kept_back
    report.notes += [*_followed(stage), *notes]
    going = requests(desks, stage, settings, decided.target, Closings(desks.object, stage, lambda *_: None))
    report.planned_requests = sum(1 for _ in going)
    report.sums = planned_sums(planned_records(stage, every=False))
    if job.coming is not None:
        report.notes += _coming(job.coming, settings)
        if settings.operation in ("create", "upsert"):
            job.coming.setdefault(desks.object, set()).update(planned_ids(stage))
    if job.list_records:
        report.records = list(planned_records(stage, every=True))
    if planned is not None:
        report.plan, report.plan_file = planned, str(job.plan)
        report.notes += _since(planned, report, job)
    if job.plan_to is not None:
        report.plan, report.plan_file = _head(desks, job, intake, report, tuple(notes)), str(job.plan_to)
        desks.save_plan(stage, report.plan, job.plan_to)
        report.notes.append(
            f"{_records(report.ready)} planned in {job.plan_to}; `{_apply(job, job.plan_to)}` sends exactly "
            f"{'this' if report.ready == 1 else 'these'}, with --dry-run it shows what it would send."
        )
    return report


def _coming(coming: Mapping[str, set[str]], settings: PushSettings) -> list[str]:
    """What a look ahead at several pushes cannot see."""
    if not settings.looks_up or not any(coming.values()):
        return []
    return ["What is looked up is looked up in Intacct as it is now: what an earlier push would make is not found yet."]


def _followed(stage: Stage) -> list[str]:
    """What the rows of records that would be sent say of the steps after that."""
    counts = {step: count for step, count in stage.counts_of_last_steps().items() if step != "draft"}
    return [f"{_records(count)} to be followed by {step}, as the rows say." for step, count in counts.items()]


def _since(planned: PlanHead, report: PushReport, job: Job) -> list[str]:
    """What is to be said of a plan that somebody looks into and maybe cannot apply as it was made."""
    notes = []
    if report.ready != planned.to_send:
        notes.append(
            f"{_records(planned.to_send)} planned to be sent; by what has become of them since, {report.ready:,} "
            "would be."
        )
    if job.settings.two_people and is_alone(planned, job.by):
        notes.append(f"{planned.planned_by or 'Nobody named'} made this plan, so somebody else must apply it.")
    return notes


def _records(number: int) -> str:
    return "1 record is" if number == 1 else f"{number:,} records are"


def _head(desks: Desks, job: Job, intake: Intake, report: PushReport, notes: tuple[str, ...]) -> PlanHead:
    scope = desks.main.ledger.scope
    return PlanHead(
        push=job.name,
        object=desks.object,
        mapping_sha256=mapping_hash(job.settings),
        source=report.source,
        source_sha256=report.sha256,
        rows=report.rows,
        company=scope.company,
        environment=scope.environment,
        entity=scope.entity,
        planned_by=job.by,
        planned_at=now_text(),
        to_send=report.ready,
        held=report.held,
        derived_from=intake.derived_from,
        told_apart=intake.told_apart,
        unnamed=intake.unnamed,
        unused_columns=intake.unused_columns,
        notes=notes,
        retry=job.retry,
        again=tuple(job.again),
        is_returned=intake.stage.rows.came_back(),
    )


def _apply(job: Job, plan: Path) -> str:
    """The command that applies a plan."""
    template = f" --template {job.template}" if job.template else ""
    return f"tieout push {job.name} --apply {shlex.quote(str(plan))}{template}"
