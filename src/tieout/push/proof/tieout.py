"""Push's tie-out: every source row accounted for, every posted record in Intacct with its lines and amounts (rule 10).

Compares what the ledger has with what `reading_back` reads; changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from tieout.errors import (
    BudgetError,
    BusyError,
    IntacctError,
    NotAuthorisedError,
    NotFoundError,
    StoreError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    UnreachableError,
)
from tieout.project.report import TieOutLine
from tieout.push.grouping import spoken
from tieout.store.ledger_facts import LONGEST

if TYPE_CHECKING:
    from tieout.store.ledger import LedgerRecord

Answer: TypeAlias = "Mapping[str, Any] | IntacctError"
"""A record as Intacct sends it, its values not typed; or why there is none."""

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
_NOTHING = Decimal(0)
GROUPS = 24
"""Sums by period and currency that a tie-out lists; the audit file has them all."""


class Expected(msgspec.Struct, frozen=True, gc=False):
    """What Intacct should hold of a document that is posted as the source has it."""

    rows: int
    """Source rows that it was made of."""
    lists: Mapping[str, int] = {}
    """How many lines it was sent with, by the name of the list."""
    documents: int = 1
    """Of the source, that it stands for."""


class Read(msgspec.Struct, frozen=True, gc=False):
    """What Intacct returned of one posted record."""

    amounts: Mapping[str, Decimal]
    """Exact sums by field path, of the fields that were sent."""
    state: str | None
    """In Sage's word."""
    posting_date: str | None
    currency: str | None
    page: str | None = None
    """Where a person finds the record, as Intacct says."""


POSTING_DATES = (
    ("postingDate",),
    ("invoiceSummary", "glPostingDate"),
    ("billSummary", "glPostingDate"),
    ("glPostingDate",),
    ("beginDate",),
)
"""Where objects say which day they post to the ledger (REST reference 9.4); the first that a record has."""
_STATE = (("state",),)
_PAGE = (("webURL",),)
CURRENCIES = (("currency", "txnCurrency"), ("txnCurrency",), ("currency",))


class Some(msgspec.Struct):
    """The first few of many, and how many there are."""

    first: list[str] = msgspec.field(default_factory=list)
    count: int = 0

    def add(self, word: str) -> None:
        self.count += 1
        if self.count <= _SHOWN:
            self.first.append(word)

    def spoken(self, between: str = ", ") -> str:
        more = f" and {self.count - _SHOWN:,} more" if self.count > _SHOWN else ""
        return between.join(self.first) + more


