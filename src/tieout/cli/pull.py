"""`tieout pull`: copies objects into a database and shows what came and whether it ties out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tieout.cli import pull_plan, tie_out
from tieout.cli.invocation import BudgetOption, ConcurrencyOption, MixOption, budget_of, of
from tieout.cli.output import Column, Output, Styled, counted
from tieout.cli.pull_options import (
    AllowDeletesOption,
    BookOption,
    ConnectionOption,
    DdlOption,
    DestinationOption,
    DryRunOption,
    FieldsOption,
    FilesOption,
    FullOption,
    LayoutOption,
    NamesArgument,
    NoTieOutOption,
    PeriodOption,
    ReportOption,
    ResetOption,
    SinceOption,
    TableOption,
    WhereOption,
)
from tieout.errors import BudgetError, ConfigurationError, Exit, UnknownNameError

if TYPE_CHECKING:
    from tieout.cli.progress import Progress
    from tieout.project import Project
    from tieout.pull import OnProgress, PullReport
    from tieout.pull import Progress as Step
    from tieout.pull.warehouse import LoadScripts


def pull(
    ctx: typer.Context,
    names: NamesArgument = None,
    full: FullOption = False,
    since: SinceOption = None,
    reset: ResetOption = False,
    where: WhereOption = None,
    fields: FieldsOption = None,
    connection: ConnectionOption = None,
    destination: DestinationOption = None,
    table: TableOption = None,
    report: ReportOption = None,
    period: PeriodOption = None,
    book: BookOption = "",
    files: FilesOption = None,
    no_tie_out: NoTieOutOption = False,
    layout: LayoutOption = None,
    max_transactions: BudgetOption = None,
    concurrency: ConcurrencyOption = None,
    mix_environments: MixOption = False,
    ddl: DdlOption = None,
    allow_deletes: AllowDeletesOption = False,
    dry_run: DryRunOption = False,
) -> int:
    """Copy objects into your database: everything the first time, then what changed. Ends with the tie-out.

    Exit code 1 where a count or a sum does not agree with Intacct's own; where one of several objects was refused, the
    code of that error, with the others pulled.
    """
    project = of(ctx).project()
    sections, objects = split(project, "pull", names or [])
    chosen: dict[str, Any] = {
        "objects": objects,
        "connection": connection,
        "full": full,
        "since": since,
        "reset": reset,
        "where": where,
        "fields": [field.strip() for field in fields.split(",")] if fields is not None else None,
        "destination": destination,
        "table": table,
        "budget": budget_of(max_transactions),
        "concurrency": concurrency,
        "mix_environments": mix_environments,
        "tie_out": not no_tie_out,
    }
    scripts = for_warehouse(project, ddl, sections, objects, destination) if ddl is not None else None
    if report is not None or period is not None:
        asked = _asked(report, period, book, chosen, alone=not names)
        if dry_run:
            return _planned_report(of(ctx).output, project, asked, max_transactions)
        return _report(of(ctx).output, project, asked, chosen)
    if dry_run:
        from tieout.pull import plan

        with _naming_sections(project):
            planned = plan(project, sections, **chosen)
        return pull_plan.show(of(ctx).output, planned, budget=max_transactions)
    chosen |= {"layout": layout, "files": files, "allow_deletes": allow_deletes}
    return _pulled(of(ctx).output, project, sections, chosen, scripts)


def _planned_report(output: Output, project: Project, asked: Mapping[str, Any], budget: int | None) -> int:
    from tieout.pull.report_section import plan_report

    return pull_plan.show(output, plan_report(project, **asked), budget=budget, reports=True)


def _pulled(
    output: Output,
    project: Project,
    sections: list[str] | None,
    chosen: Mapping[str, Any],
    scripts: LoadScripts | None,
) -> int:
    from tieout.pull import pull as run

    started = time.monotonic()
    try:
        with _naming_sections(project), output.progress() as progress:
            reports = run(project, sections, progress=following(progress), **chosen)
    except BudgetError as error:
        if output.json:
            output.result(error.to_dict() | {"tables": [as_json(report) for report in error.reports]})
            return error.exit_code
        if error.reports:
            show(output, error.reports, seconds=time.monotonic() - started, stopped=True)
        raise
    written = scripts.write() if scripts is not None else []
    if output.json:
        output.result([as_json(report) for report in reports])
    else:
        show(output, reports, seconds=time.monotonic() - started)
        for path in written:
            output.line(f"Load script: {path}")
    return max((report.exit_code for report in reports), default=Exit.DONE)


def for_warehouse(
    project: Project, ddl: str, sections: list[str] | None, objects: list[str] | None, destination: str | None
) -> LoadScripts:
    """The load scripts of this pull. Every mistake is found before it begins."""
    from tieout.pull.warehouse import LoadScripts

    return LoadScripts.of(project, ddl, sections, objects, destination)


def _asked(
    name: str | None, period: str | None, book: str, chosen: Mapping[str, Any], *, alone: bool
) -> Mapping[str, Any]:
    """What is asked of a report. Raises ConfigurationError."""
    if name is None or period is None or not alone:
        raise ConfigurationError(
            "A report is pulled by itself, of a period.",
            advice="Run `tieout pull --report trial-balance --period NAME`.",
        )
    where = {key: chosen[key] for key in ("connection", "destination", "table")}
    return {"report": name, "period": period, "book": book} | where


def _report(output: Output, project: Project, asked: Mapping[str, Any], chosen: Mapping[str, Any]) -> int:
    from tieout.pull import pull_report

    output.say(f"Waiting for Intacct to make {asked['report']}, {asked['period']}. This may take minutes.")
    made = pull_report(project, **asked, budget=chosen["budget"], concurrency=chosen["concurrency"])
    if output.json:
        output.result([as_json(made)])
    else:
        output.heading(f"{counted(made.rows_read, 'row')} of {made.object}, {asked['period']}, in table {made.table}.")
        for note in made.notes:
            output.prose(note, indent=2)
    return Exit.DONE


@contextmanager
def _naming_sections(project: Project) -> Iterator[None]:
    """A name that is no object may be meant for a section: say which there are."""
    try:
        yield
    except UnknownNameError as error:
        if error.kind in ("object", "pull section") and (known := project.names("pull")):
            error.advice = f"{error.advice} The sections are: {', '.join(known)}.".lstrip()
        raise


def split(project: Project, kind: str, words: Sequence[str]) -> tuple[list[str] | None, list[str] | None]:
    """Words -> names of sections and names of objects; None where there are none. `pull.bills` is the section."""
    known = project.names(kind)
    sections: list[str] = []
    objects: list[str] = []
    for word in words:
        bare = word.removeprefix(f"{kind}.")
        (sections if bare in known or bare != word else objects).append(bare)
    return sections or None, objects or None


_UNITS = {"waiting": "waiting for Intacct's report", "sweeping": "keys", "proving": "compared"}
"""What is counted, where it is not rows that come."""


def following(progress: Progress) -> OnProgress:
    """What the pull calls as it goes."""

    names: dict[tuple[str, str], str] = {}

    def follow(step: Step) -> None:
        place = step.destination, step.table
        if place not in names:
            taken = step.table in names.values()  # a table of the same name elsewhere, perhaps read beside it
            names[place] = f"{step.table} in {_named(step.destination)}" if taken else step.table
        name = names[place]
        if step.phase == "done" and not step.rows:
            progress.drop(name)
            return
        cost = f"{counted(step.pages, 'page')}, {counted(step.transactions, 'transaction')}"
        total = step.total if step.phase != "waiting" else None
        progress.advance(name, step.rows, total, _UNITS.get(step.phase, "rows"), cost)
        if step.phase == "done":
            progress.finish(name, f"{counted(step.rows, 'row')}, {cost}")

    return follow


def _named(destination: str) -> str:
    """The file or the folder, or the server's database, of a URL."""
    rest = destination.partition("://")[2]
    return Path(rest).name if rest.startswith("/") else rest.rpartition("@")[2]


