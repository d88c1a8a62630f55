"""`tieout failed`: what was not posted, grouped by cause: the code, whose move it is, what to do, which rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import ConnectionOption, of
from tieout.cli.output import Output, counted
from tieout.errors import ConfigurationError, Exit, SourceError

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.push import FailedRecord, Standing
    from tieout.push.inbox.causes import Cause

SHOWN_ROWS = 12


def failed(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which [push.NAME]; without it, every push.")
    ] = None,
    connection: ConnectionOption = None,
    dismiss: Annotated[
        list[str] | None,
        typer.Option("--dismiss", metavar="ID", help="Take this record off the list, for good; repeat it for several."),
    ] = None,
    workbook: Annotated[
        Path | None,
        typer.Option("--workbook", metavar="FILE.xlsx", help="Write what became of NAME as a workbook."),
    ] = None,
    raw: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows of NAME that are not posted as CSV.")
    ] = None,
) -> int:
    """Show the records that were not posted, grouped by cause. Exit code 1 where there are any."""
    from tieout.cli.push import section
    from tieout.push import standings

    output = of(ctx).output
    project = of(ctx).project()
    chosen = name.removeprefix("push.") if name else None
    if workbook is not None or raw is not None:
        return _write(output, project, section(project, name), workbook, raw, connection)
    if dismiss:
        _dismiss(output, project, chosen, dismiss, connection)
    found = standings(project, chosen, connection=connection)
    gone = [each for each in found if each.push not in project.names("push")]
    present = [each for each in found if each not in gone]
    records = [record for each in present for record in each.records]
    if output.json:
        output.result([record for each in found for record in each.records])
    else:
        if records:
            show(output, records)
        for text in remarks(present) if present or not gone else ():
            output.prose(text)
        for each in gone:
            output.line()
            output.heading(f"push {each.push} (no longer in tieout.toml)")
            show(output, each.records)
            output.prose(f"Put [push.{each.push}] back into tieout.toml to retry or dismiss them.")
    return Exit.DONE if all(each.is_whole for each in found) else Exit.RECORDS


def _write(
    output: Output, project: Project, name: str, workbook: Path | None, raw: Path | None, connection: str | None
) -> int:
    """Write the files that were asked for. Exit code 1 where something is to be done, as without them."""
    from tieout import push
    from tieout.push.inbox.workbook import retry_command
    from tieout.push.settings import settings_of

    if workbook is not None and workbook.suffix.lower() != ".xlsx":
        raise SourceError(
            f"The workbook {str(workbook)!r} does not end in .xlsx.",
            advice="Excel opens it only if it does. --csv writes a CSV file.",
        )
    for path in (workbook, raw):
        if path is not None and path.is_file():
            raise SourceError(
                f"{str(path)!r} is there already, and somebody may have corrected it.", advice="Give another name."
            )

    written = [push.write_workbook(project, name, workbook, connection=connection)] if workbook is not None else []
    written += [push.write_csv(project, name, raw, connection=connection)] if raw is not None else []
    for file in written:
        sheets = ", ".join(
            f"{sheet} {counted(count, 'document')} ({counted(file.rows[sheet], 'row')})"
            for sheet, count in file.documents.items()
        )
        output.say(f"{file.path}: {sheets or 'nothing'}")
        for note in file.notes:
            output.say(note)
        if file.documents.get("Failed"):
            again = retry_command(name, str(file.path), settings_of(project, name, connection))
            output.say(f"Next: correct the source's cells, then `{again}`.")
        elif not file.is_whole:
            output.say(f"Next: `tieout failed {name}` says what can be done about the rest.")
    if output.json:
        output.result(
            [
                {
                    "path": str(f.path),
                    "documents": f.documents,
                    "rows": f.rows,
                    "notes": f.notes,
                    "is_whole": f.is_whole,
                }
                for f in written
            ]
        )
    return Exit.DONE if all(file.is_whole for file in written) else Exit.RECORDS


def _dismiss(output: Output, project: Project, name: str | None, ids: Sequence[str], connection: str | None) -> None:
    from tieout.push import dismiss
    from tieout.push.grouping import spoken

    if name is None:
        raise ConfigurationError("Which push are they of?", advice="Name it: `tieout failed NAME --dismiss ID`.")
    gone = dismiss(project, name, listed_ids(project, name, ids, connection), connection=connection)
    output.say(f"{counted(len(gone), 'record')} dismissed: {shortened(map(spoken, gone))}")


def listed_ids(project: Project, name: str, ids: Sequence[str], connection: str | None) -> list[str]:
    """The ids of records that a person copied from the list, where they stand without brackets."""
    from tieout.push import standings
    from tieout.push.grouping import spoken

    if not ids:
        return []
    found = standings(project, name, connection=connection)
    listed = {spoken(record.source_id): record.source_id for each in found for record in each.records}
    return [listed.get(word, word) for word in ids]


def remarks(found: Sequence[Standing]) -> list[str]:
    """What the list of records does not say: pushes never run, interrupted or stopped, and whether all is posted."""
    words: list[str] = []
    for each in found:
        again = f"`tieout push {each.push}`"
        if not each.begun_at:
            words.append(f"{each.push}: nothing was pushed yet.")
        elif not each.finished:
            words.append(
                f"{each.push}: the push begun at {each.begun_at[:16].replace('T', ' ')} UTC did not finish, "
                f"unless it is still at work, so there may be records that are not listed here. {again} goes on."
            )
        elif each.left:
            words.append(
                f"{each.push}: {counted(each.left, 'record')} {'was' if each.left == 1 else 'were'} ready and not "
                f"sent. {again} goes on."
            )
    if not found:
        return ["There is no push in this project."]
    if not words and all(each.is_whole for each in found):
        gone = sum(each.dismissed for each in found)
        but = (
            f" {counted(gone, 'record')} of earlier pushes {'was' if gone == 1 else 'were'} dismissed." if gone else ""
        )
        words.append(f"Nothing failed: every record of the last push is posted.{but}")
    return words


def show(output: Output, records: Sequence[FailedRecord]) -> None:
    """One paragraph a cause, the commonest first."""
    from tieout.push.grouping import spoken
    from tieout.push.inbox.causes import causes

    found = causes(records)
    kind = _kind({record.state for record in records})
    rows = sum(len(record.rows) for record in records)
    documents = f"{counted(len(records), 'document')} ({counted(rows, 'row')})"
    output.heading(f"{documents} {kind}, {counted(len(found), 'cause')}")
    for cause in found:
        output.line()
        place = f"{cause.field}: " if cause.field and cause.field not in cause.reason else ""
        output.heading(f"{cause.code + ': ' if cause.code else ''}{place}{cause.reason}")
        states = " or ".join(cause.states)
        many = f"{counted(len(cause.records), 'document')} ({counted(cause.row_count, 'row')})"
        output.prose(f"{many} {states}; the move is {cause.whose_move}", indent=2)
        if cause.advice:
            output.prose(cause.advice, indent=2)
        output.prose(f"documents: {shortened(spoken(record.source_id) for record in cause.records)}", indent=2)
        output.prose(f"source rows: {shortened(cause.rows)}{_others(cause)}", indent=2)
        if support := next((record.support_id for record in cause.records if record.support_id), ""):
            output.line(f"  support id {support}")


def _kind(states: set[str]) -> str:
    """What is to be said of all that are listed. A record whose submit was refused is posted, and may be a draft."""
    stepped = {state for state in states if ", " in state}
    words = ["not posted"] if states - stepped - {"changed"} else []
    words += ["changed since"] if "changed" in states else []
    words += ["with a step not carried out"] if stepped else []
    return ", or ".join(words)


def _others(cause: Cause) -> str:
    """Rows that nothing is wrong with and that wait for those of their documents that are."""
    held = cause.row_count - len(cause.rows)
    return f", which {'hold' if len(cause.rows) > 1 else 'holds'} {counted(held, 'other row')}" if held > 0 else ""


def shortened(items: Iterable[object], most: int = SHOWN_ROWS) -> str:
    """`2, 3, 5 and 40 more`."""
    words = [str(item) for item in items]
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
