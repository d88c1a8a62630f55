"""`tieout push`: posts a source file's records and shows what became of each, and whether it ties out."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from tieout.cli import push_ahead, push_init, tie_out
from tieout.cli.failed import shortened
from tieout.cli.invocation import BudgetOption, ConcurrencyOption, ConnectionOption, budget_of, of, system_user
from tieout.cli.output import Column, Output, Styled, counted
from tieout.cli.push_several import push_several
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.cli.invocation import Invocation
    from tieout.errors import Problem
    from tieout.project import Project
    from tieout.push import PushReport

OUTCOMES = (
    ("posted", "posted", "good"),
    ("skipped", "posted before, skipped", ""),
    ("corrected", "hold what was corrected in the workbook; the source still says the old", ""),
    ("failed", "failed: Intacct refused them", "bad"),
    ("unprocessed", "unprocessed: Intacct did not try them", "bad"),
    ("held", "held: a row is wrong, so nothing of the record was sent", "bad"),
    ("unknown", "unknown: sent, no answer; the next push settles them", "bad"),
    ("changed", "changed since they were posted; Intacct keeps what it has", "bad"),
    ("gone", "gone: posted before, and people deleted them in Intacct", "bad"),
    ("dismissed", "dismissed: people deleted them in Intacct, and they are left alone", ""),
    ("pending", "ready, not sent", ""),
)
"""Attribute of the report, what it means, how it looks. In this order."""

DONE = {
    "delete": {"posted": "deleted", "skipped": "deleted before, skipped", "pending": "ready to be deleted, not sent"},
    "update": {"posted": "updated", "skipped": "updated before, skipped", "pending": "ready to be updated, not sent"},
    "upsert": {"posted": "created or updated", "skipped": "the same as before, skipped"},
}
"""What some outcomes are called where the operation is none that posts."""

STEP_WORDS = {"posted": "done", "failed": "refused", "pending": "not done", "unprocessed": "not done", "held": "held"}

SHOWN_PROBLEMS = 10

PlanOption: TypeAlias = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="Check everything, freeze it in FILE, send nothing.")
]
AuditOption: TypeAlias = Annotated[
    Path | None, typer.Option("--audit", metavar="FILE", help="Write the audit file of this run to FILE, a new one.")
]
RecordsOption: TypeAlias = Annotated[
    bool,
    typer.Option("--records", help="With --dry-run: list every record and what becomes of it."),
]
NamesArgument: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAMES", help="Which [push.NAME]; several go in the order in which they need each other."),
]
DryRunOption: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and say what would be sent; send nothing.")
]
ApplyOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--apply",
        metavar="FILE",
        help="Send exactly what the plan in FILE holds; with --dry-run, show it and send nothing.",
    ),
]
ByOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who runs this, for plan and audit file."),
]


def push(
    ctx: typer.Context,
    names: NamesArgument = None,
    connection: ConnectionOption = None,
    dry_run: DryRunOption = False,
    plan: PlanOption = None,
    apply: ApplyOption = None,
    records: RecordsOption = False,
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Read FILE in place of the section's source.")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help="A mapping for files of a known kind.")
    ] = None,
    init: Annotated[
        str | None,
        typer.Option("--init", metavar="OBJECT", help="Print a section for OBJECT to begin with; send nothing."),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="With --init: append it to tieout.toml.")] = False,
    audit: AuditOption = None,
    by: ByOption = None,
    max_transactions: BudgetOption = None,
    concurrency: ConcurrencyOption = None,
) -> int:
    """Post records of a file to Intacct. What was posted before is never posted again, whatever was interrupted.

    Exit code 1 where a record failed, is held or its fate is unknown."""
    from tieout import push as room

    if init is not None:
        return push_init.init(
            of(ctx),
            init,
            names[0] if names else None,
            from_file=from_file,
            template=template,
            connection=connection,
            write=write,
        )
    if write:
        raise ConfigurationError("--write goes with --init.", advice="Say which object: --init bills --write.")
    refuse_contradictions(dry_run=dry_run, plan=plan, records=records, apply=apply)
    options: dict[str, Any] = {
        "connection": connection,
        "dry_run": dry_run,
        "list_records": records,
        "by": by or system_user(),
        "budget": budget_of(max_transactions),
        "concurrency": concurrency,
    }
    if len(names or ()) > 1:
        alone = {"--from": from_file, "--template": template, "--plan": plan, "--apply": apply, "--audit": audit}
        show = partial(conclude, of(ctx).output, dry_run=dry_run)
        return push_several(of(ctx), names or (), alone=alone, show=show, as_json=as_json, **options)
    run = partial(room.apply, plan=apply) if apply is not None else partial(room.push, plan=plan)
    chosen = section(of(ctx).project(), names[0] if names else None)
    options |= {"from_file": from_file, "template": template, "audit": audit}
    return pushed(of(ctx), chosen, run, sends_nothing=dry_run or plan is not None, **options)


def pushed(
    call: Invocation,
    name: str,
    run: Callable[..., PushReport],
    *,
    sends_nothing: bool,
    command: str = "push",
    **options: Any,
) -> int:
    """Run a push, its plan or its retry with progress and say what came of it -> the exit code."""
    with call.output.progress() as progress, call.doubts_as_messages():

        def tell(done: int, total: int) -> None:
            progress.advance(name, done, total, "records")

        report = run(call.project(), name, **options, progress=tell)
    return conclude(call.output, report, dry_run=sends_nothing, command=command, from_file=options["from_file"])


def refuse_contradictions(*, dry_run: bool, plan: Path | None, records: bool, apply: Path | None = None) -> None:
    """Raise ConfigurationError for options that do not go together."""
    if plan is not None and (dry_run or apply is not None):
        other = "--dry-run" if dry_run else "--apply"
        raise ConfigurationError(
            f"--plan and {other} exclude each other.",
            advice="--plan sends nothing as it is." if dry_run else "Make the plan, then apply it.",
        )
    if records and not dry_run and plan is None:
        raise ConfigurationError("--records goes with --dry-run or --plan.", advice="Add --dry-run.")


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
    raise ConfigurationError(
        "There are several pushes.",
        advice=f"Name one or more: {', '.join(known)}. Several go in the order in which they need each other.",
    )


def conclude(
    output: Output, report: PushReport, *, dry_run: bool, command: str = "push", from_file: Path | None = None
) -> int:
    """Prints the report, with --json as one document; returns the exit code."""
    if output.json:
        output.result(as_json(report))
        return report.exit_code
    other = report.operation if report.operation != "create" else ""
    if dry_run:
        output.heading(push_ahead.heading(report))
        push_ahead.plan(output, report)
        counts = {name: getattr(report, name) for name, _, _ in OUTCOMES if name != "pending"}
        output.item(push_ahead.summary(report, counts))
    else:
        output.heading(
            f"{report.name}: {counted(report.rows, 'row')}, {counted(report.documents, 'record')} of {report.object}"
            f"{f', {other}' if other else ''}"
        )
        push_ahead.plan(output, report)
    rows = [
        [Styled(f"{count:,}", look) if look else f"{count:,}", _became(report, attribute, text, count)]
        for attribute, text, look in OUTCOMES
        if (count := getattr(report, attribute)) and not (attribute == "pending" and dry_run and count == report.ready)
    ]
    if rows:
        output.table([Column("", right=True), ""], rows, indent=2)
    entities(output, report)
    push_ahead.sums(output, report)
    follow_ups(output, report)
    problems(output, report.problems)
    for note in [*derived(report, dry_run=dry_run), *report.notes]:
        output.item(note)
    corrections(output, report)
    if report.unused_columns:
        output.item(f"columns not sent: {', '.join(report.unused_columns)}")
    push_ahead.records(output, report)
    if report.tie_out:
        output.line()
        tie_out.show(output, report.tie_out, every=True)
        output.line()
        tie_out.conclusion(output, report.tie_out)
    if report.audit_file:
        output.line(f"audit file: {report.audit_file}")
    if advice := next_step(report, command, from_file):
        output.say(f"Next: {advice}")
    return report.exit_code


def _became(report: PushReport, outcome: str, text: str, count: int) -> str:
    """What became of so many records, told apart by what was to be done with them."""
    words = DONE.get(report.operation, {}).get(outcome, text)
    parts = [push_ahead.told_apart(report, outcome, count)] if not report.dry_run else []
    earlier = report.posted - sum(counts.get("posted", 0) for counts in report.by_action.values())
    if outcome == "posted" and report.replayed and earlier > 0:
        parts.append(f"{earlier:,} sent by an earlier run")
    if outcome != "posted" and parts and parts[0] in ("new", "all new"):
        parts = []
    of_which = ", ".join(part for part in parts if part)
    return f"{words} ({of_which})" if of_which else words


def entities(output: Output, report: PushReport) -> None:
    """Records by entity and outcome, where there are several entities."""
    if len(report.by_entity) < 2:
        return
    shown = [name for name, _, _ in OUTCOMES if any(counts.get(name) for counts in report.by_entity.values())]
    rows = [
        [entity or push_ahead.NONE, *(f"{counts[name]:,}" for name in shown)]
        for entity, counts in report.by_entity.items()
    ]
    output.table([Column("entity"), *(Column(name, right=True) for name in shown)], rows, indent=2)


def follow_ups(output: Output, report: PushReport) -> None:
    """What became of the steps, and Intacct's own words for the states of the records it holds."""
    for step, counts in report.steps.items():
        done = [f"{n:,} {STEP_WORDS.get(state, state)}" for state, n in counts.items()]
        output.item(f"{step}: {', '.join(done)}")
    if report.by_sage_state:
        states = [f"{n:,} {state or 'without a state'}" for state, n in report.by_sage_state.items()]
        output.item(f"Intacct's own state of the records it holds: {', '.join(states)}")


