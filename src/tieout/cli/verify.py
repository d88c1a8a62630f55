"""`tieout verify`: proves that both sides agree, for what was pulled and what was pushed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli import kept, paper, tie_out
from tieout.cli.invocation import of
from tieout.cli.output import Output, counted
from tieout.errors import ConfigurationError, Exit, UnknownNameError

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.project.report import TieOutLine
    from tieout.pull.proof.inspecting import How, Verified


PeriodOption = Annotated[
    str | None,
    typer.Option(
        "--trial-balance", metavar="PERIOD", help="Compare the journal lines with Intacct's own: 'March 2026'."
    ),
]
BooksOption = Annotated[
    list[str] | None,
    typer.Option("--book", metavar="BOOK", help="The book of --trial-balance, else ACCRUAL. May be repeated."),
]
EntitiesOption = Annotated[
    list[str] | None,
    typer.Option("--entity", "--location", metavar="ID", help="Only this entity's --trial-balance. May be repeated."),
]


def verify(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAMES", help="bills, pull.bills, push.timesheets, a table or object, or audit files; none: all."
        ),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option("--connection", "-c", metavar="NAME", help="Which connection; needed only if several."),
    ] = None,
    destination: Annotated[
        str | None,
        typer.Option(
            "--destination", "-d", metavar="URL", help="Where it was pulled to, if not to where sections say."
        ),
    ] = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="Compare every key of what was pulled: one transaction for 4,000.")
    ] = False,
    by_month: Annotated[
        str | None,
        typer.Option("--by-month", metavar="FIELD", help="Compare also month by month of a date field: postingDate."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the copy like Intacct where it differs, row by row.")
    ] = False,
    trial: PeriodOption = None,
    book: BooksOption = None,
    entity: EntitiesOption = None,
    keep: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the result as one HTML file to keep.")
    ] = None,
) -> int:
    """Compare your side with Intacct's, now: counts and exact sums. Where what was pulled differs, the rows behind it
    are looked for. Exit code 1 where something does not tie or could not be compared."""
    from tieout.pull.proof.inspecting import How

    output = of(ctx).output
    if names and all(is_audit_file(word) for word in names):
        return max(_audit(output, Path(word)) for word in names)
    if trial is not None:
        if names:
            raise ConfigurationError(
                "--trial-balance compares the journal entries, whatever else is named.", advice="Leave out NAMES."
            )
        found = _trial_balance(of(ctx).project(), output, (trial, book, entity), connection, destination)
    elif book or entity:
        raise ConfigurationError("--book and --entity are of --trial-balance.", advice="Say of which period.")
    else:
        how = How(keys=keys, repair=repair, by_month=by_month)
        found = compare(of(ctx).project(), names or [], how, connection=connection, destination=destination)
    _show(output, found)
    if keep is not None:
        paper.keep(keep, kept.page(found))
        output.say(f"Wrote {keep}.")
    return Exit.DONE if verdict(found.lines) or not found.lines else Exit.RECORDS


def _show(output: Output, found: Verified) -> None:
    lines = found.lines
    if output.json:
        findings = [tie_out.findings_as_json(one) for one in found.findings]
        shown = {"ties": verdict(lines), "lines": tie_out.as_json(lines), "findings": findings, "notes": found.notes}
        output.result(shown)
    elif not lines:
        output.line("Nothing was compared: nothing was posted yet, and the sources have no rows.")
    else:
        # Of several trial balances only the accounts that differ have room.
        several = len({line.subject for line in lines if line.book}) > 1
        tie_out.show(output, lines, every=not several)
        tie_out.findings(output, found.findings)
        for note in found.notes:
            output.prose(note)
        output.line()
        tie_out.conclusion(output, lines)


def _trial_balance(
    project: Project,
    output: Output,
    asked: tuple[str, list[str] | None, list[str] | None],
    connection: str | None,
    destination: str | None,
) -> Verified:
    from tieout.pull.proof.trial_balance import BOOK, Ahead, Asked, verify_trial_balance

    def before(ahead: Ahead) -> None:
        books = ", ".join(dict.fromkeys(scope.book for scope in ahead.scopes))
        whose = ", ".join(dict.fromkeys(scope.whose for scope in ahead.scopes))
        output.say(
            f"Runs {counted(len(ahead.scopes), 'report')} of Intacct's ({books}: {whose}), "
            f"{counted(ahead.transactions, 'transaction')} in all where everything ties. Each takes Intacct a while."
        )

    period, books, entities = asked
    wanted = Asked(period=period, books=books or [BOOK], entities=entities or ())
    return verify_trial_balance(project, wanted, connection=connection, destination=destination, before=before)


def is_audit_file(word: str) -> bool:
    """A name of the project never ends so."""
    return word.lower().endswith(".jsonl")


def _audit(output: Output, path: Path) -> int:
    """Shows whether an audit file is as it was written and adds up. Asks nothing of Intacct."""
    from tieout.push import check_audit

    found = check_audit(path)
    head = found.head
    if output.json:
        facts = {} if head is None else {name: getattr(head, name) for name in head.__struct_fields__}
        lines = tie_out.as_json(found.lines)
        output.result({"ties": found.ties, "wrong": found.wrong, "head": facts, "lines": lines})
        return Exit.DONE if found.ties else Exit.RECORDS
    if head is not None:
        where = f"{head.company} ({head.environment})" + (f", entity {head.entity}" if head.entity else "")
        output.heading(f"{path.name}: push {head.push} of {head.source} to {where}")
        people = f", run by {head.applied_by}" if head.applied_by else ""
        people += f", planned by {head.planned_by}" if head.planned_by else ""
        ended = f" to {found.finished_at[:19]}" if found.finished_at else ""
        output.prose(f"{head.started_at[:19]}{ended} UTC{people}", indent=2)
    for what in found.wrong:
        output.prose(f"It cannot be trusted: {what}.", indent=2)
    if found.lines:
        tie_out.show(output, found.lines, every=True)
    if found.ties:
        output.line("Unedited since it was written; every source row is accounted for; sums agree.")
    return Exit.DONE if found.ties else Exit.RECORDS


def verdict(lines: Sequence[TieOutLine]) -> bool | None:
    """Whether everything was proven to tie; None where nothing differs and not all could be compared."""
    if any(line.ties is False for line in lines):
        return False
    return True if lines and all(line.ties is True for line in lines) else None


def compare(
    project: Project, words: list[str], how: How, *, connection: str | None = None, destination: str | None = None
) -> Verified:
    """Compares what the words name, pulls first; without words everything that was pulled or pushed.

    Raises StoreError where nothing was pulled and there is no push either."""
    from tieout.pull.proof.inspecting import Verified
    from tieout.pull.proof.verifying import verified
    from tieout.push import PushSettings
    from tieout.push import verify as verify_push
    from tieout.push.standing import abandoned_lines

    pulls, pushes = split(project, words, destination) if words else ([], list(project.names("push")))
    found = Verified()
    gone = [] if words else abandoned_lines(project, connection)
    if pulls or not words:
        required = not pushes and not gone
        found = verified(project, pulls, connection=connection, destination=destination, required=required, how=how)
    for name in pushes:
        # Where everything is verified, a push keeps the connection that its section names.
        own = None if words else project.section("push", name, PushSettings).connection
        found.lines += verify_push(project, name, connection=own or connection)
    found.lines += gone
    return found


def split(project: Project, words: list[str], destination: str | None) -> tuple[list[str], list[str]]:
    """Names of pulls and of pushes that the words mean. A bare word means both where both have it."""
    from tieout.pull.proof.verifying import Holdings

    known = project.names("push")
    pushes = [word.removeprefix("push.") for word in words if word.removeprefix("push.") in known]
    others = [word for word in words if not word.startswith("push.") or word.removeprefix("push.") not in known]
    pulls: list[str] = []
    holdings = Holdings(project, destination) if others else None
    for word in others:
        assert holdings is not None
        if not word.startswith("push.") and holdings.find(word.removeprefix("pull.")):
            pulls.append(word)
        elif word not in known:
            from tieout.catalogue import nearest

            every = [*holdings.names(), *known]
            kinds = [*(f"pull.{name}" for name in project.names("pull")), *(f"push.{name}" for name in known)]
            advice = f"There are {', '.join(every)}." if every else "Nothing was pulled or pushed yet."
            near = nearest(word, [*every, *kinds])
            raise UnknownNameError("section, table or object to verify named", word, nearest=near, advice=advice)
    return pulls, pushes
