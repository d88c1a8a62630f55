"""Push's tie-out: every source row accounted for, every posted record found in Intacct, every sum equal (rule 10).

Reads Intacct and the ledger's facts; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import NotFoundError, TieoutError
from tieout.project.report import TieOutLine
from tieout.push.sending import chunks

if TYPE_CHECKING:
    from tieout.rest import Intacct, Record
    from tieout.store.ledger import LedgerRecord

_SHOWN = 5


class ReadBack(msgspec.Struct):
    """What Intacct holds of the records that the ledger calls posted."""

    found: set[str] = msgspec.field(default_factory=set)
    """Source ids."""
    missing: list[str] = msgspec.field(default_factory=list)
    """Source ids that Intacct no longer has, with their keys: `E1 (key 17)`."""
    sums: dict[str, Decimal] = msgspec.field(default_factory=dict)
    unread: dict[str, str] = msgspec.field(default_factory=dict)
    """Field path -> why its sum cannot be proved."""
    refused: str = ""
    """Why nothing could be read back."""


def read_back(client: Intacct, object: str, posted: Sequence[LedgerRecord]) -> ReadBack:
    """Read posted records by key, 500 a request, lines included (REST reference 4.3)."""
    back = ReadBack()
    paths = sorted({path for record in posted for path in record.totals})
    by_key: dict[str, LedgerRecord] = {record.sage_key: record for record in posted if record.sage_key}
    back.missing += [f"{record.source_id} (no key)" for record in posted if not record.sage_key]
    for keys in chunks(list(by_key)):
        try:
            answers = client.get_many(object, keys)
        except TieoutError as error:
            back.refused = error.message
            return back
        for key, answer in zip(keys, answers, strict=True):
            record = by_key[key]
            if isinstance(answer, NotFoundError):
                back.missing.append(f"{record.source_id} (key {key})")
            elif isinstance(answer, TieoutError):
                back.refused = answer.message
                return back
            else:
                back.found.add(record.source_id)
                _add(back, answer, paths)
    return back


def _add(back: ReadBack, record: Record, paths: Iterable[str]) -> None:
    for path in paths:
        for value in values_at(record, path.split(".")):
            if value is None:
                continue
            try:
                back.sums[path] = back.sums.get(path, Decimal(0)) + Decimal(str(value))
            except InvalidOperation:
                back.unread[path] = "Intacct holds a value there that is no number"


def values_at(value: object, parts: Sequence[str]) -> list[object]:
    """Every value at a path; lists on the way are walked through."""
    if isinstance(value, list):
        return [found for item in value for found in values_at(item, parts)]
    if not parts:
        return [value]
    if not isinstance(value, Mapping):
        return []
    return values_at(value.get(parts[0]), parts[1:])


def lines(
    subject: str,
    rows_by_outcome: Mapping[str, int],
    documents: Mapping[str, int],
    rows_of: Mapping[str, int],
    posted: Sequence[LedgerRecord],
    back: ReadBack,
) -> list[TieOutLine]:
    """The proof of one push. `rows_of` gives the number of source rows of each posted record."""
    if back.refused:
        note = f"Intacct could not be read: {back.refused}"
        return [_line(subject, what, source, None, note) for what, source in _sides(rows_by_outcome, documents)]
    rows_there = sum(count for source_id, count in rows_of.items() if source_id in back.found)
    there = sum(source_id in back.found for source_id in rows_of)
    why = _why_not(documents)
    gone = _gone(back.missing)
    note = "; ".join(part for part in (why, gone) if part)
    found = [
        _line(subject, "rows", sum(rows_by_outcome.values()), rows_there, _why_not(rows_by_outcome)),
        _line(subject, "documents", sum(documents.values()), there, note),
    ]
    ours: dict[str, Decimal] = {}
    for record in posted:
        for path, amount in record.totals.items():
            ours[path] = ours.get(path, Decimal(0)) + amount
    for path in sorted(ours):
        if path in back.unread:
            found.append(_line(subject, f"sum {path}", ours[path], None, back.unread[path]))
        else:
            theirs = back.sums.get(path, Decimal(0))
            found.append(_line(subject, f"sum {path}", ours[path], theirs, "posted documents" if why else ""))
    return found


def _sides(rows: Mapping[str, int], documents: Mapping[str, int]) -> list[tuple[str, int]]:
    return [("rows", sum(rows.values())), ("documents", sum(documents.values()))]


def _line(subject: str, what: str, source: int | Decimal, intacct: int | Decimal | None, note: str = "") -> TieOutLine:
    difference = None if intacct is None else source - intacct
    ties = None if difference is None else difference == 0
    return TieOutLine(
        subject=subject, what=what, source=source, intacct=intacct, difference=difference, ties=ties, note=note
    )


def _why_not(counts: Mapping[str, int]) -> str:
    """`3 failed, 2 held`: what is not in Intacct, so that a difference explains itself."""
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n and name not in ("posted", "skipped"))


def _gone(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return f"not in Intacct any more: {', '.join(missing[:_SHOWN])}{more}"