class Proof:
    """The proof of one push in one entity, added up in pieces: our side is told to it, and Intacct's.

    Whatever the number of documents, it holds sums and the first few names."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.rows: Counter[str] = Counter()
        """Source rows by what became of them."""
        self.documents: Counter[str] = Counter()
        """Documents by the same words."""
        self.dismissed = 0
        """Documents that people deleted in Intacct and dismissed: neither side has them."""
        self.totals: dict[str, Decimal] = {}
        """Sums over all documents as the source has them, posted or not."""
        self.names: dict[str, Some] = {}
        """Source ids by outcome, of what is to be named."""
        self.has_gaps = False
        """Documents are held, of which `totals` have only the amounts that can be read."""
        self._posted: dict[str, Decimal] = {}
        self._any_posted = False
        self._there = 0
        """Documents that are in Intacct as the source has them."""
        self._rows_there: int | None = 0
        """Their rows, lines where each row became a line; None where Intacct has no number to set against ours."""
        self._sums: dict[str, Decimal] = {}
        self._groups: dict[tuple[str, str, str], list[Decimal]] = {}
        """(period, currency, field path) -> what was sent and what Intacct returned, of posted records."""
        self._missing = Some()
        self.gone: list[str] = []
        """Source ids that the latest `read_back` did not find."""
        self.states: Counter[str] = Counter()
        """Documents that Intacct holds by Sage's own state, those of which the source says something else included."""
        self._compared = 0
        """Documents of which something could be compared: id, lines or amounts."""
        self._differing = Some()
        self._unread: dict[str, str] = {}
        """Field path -> why its sum cannot be proved."""
        self.refused = ""
        """Why nothing could be read back."""

    def name(self, outcome: str, source_id: str) -> None:
        self.names.setdefault(outcome, Some()).add(spoken(source_id))

    def move(self, before: str, after: str, rows: int) -> None:
        """A document of so many rows turned out to be something else."""
        for counts, number in ((self.documents, 1), (self.rows, rows)):
            counts[before] -= number
            counts[after] += number

    def told(self, posted: Sequence[LedgerRecord], expected: Mapping[str, Expected]) -> None:
        """Our side of some posted records. `expected` has those that are posted as the source has them."""
        for record in posted:
            add_up(self._posted, record.totals)
            self._any_posted = True
            self._count_rows(expected.get(record.source_id))
            if not record.sage_key:
                self._missing.add(f"{spoken(record.source_id)} (no key)")

    def shared(self, source_ids: Sequence[str]) -> None:
        """Records that are posted under one key of Intacct: it holds one of them."""
        first, *others = map(spoken, source_ids)
        for other in others:
            self._differing.add(f"{other} has the same key in Intacct as {first}")

    def compare(
        self, posted: Sequence[LedgerRecord], expected: Mapping[str, Expected], answers: Mapping[str, Answer]
    ) -> dict[str, Read]:
        """Hold what Intacct answered, by key, against what was told of the same records -> what was read, by source
        id. What Intacct refuses for this object is in `refused`."""
        read: dict[str, Read] = {}
        self.gone = []
        for record in posted:
            if self.refused:
                return read
            if not record.sage_key:
                continue
            answer = answers[record.sage_key]
            if isinstance(answer, NotFoundError):
                self._missing.add(f"{spoken(record.source_id)} (key {record.sage_key})")
                self.gone.append(record.source_id)
            elif isinstance(answer, TieoutError):
                self.refused = answer.message
            else:
                read[record.source_id] = self._compare(record, answer, expected.get(record.source_id))
        return read

    def confirm_deleted(self, posted: Sequence[LedgerRecord], answers: Mapping[str, Answer]) -> None:
        """The proof of a delete: what was deleted is not found."""
        for record in posted:
            if self.refused or not record.sage_key:
                continue
            answer = answers[record.sage_key]
            if isinstance(answer, NotFoundError):
                self._there += 1
                self._rows_there = (self._rows_there or 0) + len(record.rows)
            else:
                self._differing.add(f"{spoken(record.source_id)} (key {record.sage_key}): still in Intacct")

    def _count_rows(self, expected: Expected | None) -> None:
        if expected is not None and expected.rows > 1 and not _is_lined(expected):
            self._rows_there = None  # several rows made one record without lines

    def _compare(self, record: LedgerRecord, answer: Mapping[str, Any], expected: Expected | None) -> Read:
        """Errors that cancel each other out in the sums are still errors."""
        wrong = _identity(record, answer)
        lines = 0
        for name, count in expected.lists.items() if expected is not None else ():
            held = answer.get(name)
            there = len(held) if isinstance(held, list) else 0
            lines += there
            if there != count:
                wrong.append(f"{count} {'line' if count == 1 else 'lines'} here, {there} in Intacct")
        self.states[str(answer.get("state") or "")] += 1
        if expected is not None:
            self._there += expected.documents
            if self._rows_there is not None:
                self._rows_there += lines if _is_lined(expected) else 1
        theirs = self._amounts(answer, record.totals)
        if theirs != record.totals:
            wrong += [
                f"{path} {amount:f}, in Intacct {theirs.get(path, _NOTHING):f}"
                for path, amount in sorted(record.totals.items())
                if theirs.get(path, _NOTHING) != amount
            ]
        self._compared += bool(record.sage_id or record.totals or (expected is not None and expected.lists))
        if wrong:
            self._differing.add(f"{spoken(record.source_id)} (key {record.sage_key}): {', '.join(wrong)}")
        state, page = text_at(answer, _STATE), _page(answer)
        seen = Read(theirs, state, text_at(answer, POSTING_DATES), text_at(answer, CURRENCIES), page)
        period, currency = (seen.posting_date or "")[:7], seen.currency or ""
        for path, amount in record.totals.items():
            sums = self._groups.get((period, currency, path))
            if sums is None:
                sums = self._groups[period, currency, path] = [_NOTHING, _NOTHING]
            sums[0] += amount
            sums[1] += theirs.get(path, _NOTHING)
        return seen

    def _amounts(self, answer: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Decimal]:
        """The sums of one record as Intacct has it; added to those of all."""
        found: dict[str, Decimal] = {}
        for path in paths:
            # Most amounts are one text of the record itself.
            alone = answer.get(path)
            for value in (alone,) if type(alone) is str else values_at(answer, path.split(".")):
                if value is None:
                    continue
                try:
                    found[path] = found.get(path, _NOTHING) + Decimal(str(value))
                except InvalidOperation:
                    self._unread[path] = "Intacct holds a value there that is no number"
        add_up(self._sums, found)
        return found

    # What it says --------------------------------------------------------------------------------------------------

    def lines(self) -> list[TieOutLine]:
        """Rows, documents, sums, and each document by itself: its id, its lines, its amounts."""
        rows, documents = sum(self.rows.values()), sum(self.documents.values())
        if self.refused:
            note = f"Intacct could not be read: {self.refused}"
            return [
                _line(self.subject, what, ours, None, note) for what, ours in (("rows", rows), ("documents", documents))
            ]
        gone = f"not in Intacct any more: {self._missing.spoken()}" if self._missing.count else ""
        others = {outcome: count for outcome, count in self.documents.items() if outcome != "gone"}
        apart = f"{self.dismissed:,} dismissed, not counted here" if self.dismissed else ""
        note = "; ".join(part for part in (_why_not(others, self.names), gone, apart) if part)
        found = []
        if self._rows_there is not None:
            found.append(_line(self.subject, "rows", rows, self._rows_there, _why_not(self.rows)))
        found.append(_line(self.subject, "documents", documents, self._there, note))
        found += [*self._sum_lines(), *self._group_lines()]
        if self._compared or self._differing.count:
            agreeing = max(0, self._compared - self._differing.count)
            found.append(_line(self.subject, "documents agree", self._compared, agreeing, self._differing.spoken("; ")))
        return found

    def _sum_lines(self) -> list[TieOutLine]:
        """Each sum of the source against Intacct's; where not all of it was posted, also what was."""
        found: list[TieOutLine] = []
        for path in sorted({*self.totals, *self._posted}):
            whole, sent = self.totals.get(path, Decimal(0)), self._posted.get(path, Decimal(0))
            if path in self._unread:
                found.append(_line(self.subject, f"sum {path}", whole, None, self._unread[path]))
                continue
            theirs = self._sums.get(path, Decimal(0))
            gaps = "your side lacks amounts of held records that cannot be read" if self.has_gaps else ""
            line = _line(self.subject, f"sum {path}", whole, theirs, gaps)
            # A sum that lacks values proves nothing where it happens to agree.
            found.append(msgspec.structs.replace(line, ties=None) if gaps and line.ties else line)
            if whole != sent and self._any_posted:
                found.append(_line(self.subject, f"sum {path} (posted)", sent, theirs))
        return found

    def _group_lines(self) -> list[TieOutLine]:
        """Posted records by period and currency, where there are several; at most GROUPS of them, those that differ
        first."""
        if len({key[:2] for key in self._groups}) < 2:
            return []
        ordered = sorted(self._groups.items(), key=lambda group: (group[1][0] == group[1][1], group[0]))
        return [
            _line(
                self.subject,
                " ".join(word for word in ("sum", path, period, currency, "(posted)") if word),
                ours,
                theirs,
            )
            for (period, currency, path), (ours, theirs) in ordered[:GROUPS]
        ]