def show(output: Output, reports: Sequence[PullReport], *, seconds: float, stopped: bool = False) -> None:
    """What came, in one line and table by table, then whether it ties out. `stopped`: until the budget was spent."""
    every = [entry for report in reports for entry in report.all()]
    tables = [entry for entry in every if not entry.skipped]
    busy = [e for e in tables if e.rows_read or e.missing or e.misfits or e.error or e.guarded or _repaired(e)]
    where = ", ".join(dict.fromkeys(_named(entry.destination) for entry in tables))
    cost = f"{counted(sum(entry.transactions for entry in tables), 'transaction')}, {seconds:.1f} s"
    output.heading(f"{_headline(tables)}: {counted(len(tables), 'table')} in {where}, {cost}")
    if busy:
        output.line()
        _table(output, busy)
        if len(busy) < len(tables):
            output.line(f"  {counted(len(tables) - len(busy), 'more table')}: nothing to read")
    lines = [line for entry in tables for line in entry.tie_out]
    if lines:
        output.line()
        tie_out.show(output, lines, every=False)
        tie_out.findings(output, [found for entry in tables for found in entry.findings])
        output.line()
        tie_out.conclusion(output, lines)
    elif not stopped and any(entry.error is None for entry in tables):
        output.line()
        output.prose("Not compared with Intacct: the tie-out is off. `tieout verify` compares.")
    if guarded := sum(entry.guarded for entry in tables):
        output.heading(f"{counted(guarded, 'row')} that Intacct does not show were left alone: too many at once.")
    if failed := [entry for entry in tables if _failed(entry)]:
        output.heading(f"{counted(len(failed), 'table')} of {len(tables):,} could not be pulled.")
    pull_plan.show_skipped(output, [entry for entry in every if entry.skipped])


