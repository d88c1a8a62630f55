"""`tieout failed`: what was not posted, grouped by cause: the code, whose move it is, what to do, which rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Output, counted
from tieout.errors import Exit

if TYPE_CHECKING:
    from tieout.push import FailedRecord

SHOWN_ROWS = 12


def failed(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which [push.NAME]; without it, every push.")
    ] = None,
) -> int:
    """Show the records that were not posted, grouped by cause. Exit code 1 where there are any."""
    from tieout.push import failed as find

    output = of(ctx).output
    records = find(of(ctx).project(), name.removeprefix("push.") if name else None)
    if output.json:
        output.result(records)
    elif records:
        show(output, records)
    else:
        output.line("Nothing failed: every record is posted.")
    return Exit.RECORDS if records else Exit.DONE


def show(output: Output, records: Sequence[FailedRecord]) -> None:
    """One paragraph a cause, the commonest first."""
    causes: dict[tuple[str, str, str], list[FailedRecord]] = {}
    for record in records:
        causes.setdefault((record.state, record.error_id, record.reason), []).append(record)
    ordered = sorted(causes.values(), key=len, reverse=True)
    output.heading(f"{counted(len(records), 'record')} not posted, {counted(len(ordered), 'cause')}")
    for same in ordered:
        cause = same[0]
        output.line()
        code = f"{cause.error_id}: " if cause.error_id else ""
        output.heading(f"{code}{cause.reason}")
        output.line(f"  {counted(len(same), 'record')} {cause.state}; the move is {cause.whose_move}")
        if cause.advice:
            output.line(f"  {cause.advice}")
        rows = sorted({row for record in same for row in record.rows})
        output.line(f"  records: {shortened(spoken(record.source_id) for record in same)}")
        output.line(f"  source rows: {shortened(rows)}")
        if cause.support_id:
            output.line(f"  support id {cause.support_id}")


def spoken(source_id: str) -> str:
    """An id of several columns without its brackets: `["EMP-007", "11/16/2026"]` is `EMP-007 11/16/2026`."""
    try:
        parts = json.loads(source_id) if source_id.startswith("[") else source_id
    except ValueError:
        return source_id
    return " ".join(map(str, parts)) if isinstance(parts, list) else source_id


def shortened(items: Iterable[object], most: int = SHOWN_ROWS) -> str:
    """`2, 3, 5 and 40 more`."""
    words = [str(item) for item in items]
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
