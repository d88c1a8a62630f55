"""Push's tie-out: every source row accounted for, every posted record in Intacct with its lines and amounts (rule 10).

Reads Intacct and the ledger's facts; changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from tieout.errors import (
    BudgetError,
    BusyError,
    NotAuthorisedError,
    NotFoundError,
    StoreError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    UnreachableError,
)
from tieout.project.report import TieOutLine
from tieout.push.sending import chunks

if TYPE_CHECKING:
    from tieout.rest import Intacct, Record
    from tieout.store.ledger import LedgerRecord

CONNECTION_WIDE = (
    NotAuthorisedError,
    TokenRefusedError,
    ThrottledError,
    UnreachableError,
    StoreError,
    BusyError,
    BudgetError,
)
"""Errors that say nothing of one object: a proof ends with them."""
_SHOWN = 5


class ReadBack(msgspec.Struct):
    """What Intacct holds of the records that the ledger calls posted."""

    found: set[str] = msgspec.field(default_factory=set)
    """Source ids."""
    missing: list[str] = msgspec.field(default_factory=list)
    """Source ids that Intacct no longer has, with their keys: `E1 (key 17)`."""
    sums: dict[str, Decimal] = msgspec.field(default_factory=dict)
    lines: dict[str, int] = msgspec.field(default_factory=dict)
    """How many lines Intacct holds of a document that was sent with lines, by source id."""
    compared: int = 0
    """Documents of which something could be compared: id, lines or amounts."""
    differing: list[str] = msgspec.field(default_factory=list)
    """Documents that are others in Intacct: `E1 (key 17): creditLimit 100, in Intacct 150`."""
    unread: dict[str, str] = msgspec.field(default_factory=dict)
    """Field path -> why its sum cannot be proved."""
    refused: str = ""
    """Why nothing could be read back."""


Lists: TypeAlias = Mapping[str, Mapping[str, int]]
"""How many lines a document was sent with: source id -> name of the list -> lines."""


def read_back(client: Intacct, object: str, posted: Sequence[LedgerRecord], lists: Lists) -> ReadBack:
    """Read posted records by key, 500 a request, lines included (REST reference 4.3).

    What Intacct refuses for this object is in `refused`; what any object would meet is raised: NotAuthorisedError,
    UnreachableError, StoreError ..."""
    back = ReadBack()
    paths = sorted({path for record in posted for path in record.totals})
    by_key: dict[str, LedgerRecord] = {record.sage_key: record for record in posted if record.sage_key}
    back.missing += [f"{record.source_id} (no key)" for record in posted if not record.sage_key]
    for keys in chunks(list(by_key)):
        try:
            answers = client.get_many(object, keys)
        except CONNECTION_WIDE:
            raise
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
                wrong = [*_identity(record, answer), *_lines(back, record, answer, lists.get(record.source_id, {}))]
                _compare(back, record, wrong, _amounts(back, answer, paths))
    return back


def _identity(record: LedgerRecord, answer: Record) -> list[str]:
    """A key that now leads to a record with another id leads to another record."""
    theirs = answer.get("id")
    if not record.sage_id or theirs is None or str(theirs) == record.sage_id:
        return []
    return [f"posted as {record.sage_id}, in Intacct {theirs}"]


def _lines(back: ReadBack, record: LedgerRecord, answer: Record, sent: Mapping[str, int]) -> list[str]:
    """Counts the lines that Intacct holds -> where they are more or fewer than were sent."""
    wrong = []
    for name, count in sent.items():
        held = answer.get(name)
        there = len(held) if isinstance(held, list) else 0
        back.lines[record.source_id] = back.lines.get(record.source_id, 0) + there
        if there != count:
            wrong.append(f"{count} {'line' if count == 1 else 'lines'} here, {there} in Intacct")
    return wrong


def _amounts(back: ReadBack, answer: Record, paths: Iterable[str]) -> dict[str, Decimal]:
    """The sums of one record as Intacct has it; added to those of all."""
    found: dict[str, Decimal] = {}
    for path in paths:
        for value in values_at(answer, path.split(".")):
            if value is None:
                continue
            try:
                found[path] = found.get(path, Decimal(0)) + Decimal(str(value))
            except InvalidOperation:
                back.unread[path] = "Intacct holds a value there that is no number"
    for path, amount in found.items():
        back.sums[path] = back.sums.get(path, Decimal(0)) + amount
    return found


def _compare(back: ReadBack, record: LedgerRecord, wrong: list[str], theirs: Mapping[str, Decimal]) -> None:
    """Errors that cancel each other out in the sums are still errors."""
    wrong += [
        f"{path} {amount:f}, in Intacct {theirs.get(path, Decimal(0)):f}"
        for path, amount in sorted(record.totals.items())
        if theirs.get(path, Decimal(0)) != amount
    ]
    back.compared += bool(record.sage_id or record.totals or record.source_id in back.lines)
    if wrong:
        back.differing.append(f"{record.source_id} (key {record.sage_key}): {', '.join(wrong)}")


def values_at(value: object, parts: Sequence[str]) -> list[object]:
    """Every value at a path; lists on the way are walked through."""
    if isinstance(value, list):
        return [found for item in value for found in values_at(item, parts)]
    if not parts:
        return [value]
    if not isinstance(value, Mapping):
        return []
    return values_at(value.get(parts[0]), parts[1:])


class Ours(msgspec.Struct, kw_only=True):
    """Our side of a proof: what should be in Intacct."""

    rows: Mapping[str, int]
    """Source rows by what became of them."""
    documents: Mapping[str, int]
    """Documents by the same words."""
    rows_of: Mapping[str, int]
    """How many source rows each posted document has, by source id; documents that changed since are left out."""
    lists: Lists = msgspec.field(default_factory=dict)
    posted: Sequence[LedgerRecord]
    totals: Mapping[str, Decimal]
    """Sums over all documents as the source has them, posted or not."""
    names: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    """Source ids by outcome, of what is to be named."""
    has_gaps: bool = False
    """Some cells could not be read, so that `totals` lack them."""


def lines(subject: str, ours: Ours, back: ReadBack) -> list[TieOutLine]:
    """The proof of one push: rows, documents, sums, and each document by itself: its id, its lines, its amounts."""
    if back.refused:
        note = f"Intacct could not be read: {back.refused}"
        sides = (("rows", sum(ours.rows.values())), ("documents", sum(ours.documents.values())))
        return [_line(subject, what, source, None, note) for what, source in sides]
    there = sum(source_id in back.found for source_id in ours.rows_of)
    note = "; ".join(part for part in (_why_not(ours.documents, ours.names), _gone(back.missing)) if part)
    found = [
        *_rows(subject, ours, back),
        _line(subject, "documents", sum(ours.documents.values()), there, note),
        *_sums(subject, ours, back),
    ]
    if back.compared:
        agreeing = back.compared - len(back.differing)
        found.append(_line(subject, "documents agree", back.compared, agreeing, _several(back.differing, "; ")))
    return found


def _rows(subject: str, ours: Ours, back: ReadBack) -> list[TieOutLine]:
    """Source rows against what Intacct holds of them: lines where each row became a line, else records.

    Nothing where several rows made one record without lines: Intacct has no number to set against theirs."""
    there = 0
    for source_id, count in ours.rows_of.items():
        is_lined = sum(ours.lists.get(source_id, {}).values()) == count
        if count > 1 and not is_lined:
            return []
        if source_id in back.found:
            there += back.lines[source_id] if is_lined else 1
    return [_line(subject, "rows", sum(ours.rows.values()), there, _why_not(ours.rows))]


def _sums(subject: str, ours: Ours, back: ReadBack) -> list[TieOutLine]:
    """Each sum of the source against Intacct's; where not all of it was posted, also what was."""
    posted = total(record.totals for record in ours.posted)
    found: list[TieOutLine] = []
    for path in sorted({*ours.totals, *posted}):
        if path in back.unread:
            found.append(_line(subject, f"sum {path}", ours.totals.get(path, Decimal(0)), None, back.unread[path]))
            continue
        whole, sent = ours.totals.get(path, Decimal(0)), posted.get(path, Decimal(0))
        theirs = back.sums.get(path, Decimal(0))
        gaps = "values that cannot be read are not in your side's sum" if ours.has_gaps else ""
        line = _line(subject, f"sum {path}", whole, theirs, gaps)
        # A sum that lacks values proves nothing where it happens to agree.
        found.append(msgspec.structs.replace(line, ties=None) if gaps and line.ties else line)
        if whole != sent and ours.posted:
            found.append(_line(subject, f"sum {path} (posted)", sent, theirs))
    return found


