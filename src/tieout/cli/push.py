"""`tieout push`: posts a source file's records and shows what became of each, and whether it ties out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli import tie_out
from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, Styled, counted
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.errors import Problem
    from tieout.project import Project
    from tieout.push import PushReport

OUTCOMES = (
    ("posted", "posted", "good"),
    ("skipped", "posted before, skipped", ""),
    ("failed", "failed: Intacct refused them", "bad"),
    ("unprocessed", "unprocessed: Intacct did not try them", "bad"),
    ("held", "held: a row is wrong, so nothing of the record was sent", "bad"),
    ("unknown", "unknown: sent, no answer; the next push settles them", "bad"),
    ("changed", "changed since they were posted; Intacct keeps what it has", "bad"),
    ("pending", "ready, not sent", ""),
)
"""Attribute of the report, what it means, how it looks. In this order."""

SHOWN_PROBLEMS = 10


def push(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which [push.NAME]; needed only when there are several.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and say what would be sent; send nothing.")
    ] = False,
) -> int:
    """Post records of a file to Intacct. What was posted before is never posted again, whatever was interrupted.

    Exit code 1 where a record failed, is held or its fate is unknown.
    """
    from tieout.push import push as run

    output = of(ctx).output
    project = of(ctx).project()
    chosen = section(project, name)
    with output.progress() as progress:
        report = run(
            project,
            chosen,
            dry_run=dry_run,
            progress=lambda done, total: progress.advance(chosen, done, total, "records"),
        )
    return conclude(output, report, dry_run=dry_run)


def section(project: Project, name: str | None) -> str:
    """The push that is meant: the one named, or the only one. ConfigurationError naming them where it is not clear."""
    known = project.names("push")
    if name is not None:
        return name.removeprefix("push.")
    if len(known) == 1:
        return known[0]
    if not known:
        raise ConfigurationError(
            "There is nothing to push: the project has no [push.NAME] section.",
            advice="`tieout init` writes a tieout.toml with a commented example.",
        )
    raise ConfigurationError("There are several pushes.", advice=f"Name one: {', '.join(known)}.")


def conclude(output: Output, report: PushReport, *, dry_run: bool) -> int:
    """Prints the report, with --json as one document; returns the exit code."""
    if output.json:
        output.result(as_json(report))
        return report.exit_code
    if dry_run:
        output.heading(f"{report.name}: dry run, nothing was sent")
    else:
        output.heading(
            f"{report.name}: {counted(report.rows, 'row')}, {counted(report.documents, 'record')} of {report.object}"
        )
    rows = [
        [Styled(f"{count:,}", look) if look else f"{count:,}", text]
        for attribute, text, look in OUTCOMES
        if (count := getattr(report, attribute))
    ]
    if rows:
        output.table([Column("", right=True), ""], rows, indent=2)
    problems(output, report.problems)
    if report.tie_out:
        output.line()
        tie_out.show(output, report.tie_out, every=True)
        output.line()
        tie_out.conclusion(output, report.tie_out)
    if report.failed or report.unprocessed or report.held:
        output.say(
            f"Next: `tieout failed {report.name}` shows why; correct the file, then `tieout retry {report.name}`."
        )
    return report.exit_code


def problems(output: Output, found: Sequence[Problem]) -> None:
    """Rows that were stopped before anything was sent, the first few of them."""
    for problem in found[:SHOWN_PROBLEMS]:
        output.line(f"  {problem}")
    if len(found) > SHOWN_PROBLEMS:
        output.line(f"  and {len(found) - SHOWN_PROBLEMS:,} more")


def as_json(report: PushReport) -> dict[str, Any]:
    """A report as JSON shows it."""
    import msgspec

    facts = {name: getattr(report, name) for name in report.__struct_fields__}
    facts["problems"] = [msgspec.to_builtins(problem) for problem in report.problems]
    facts["tie_out"] = tie_out.as_json(report.tie_out)
    return facts | {"exit_code": report.exit_code}