def derived(report: PushReport, *, dry_run: bool) -> list[str]:
    """What a reader must know where the source has no ids of its own."""
    words = []
    if report.derived_from and dry_run:
        made = ", ".join(report.derived_from)
        is_first = not (report.skipped or report.changed or report.gone or report.dismissed)
        words.append(
            f"Ids are made of {made}: a row in which one of these is edited is a new one to tieout, and the old one "
            "stays in Intacct."
            if is_first  # of which nothing is posted yet: the time to choose other columns
            else f"ids are made of {made}"
        )
    if report.told_apart:
        these = f"{report.told_apart:,} rows repeat" if report.told_apart != 1 else "1 row repeats"
        words.append(
            f"{these} another one in every column and got a number of its own: where one of them is taken "
            "out of the source, the last number is the one that is missing."
        )
    return words


def corrections(output: Output, report: PushReport) -> None:
    """Cells that people changed in the corrected file that was read."""
    found = report.corrections
    for each in found[:SHOWN_PROBLEMS]:
        change = "changed" if each.before is None else f"{each.before!r} -> {each.after!r}"
        output.item(f"row {each.row}, {each.column}: {change} by {each.by or 'nobody named'}")
    if len(found) > SHOWN_PROBLEMS:
        output.line(f"  and {counted(len(found) - SHOWN_PROBLEMS, 'more changed cell')}; --json lists them all")