def text_at(answer: Mapping[str, Any], paths: Sequence[tuple[str, ...]]) -> str | None:
    """The first of these fields that holds a text."""
    for head, *rest in paths:
        if head in answer:
            for value in values_at(answer[head], rest):
                if isinstance(value, str) and value:
                    return value
    return None


def _page(answer: Mapping[str, Any]) -> str | None:
    """The address of a record's page. Only some objects have one: bills, invoices, entries, payments, employees and
    projects among them (REST reference 9.4)."""
    page = text_at(answer, _PAGE) or ""
    return page if page.startswith("https://") and len(page) <= LONGEST["page"] else None


def _identity(record: LedgerRecord, answer: Mapping[str, Any]) -> list[str]:
    """A key that now leads to a record with another id leads to another record."""
    theirs = answer.get("id")
    if not record.sage_id or theirs is None or str(theirs) == record.sage_id:
        return []
    return [f"posted as {record.sage_id}, in Intacct {theirs}"]


def _is_lined(expected: Expected) -> bool:
    """Each of its rows became a line."""
    return sum(expected.lists.values()) == expected.rows


def add_up(sums: dict[str, Decimal], more: Mapping[str, Decimal]) -> None:
    """Add exact amounts by field path to others."""
    for path, amount in more.items():
        sums[path] = sums[path] + amount if path in sums else amount


def values_at(value: object, parts: Sequence[str]) -> list[object]:
    """Every value at a path; lists on the way are walked through."""
    if isinstance(value, list):
        return [found for item in value for found in values_at(item, parts)]
    if not parts:
        return [value]
    if not isinstance(value, Mapping):
        return []
    return values_at(value.get(parts[0]), parts[1:])


def unproven(subject: str, note: str) -> TieOutLine:
    """A push of which nothing can be said, and why."""
    return TieOutLine(subject=subject, what="rows", source=None, intacct=None, ties=None, note=note)


def _line(subject: str, what: str, source: int | Decimal, intacct: int | Decimal | None, note: str = "") -> TieOutLine:
    difference = None if intacct is None else source - intacct
    ties = None if difference is None else difference == 0
    return TieOutLine(
        subject=subject, what=what, source=source, intacct=intacct, difference=difference, ties=ties, note=note
    )


def _why_not(counts: Mapping[str, int], names: Mapping[str, Some] | None = None) -> str:
    """`3 failed, 1 changed (C-7)`: what is not in Intacct as it should be, so that a difference explains itself."""
    parts = []
    for outcome, count in counts.items():
        if count and outcome not in ("posted", "skipped", "corrected"):
            named = (names or {}).get(outcome)
            parts.append(f"{count} {outcome} ({named.spoken()})" if named else f"{count} {outcome}")
    return ", ".join(parts)