def total(many: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Exact sums by field path over many records."""
    sums: dict[str, Decimal] = {}
    for each in many:
        for path, amount in each.items():
            sums[path] = sums.get(path, Decimal(0)) + amount
    return sums


def unproven(subject: str, note: str) -> TieOutLine:
    """A push of which nothing can be said, and why."""
    return TieOutLine(subject=subject, what="rows", source=None, intacct=None, ties=None, note=note)


def _line(subject: str, what: str, source: int | Decimal, intacct: int | Decimal | None, note: str = "") -> TieOutLine:
    difference = None if intacct is None else source - intacct
    ties = None if difference is None else difference == 0
    return TieOutLine(
        subject=subject, what=what, source=source, intacct=intacct, difference=difference, ties=ties, note=note
    )


def _why_not(counts: Mapping[str, int], names: Mapping[str, Sequence[str]] | None = None) -> str:
    """`3 failed, 1 changed (C-7)`: what is not in Intacct as it should be, so that a difference explains itself."""
    parts = []
    for outcome, count in counts.items():
        if count and outcome not in ("posted", "skipped"):
            named = (names or {}).get(outcome)
            parts.append(f"{count} {outcome} ({_several(named)})" if named else f"{count} {outcome}")
    return ", ".join(parts)


def _gone(missing: Sequence[str]) -> str:
    return f"not in Intacct any more: {_several(missing)}" if missing else ""


def _several(words: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
    return between.join(words[:_SHOWN]) + more