def next_step(report: PushReport, command: str = "push", from_file: Path | None = None) -> str:
    """What to do about the records that are not posted; empty where there is nothing to do."""
    if report.dry_run and report.plan is not None:
        return push_ahead.next_step(report)
    undone = any(set(counts) - {"posted"} for counts in report.steps.values())
    if (report.gone or undone) and not (report.failed or report.unprocessed or report.held):
        return f"`tieout failed {report.name}` shows which, and what can be done."
    if not (report.failed or report.unprocessed or report.held):
        return ""
    if report.dry_run:  # it leaves nothing behind that `tieout failed` could show
        source = f" --from {shlex.quote(str(from_file))}" if from_file is not None else ""
        return f"correct the file, then `tieout {command} {report.name}{source}`."
    return f"`tieout failed {report.name}` shows why; correct the file, then `tieout retry {report.name}`."


def problems(output: Output, found: Sequence[Problem]) -> None:
    """Rows that were stopped before anything was sent, by cause: what is wrong, the commonest first, and in which rows.
    Of each cause something is shown; --json has every problem."""
    from tieout.push.inbox.causes import grouped, without_values

    causes = grouped(found)
    room = max(SHOWN_PROBLEMS - len(causes), 0)
    left = 0
    for position, cause in enumerate(causes):
        texts: dict[str, list[Problem]] = {}
        for problem in cause:
            texts.setdefault(_without_row(problem), []).append(problem)
        ordered = sorted(texts.items(), key=lambda text: len(text[1]), reverse=True)
        shown = ordered[: 1 + room] if position < SHOWN_PROBLEMS else []
        room -= max(len(shown) - 1, 0)
        if len(ordered) > 1 and shown:
            rows = len({problem.row for problem in cause})
            output.item(f"{without_values(_without_row(cause[0]))}: {counted(rows, 'row')}")
        for text, same in shown:
            where = shortened(sorted({problem.row for problem in same}))
            words = str(same[0]) if len(same) == 1 else f"rows {where}: {text}"
            output.item(words, indent=4 if len(ordered) > 1 else 2)
        left += sum(len(same) for _, same in ordered[len(shown) :])
    if left:
        output.line(f"  and {counted(left, 'more problem', 'more problems')}; --json lists them all")


def _without_row(problem: Problem) -> str:
    return str(problem).removeprefix(f"row {problem.row}").lstrip(",: ")


def as_json(report: PushReport) -> dict[str, Any]:
    """A report as JSON shows it."""
    import msgspec

    facts = {name: getattr(report, name) for name in report.__struct_fields__}
    facts["problems"] = [msgspec.to_builtins(problem) for problem in report.problems]
    facts["corrections"] = [msgspec.to_builtins(correction) for correction in report.corrections]
    facts["tie_out"] = tie_out.as_json(report.tie_out)
    return facts | {"exit_code": report.exit_code}
