"""The tie-out table: your side, Intacct's side, the difference. Shared by pull, push and verify."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout.cli.output import Column, Output, Styled, counted, money

if TYPE_CHECKING:
    from tieout.project.report import TieOutLine
    from tieout.pull.findings import Findings

SHOWN = 5
"""Names in one sentence; --json has all."""
OFTEN = 2
"""Lines with the same note beyond which it stands once, below the table."""
NOTE = "note"
"""The column that a narrow terminal has no room for."""


def show(output: Output, lines: Sequence[TieOutLine], *, every: bool) -> None:
    """Prints the lines as one table. Without `every`, sums that tie are counted instead of listed. What explains a
    verdict stands beside it where there is room, else below the table."""
    if not lines:
        return
    import msgspec

    rows: list[list[Any]] = []
    notes: list[tuple[str, str, str]] = []
    empty: list[str] = []
    often = [note for note, times in Counter(line.note for line in lines).items() if note and times > OFTEN]
    lines = [msgspec.structs.replace(line, note="") if line.note in often else line for line in lines]
    subjects = tuple(dict.fromkeys(line.subject for line in lines))
    for subject, name in zip(subjects, _names(subjects), strict=True):
        mine = [line for line in lines if line.subject == subject]
        if all(_is_nothing(line) for line in mine):
            empty.append(name)
            continue
        listed, folded = _fold(mine, every=every)
        for number, (line, what) in enumerate(zip(listed, _short([line.what for line in listed], "."), strict=True)):
            rows.append([name if number == 0 else "", what, *_cells(output, line), line.note])
            if line.note:
                notes.append((name, what, line.note))
        if folded:
            what = counted(len(folded), "more sum" if listed else "sum")
            rows.append(["" if listed else name, Styled(what, "faint"), "", "", "", output.ok(True), ""])
    head = [
        Column("tie-out", wrap=True),  # on a narrow terminal words give way, never numbers nor verdicts
        Column("", wrap=True),
        Column("your side", right=True),
        Column("Intacct", right=True),
        Column("difference", right=True),
        Column("verdict"),
        Column(NOTE),
    ]
    if rows:
        kept, narrow = output.narrowed(head, rows, [NOTE])
        has_room = len(kept) == len(head)
        table = [_noted(row) for row in rows] if has_room else narrow
        output.table([*head[:-2], Column("")], table)
        for name, what, note in () if has_room else notes:
            output.item(f"{what if len(subjects) == 1 else f'{name} {what}'}: {note}")
    for note in often:
        output.item(note)
    if empty:
        few = len(empty) <= SHOWN
        output.prose(
            f"No rows on either side: {', '.join(empty)}."
            if few
            else f"{len(empty):,} tables have no rows on either side."
        )


def findings(output: Output, found: Sequence[Findings]) -> None:
    """What a closer look found, in sentences, below the table."""
    for one in found:
        for sentence in one.sentences():
            output.item(f"{_table_of(one.subject)}: {sentence}")


def findings_as_json(found: Findings) -> dict[str, Any]:
    """What a closer look found: each row with its key, what is wrong with it and the fields that differ."""
    import msgspec

    return {**msgspec.to_builtins(found), "sentences": found.sentences()}


def conclusion(output: Output, lines: Sequence[TieOutLine]) -> None:
    """One sentence: what was proven, what was not."""
    differ = sum(line.ties is False for line in lines)
    unproven = sum(line.ties is None for line in lines)
    tie = len(lines) - differ - unproven
    if not lines:
        return
    if differ:
        text = f"{counted(differ, 'comparison')} of {len(lines):,} {'does' if differ == 1 else 'do'} not tie out."
        output.heading(text)
    elif not tie:
        output.heading("Nothing could be compared.")
    elif unproven:
        output.heading(f"{tie:,} of {counted(len(lines), 'comparison')} {'ties' if tie == 1 else 'tie'} out.")
    else:
        output.heading(f"Everything ties out: {counted(tie, 'comparison')}.")
    if unproven:
        output.prose(f"{counted(unproven, 'comparison')} could not be made, so neither proves nor disproves.")


def _names(subjects: Sequence[str]) -> list[str]:
    """What is pulled by the name of its table, as everywhere else, where that is one subject's only."""
    tables = [_table_of(subject) for subject in subjects]
    return _short([table if tables.count(table) == 1 else s for table, s in zip(tables, subjects, strict=True)])


def _table_of(subject: str) -> str:
    """`accounts-payable/bill-line`, or such `in bills_line` -> the table; anything else as it is."""
    from tieout.pull.schema.names import table_name

    object, _, table = subject.partition(" in ")
    return table or table_name(object) if "/" in object and " " not in object else subject


def _short(names: Sequence[str], separator: str = "/") -> list[str]:
    """`accounts-payable/bill` -> `bill`, `sum hours.approved` -> `sum approved`, where that means one name only:
    a narrow terminal has no room for more."""
    last = [_last(name, separator) for name in names]
    return [short if last.count(short) == 1 else name for short, name in zip(last, names, strict=True)]


def _last(name: str, separator: str) -> str:
    measure, space, path = name.partition(" ") if name.startswith("sum ") else ("", "", name)
    return measure + space + path.rpartition(separator)[2]


def as_json(lines: Iterable[TieOutLine]) -> list[dict[str, Any]]:
    """The lines as JSON shows them: sums as exact strings."""
    return [
        {
            "subject": line.subject,
            "what": line.what,
            "source": line.source,
            "intacct": line.intacct,
            "difference": line.difference,
            "ties": line.ties,
            "note": line.note,
            **({"account": line.account, "entity": line.entity, "book": line.book} if line.book else {}),
        }
        for line in lines
    ]


def _is_nothing(line: TieOutLine) -> bool:
    """Nothing on either side, and proven."""
    return line.ties is True and not line.source and not line.intacct and not line.note


def _fold(lines: Sequence[TieOutLine], *, every: bool) -> tuple[list[TieOutLine], list[TieOutLine]]:
    """Lines to list and lines only to count: tying sums, or where all are wanted, those of nothing but zeros."""
    listed: list[TieOutLine] = []
    folded: list[TieOutLine] = []
    for line in lines:
        is_sum = isinstance(line.intacct, Decimal) and line.ties is True and not line.note
        fold = is_sum and (not every or (line.intacct == 0 and line.source == 0))
        (folded if fold else listed).append(line)
    if len(folded) == 1:
        return list(lines), []
    return listed, folded


def _cells(output: Output, line: TieOutLine) -> list[str | Styled]:
    scale = max((_digits(side) for side in (line.source, line.intacct)), default=0)
    verdict = Styled("not provable", "faint") if line.ties is None else output.ok(line.ties)
    return [
        _side(line.source, scale),
        _side(line.intacct, scale),
        Styled(_side(line.difference, scale), "bad") if line.ties is False else _side(line.difference, scale),
        verdict,
    ]


def _noted(row: Sequence[Any]) -> list[Any]:
    """A row whose last cell, a note, stands behind its verdict."""
    *cells, verdict, note = row
    return [*cells, Styled(f"{verdict.text}: {note}", verdict.look) if note else verdict]


def _digits(value: object) -> int:
    if not isinstance(value, Decimal):
        return 0
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _side(value: object, scale: int) -> str:
    if isinstance(value, Decimal):
        return money(value, scale)
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
