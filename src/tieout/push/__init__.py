"""Your records -> Intacct: read, map, check, group, send under a ledger, and prove that everything arrived.

Light to import: the state database and the client load with the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.push.report import FailedRecord, OnProgress, PlannedRecord, PlannedSum, PushReport, Standing
from tieout.push.settings import PushSettings

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.project.report import TieOutLine
    from tieout.push.inbox.workbook import Written
    from tieout.push.order import Pushed
    from tieout.push.proof.audit_file import Checked as CheckedAudit
    from tieout.rest import Budget

__all__ = [
    "FailedRecord",
    "OnProgress",
    "PlannedRecord",
    "PlannedSum",
    "PushReport",
    "PushSettings",
    "Standing",
    "apply",
    "check_audit",
    "dismiss",
    "failed",
    "in_order",
    "push",
    "push_all",
    "retry",
    "standings",
    "verify",
    "write_csv",
    "write_workbook",
]


def push(
    project: Project,
    name: str,
    *,
    connection: str | None = None,
    dry_run: bool = False,
    list_records: bool = False,
    plan: Path | None = None,
    audit: Path | None = None,
    by: str = "",
    budget: Budget | None = None,
    concurrency: int | None = None,
    progress: OnProgress | None = None,
    records: object = None,
    template: str | None = None,
    from_file: Path | None = None,
) -> PushReport:
    """Post the records of [push.NAME] that are not in Intacct yet. A rerun posts nothing twice.

    `records` are read in place of the section's source: an iterable of mappings, or a table of Arrow, Polars or pandas
    (anything with `__arrow_c_stream__`). The section then needs no `source`; without [fields] the mappings are sent as
    they stand. `from_file` is read in place of the section's source; `template` is a mapping for files of a known kind
    (docs/templates.md), over which the section's own settings win.

    Checks everything against the live model before the first record goes out. With `dry_run` nothing is sent and
    nothing written; with `plan` the checked records are frozen in that file, for `apply`; with `list_records` such a
    look ahead lists every record. `audit` is where to write the audit file of the run, `by` who runs it. Raises
    SourceError, CheckError and ConfigurationError before anything was sent, BusyError where another run of this push is
    going on; after NotAuthorisedError, UnreachableError, StoreError and BudgetError (`budget` is what it may spend) a
    rerun goes on. `concurrency` is how many requests it wants under way at once."""
    from tieout.push import run

    return run.run(
        run.Job(
            project=project,
            name=name,
            connection=connection,
            from_file=from_file,
            template=template,
            dry_run=dry_run,
            list_records=list_records,
            plan_to=plan,
            audit=audit,
            by=by,
            budget=budget,
            concurrency=concurrency,
            progress=progress,
            records=records,
        )
    )


def in_order(project: Project, names: Sequence[str] = ()) -> list[str]:
    """The pushes of a project, or some of them, so that each comes after those whose records its own refer to, by its
    fields, and after those that its section names in `after`; else as they are given.

    Raises ConfigurationError where they need each other in a ring, UnknownNameError for one that is not there."""
    from tieout.push import order

    return order.in_order(project, names)


def push_all(
    project: Project,
    names: Sequence[str] = (),
    *,
    connection: str | None = None,
    dry_run: bool = False,
    list_records: bool = False,
    by: str = "",
    budget: Budget | None = None,
    concurrency: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Pushed]:
    """Several pushes, or all, one after the other as `in_order` has them, each begun when its result is asked for.

    An error that ends one is in its result; those that need it are not begun, all others are. Single records that
    Intacct refuses end nothing. With `dry_run` the ids that an earlier push would make count as there for a later one.
    `progress` is told (push, documents settled, documents to settle), `budget` is for all. Raises what `in_order`
    raises."""
    from functools import partial

    from tieout.push import order, run

    def one(name: str, coming: dict[str, set[str]]) -> PushReport:
        return run.run(
            run.Job(
                project=project,
                name=name,
                connection=connection,
                dry_run=dry_run,
                list_records=list_records,
                by=by,
                budget=budget,
                concurrency=concurrency,
                progress=partial(progress, name) if progress is not None else None,
                coming=coming if dry_run else None,
            )
        )

    return order.push_in_order(project, names, one)


def apply(
    project: Project,
    name: str,
    plan: Path,
    *,
    connection: str | None = None,
    dry_run: bool = False,
    list_records: bool = False,
    audit: Path | None = None,
    by: str = "",
    budget: Budget | None = None,
    concurrency: int | None = None,
    progress: OnProgress | None = None,
    records: object = None,
    template: str | None = None,
    from_file: Path | None = None,
) -> PushReport:
    """Send exactly the records of a plan that `push(plan=...)` or `retry(plan=...)` wrote, and none that was posted
    meanwhile.

    The source is read again for its hash alone: `from_file`, else the file that was planned, or the section's where
    that is gone; a plan of a corrected file needs that file. With `dry_run` nothing is sent: the report says what the
    plan would send now and who made it, with `list_records` record by record. Raises SourceError where the source
    changed since, or the plan did; ConfigurationError where the section or the company is another, or `by` made the
    plan and the section wants two people. Otherwise as `push`."""
    from tieout.push import run

    return run.run(
        run.Job(
            project=project,
            name=name,
            connection=connection,
            from_file=from_file,
            template=template,
            dry_run=dry_run,
            list_records=list_records,
            plan=plan,
            audit=audit,
            by=by,
            budget=budget,
            concurrency=concurrency,
            progress=progress,
            records=records,
        )
    )


def retry(
    project: Project,
    name: str,
    from_file: Path | None = None,
    *,
    connection: str | None = None,
    again: Sequence[str] = (),
    dry_run: bool = False,
    list_records: bool = False,
    plan: Path | None = None,
    audit: Path | None = None,
    by: str = "",
    budget: Budget | None = None,
    concurrency: int | None = None,
    progress: OnProgress | None = None,
    records: object = None,
) -> PushReport:
    """As `push`, and what Intacct refused is sent again even where it did not change.

    `from_file` is read in place of the section's source, or `records` as `push` takes them. What is posted stays as it
    is. A file that `write_workbook` or `write_csv` wrote is matched with what is not posted row by row, by its column
    `tieout_record`; changed cells are recorded under the name `by` and listed in the report's `corrections`. Raises
    CheckError naming rows that are unknown or there twice; nothing was sent then. `again` names records that people
    deleted in Intacct and that are to be posted once more, under another idempotency key; ConfigurationError where one
    of them is in Intacct, or not in the source. With `plan` nothing is sent: `apply` sends what that file holds."""
    from tieout.push import run

    return run.run(
        run.Job(
            project=project,
            name=name,
            connection=connection,
            from_file=from_file,
            retry=True,
            again=again,
            dry_run=dry_run,
            list_records=list_records,
            plan_to=plan,
            audit=audit,
            by=by,
            budget=budget,
            concurrency=concurrency,
            progress=progress,
            records=records,
        )
    )


def check_audit(path: Path) -> CheckedAudit:
    """Read an audit file again: is it as it was written, is every source row accounted for, do the sums agree.

    Needs neither Intacct nor the state database. Raises SourceError where it cannot be read."""
    from tieout.push.proof import audit_file

    return audit_file.check(path)


def failed(project: Project, name: str | None = None, *, connection: str | None = None) -> list[FailedRecord]:
    """What is not posted as the source has it, of one push or of all: why, and whose move it is. Asks nothing of
    Intacct. An empty list does not say that everything is posted: see `standings`."""
    return [record for each in standings(project, name, connection=connection) for record in each.records]


def standings(project: Project, name: str | None = None, *, connection: str | None = None) -> list[Standing]:
    """How one push stands, or each: what is not posted, and whether its latest run came to the end. Asks nothing of
    Intacct."""
    from tieout.push import standing

    return standing.standings(project, name, connection)


def write_workbook(project: Project, name: str, path: Path, *, connection: str | None = None) -> Written:
    """Write what became of a push as an .xlsx workbook whose every cell is text, for its owner's eyes alone (0600).

    Sheets Summary, Posted, Draft, Failed and Open, in the source's own columns and order. `retry(from_file=...)` takes
    it back with corrected cells. Asks nothing of Intacct. Raises SourceError where it cannot be written."""
    from tieout.push.inbox import workbook

    return workbook.write_workbook(project, name, path, connection)


def write_csv(project: Project, name: str, path: Path, *, connection: str | None = None) -> Written:
    """Write the rows that are not posted as a CSV file in the source's own dialect, every cell as it stands.

    A spreadsheet program that opens it may run what looks like a formula and eat leading zeros: people are better given
    what `write_workbook` writes. Raises SourceError where it cannot be written."""
    from tieout.push.inbox import workbook

    return workbook.write_csv(project, name, path, connection)


def dismiss(project: Project, name: str, source_ids: Sequence[str], *, connection: str | None = None) -> list[str]:
    """Take records off the list of what is not posted, as nobody means to post them -> their ids.

    Should one that never arrived come back in a source, it is sent like a new one; one that people deleted in Intacct
    is left alone from then on, until `retry(again=...)` names it. Raises UnknownNameError for an id that the ledger
    does not know, ConfigurationError for one that is posted or in flight."""
    from tieout.push import standing

    return standing.dismiss(project, name, source_ids, connection)


def verify(project: Project, name: str, *, connection: str | None = None) -> list[TieOutLine]:
    """Prove a push anew: the source as it is now, against the ledger, against Intacct (DESIGN rule 10).

    One billable transaction per 500 records. Raises NotAuthorisedError, UnreachableError, StoreError: a proof that
    could not be made is no proof."""
    from tieout.push import standing

    return standing.verify(project, name, connection)