def _headline(tables: Sequence[PullReport]) -> str:
    """What changed: "Nothing new" only where nothing did and every table could be read."""
    read, repaired = sum(entry.rows_read for entry in tables), sum(map(_repaired, tables))
    gone = sum(entry.missing + entry.deleted for entry in tables)
    left = any(entry.missing and entry.filtered for entry in tables)
    failed = sum(map(_failed, tables))
    found = [f"Pulled {counted(read, 'row')}"] if read else []
    found += [f"{counted(gone, 'row')} {'left' if left else 'deleted'}"] if gone else []
    found += [f"{counted(repaired, 'row')} repaired"] if repaired else []
    found += [f"{counted(failed, 'table')} failed"] if failed else []
    return ", ".join(found) or "Nothing new"


def _failed(entry: PullReport) -> bool:
    """Not so where the budget stopped it: the next pull goes on."""
    return entry.error is not None and not isinstance(entry.error, BudgetError)


def _repaired(entry: PullReport) -> int:
    """Rows that the proof made like Intacct's, without those that it found gone: they are `missing`."""
    return sum(found.repaired - found.gone for found in entry.findings)


def _table(output: Output, tables: Sequence[PullReport]) -> None:
    rows = [
        [
            entry.table,
            Styled("failed" if _failed(entry) else "stopped", "bad") if entry.error is not None else entry.strategy,
            f"{entry.rows_read:,}",
            f"{entry.new:,}",
            f"{entry.changed:,}",
            f"{entry.missing + entry.deleted:,}",
            f"{entry.transactions:,}",
            f"{entry.seconds:.1f} s",
        ]
        for entry in tables
    ]
    numbers = ("rows", "new", "changed", "deleted", "transactions", "time")
    output.table(["table", "read", *(Column(title, right=True) for title in numbers)], rows)
    for entry in tables:
        for note in notes(entry):
            output.prose(f"{entry.table}: {note}", indent=2)


def notes(entry: PullReport) -> list[str]:
    """What a reader of the table should know beside the numbers."""
    from tieout.pull.plan.strategy import NEW_FIELDS

    found = [str(entry.error)] if _failed(entry) else []
    found += entry.notes
    if entry.reason.startswith(NEW_FIELDS) and entry.added:  # a note lists them already
        in_part = entry.strategy == "incremental"
        found.append("rows that have something in them are read besides" if in_part else "read in full for them")
    elif entry.reason:
        found.append(entry.reason)
    if entry.resumed:
        found.append("continued where an interrupted pull had stopped")
    if entry.deleted:
        found.append(f"{counted(entry.deleted, 'line')} left documents that changed")
    if entry.missing:
        found.append(_gone(entry))
    if entry.misfits:
        found.append(f"{counted(entry.misfits, 'value')} fit no column; kept raw in _tieout_misfits")
    return found


def _gone(entry: PullReport) -> str:
    """Why rows went."""
    from tieout.pull.plan.strategy import OTHER_FILTER

    rows = counted(entry.missing, "row")
    if entry.filtered and entry.reason == OTHER_FILTER:
        return f"{rows} left the filter"
    if entry.filtered:
        return f"{rows} left the filter, or {'is' if entry.missing == 1 else 'are'} not in Intacct any more"
    return f"{rows} deleted: Intacct no longer shows {'it' if entry.missing == 1 else 'them'}"


def as_json(report: PullReport) -> dict[str, object]:
    """A report as JSON shows it, its line tables inside."""
    import msgspec

    facts = {name: getattr(report, name) for name in report.__struct_fields__}
    facts["tie_out"] = tie_out.as_json(report.tie_out)
    facts["findings"] = [tie_out.findings_as_json(found) for found in report.findings]
    facts["error"] = report.error.to_dict() if report.error is not None else None
    facts["children"] = [as_json(child) for child in report.children]
    return {
        name: msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
        for name, value in facts.items()
    }
