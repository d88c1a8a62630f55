"""`tieout changes`: what was added, changed or deleted in closed periods since somebody signed them off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli import paper
from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, Styled, counted, plain
from tieout.cli.paper import Cell, Paper, Table
from tieout.errors import ConfigurationError, Exit

if TYPE_CHECKING:
    from tieout.pull.destinations.base import Difference
    from tieout.pull.proof.closing import Closed

SHOWN = 20
"""Rows of a table that a terminal shows."""
MOST_ROWS = 1000
"""Rows of a table that a page lists."""
LOOKS = {"added": "good", "changed": "", "deleted": "bad"}


def changes(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAMES", help="Sections, tables or objects; none: everything pulled.")
    ] = None,
    through: Annotated[
        str | None, typer.Option("--closed-through", metavar="DATE", help="The last closed day: 2026-03-31.")
    ] = None,
    sign_off: Annotated[
        bool, typer.Option("--sign-off", help="Keep the rows as they are now, to hold later ones against.")
    ] = False,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who signs, with --sign-off.")] = None,
    dated: Annotated[
        str | None, typer.Option("--date", metavar="FIELD", help="The date that counts, else postingDate and its like.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="FIELD", help="A field that may change. May be repeated.")
    ] = None,
    destination: Annotated[
        str | None,
        typer.Option(
            "--destination", "-d", metavar="URL", help="Where it was pulled to, if not to where sections say."
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the result as one HTML file to keep.")
    ] = None,
) -> int:
    """Show what was added, changed or deleted in closed periods since the last sign-off. Looks at the copy only: pull
    first. Exit code 1 where something changed, or was never signed."""
    from tieout.pull.proof.closing import closed_changes

    output = of(ctx).output
    last = _day(through)
    if sign_off and not (by or "").strip():
        raise ConfigurationError("A sign-off needs a name.", advice="Add --by NAME.")
    found = closed_changes(
        of(ctx).project(),
        names or [],
        last,
        destination=destination,
        dated=dated,
        ignore=ignore or (),
        signer=by if sign_off else None,
    )
    if output.json:
        output.result({"closed_through": last, "changed": _changed(found), "tables": [_as_json(one) for one in found]})
    else:
        _show(output, found, last)
    if keep is not None:
        paper.keep(keep, page(found, last))
        output.say(f"Wrote {keep}.")
    return Exit.RECORDS if _changed(found) is not False else Exit.DONE


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise ConfigurationError(
            f"--closed-through takes a day, not {text!r}." if text else "Which day is the last closed one?",
            advice="Write --closed-through 2026-03-31.",
        ) from None


def _changed(found: Sequence[Closed]) -> bool | None:
    """Whether anything changed; None where nothing did and not all was signed before."""
    if any(one.total for one in found):
        return True
    dated = [one for one in found if one.by]
    compared = all((one.before is not None and one.comparable) or one.signed is not None for one in dated)
    return False if dated and compared else None


def _sentence(found: Sequence[Closed], last: date) -> str:
    total, tables = sum(one.total for one in found), sum(one.total > 0 for one in found)
    signed = f"Signed off through {last}" if any(one.signed for one in found) else ""
    if signed and not any(one.before for one in found):
        return f"{signed}."
    if signed and total:
        return f"{signed}: {counted(total, 'row')} of {counted(tables, 'table')} had changed since the sign-off before."
    if signed and _changed(found) is False:
        return f"{signed}: nothing had changed since the sign-off before."
    if total:
        return f"{counted(total, 'row')} of {counted(tables, 'table')} changed in periods closed through {last}."
    if _changed(found) is None:
        return "Not everything was signed off before or can be compared, so nothing is proven of it."
    return f"Nothing changed in periods closed through {last}."


def _show(output: Output, found: Sequence[Closed], last: date) -> None:
    output.heading(_sentence(found, last))
    head: list[Column | str] = ["table", "dated by", *(Column(word, right=True) for word in LOOKS), "signed off before"]
    rows = [
        [one.table, one.by, *(f"{getattr(one, word):,}" for word in LOOKS), _signature(one)] for one in found if one.by
    ]
    if rows:
        output.line()
        output.table(head, rows)
    for one in found:
        if one.note:
            output.item(f"{one.table}: {one.note}")
    for one in found:
        if one.differences:
            output.line()
            output.heading(one.subject)
            _rows(output, one)
    for one in found:
        if one.signed is not None:
            output.item(f"{one.table}: {counted(one.signed.rows, 'row')} signed, SHA-256 {one.signed.digest[:16]}")


def _rows(output: Output, one: Closed) -> None:
    rows = []
    for difference in one.differences[:SHOWN]:
        for at, (field, before, now) in enumerate(_fields(difference)):
            word = Styled(difference.what, LOOKS[difference.what]) if LOOKS[difference.what] else difference.what
            rows.append(
                [*((difference.key, difference.date or "", word) if not at else ("", "", "")), field, before, now]
            )
    output.table(
        ["key", "date", "row", Column("field", wrap=True), Column("signed", wrap=True), Column("now", wrap=True)], rows
    )
    if one.total > SHOWN:
        output.line(f"  {counted(one.total - SHOWN, 'more row')}: --html and --json have them.")


def _fields(difference: Difference) -> list[tuple[str, str, str]]:
    """What to show of a row: each field that changed; of others one line."""
    if difference.what == "changed":
        return [(path, _value(difference.before[path]), _value(difference.now[path])) for path in difference.now]
    values = difference.before if difference.what == "deleted" else difference.now
    known = ", ".join(f"{path} {_value(values[path])}" for path in values if path in TELLING)
    return [("", known, "")] if difference.what == "deleted" else [("", "", known)]


TELLING = ("id", "documentNumber", "description", "txnAmount", "amount", "totalTxnAmount", "glAccount.id", "txnType")
"""Fields by which a person recognises a row."""


def _value(value: object) -> str:
    return "nothing" if value is None else str(value)


def _signature(one: Closed) -> str:
    sign = one.before
    return f"through {sign.through} by {sign.by}, {sign.at[:10]}" if sign is not None else "never"


def _as_json(one: Closed) -> Any:
    return {**plain(one), "total": one.total}


def page(found: Sequence[Closed], last: date) -> Paper:
    """The page to keep."""
    changed = _changed(found)
    summary = Table(
        title="Tables",
        columns=("Table", "Dated by", "Added", "Changed", "Deleted", "Signed off before", "Signed now", "Note"),
        rows=[
            [
                Cell(one.table),
                Cell(one.by),
                *(Cell(getattr(one, word), "bad" if getattr(one, word) else "faint") for word in LOOKS),
                Cell(_signature(one) if one.by else ""),
                Cell(f"{one.signed.rows:,} rows by {one.signed.by}" if one.signed else ""),
                Cell(one.note, "faint"),
            ]
            for one in found
        ],
    )
    digests = Table(
        title="Digests",
        columns=("Table", "Signed through", "Rows", "SHA-256 of the rows"),
        rows=[
            [Cell(one.table), Cell(str(sign.through)), Cell(sign.rows), Cell(sign.digest, "key")]
            for one in found
            if (sign := one.signed or one.before) is not None
        ],
    )
    return Paper(
        title=f"Changes in periods closed through {last}",
        verdict={True: "bad", False: "good", None: "open"}[changed],  # type: ignore[arg-type]  # three words
        sentence=_sentence(found, last),
        facts=[
            ("Company", ", ".join(dict.fromkeys(one.company for one in found))),
            ("Copy", ", ".join(dict.fromkeys(one.place for one in found))),
            *paper.made_by(),
        ],
        tables=[summary, *(_difference_table(one) for one in found if one.differences), digests],
    )


def _difference_table(one: Closed) -> Table:
    rows = [
        [
            Cell(difference.key if not at else "", "key"),
            Cell(difference.date if not at else ""),
            Cell(difference.what if not at else "", "bad" if difference.what == "deleted" else ""),
            Cell(field),
            Cell(before, "faint"),
            Cell(now),
        ]
        for difference in one.differences[:MOST_ROWS]
        for at, (field, before, now) in enumerate(_fields(difference))
    ]
    more = one.total - MOST_ROWS
    words = [f"{more:,} more rows are not listed here; --json has them"] if more > 0 else []
    return Table(title=one.subject, columns=("Key", "Date", "Row", "Field", "As signed", "Now"), rows=rows, words=words)
