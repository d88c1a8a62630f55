"""Which days are open for posting: what the company tells, and what a first refusal teaches a run.

Knows posting dates, entities and the words of a refusal. Sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

POSTED_ON: Mapping[str, tuple[str, ...]] = {
    "accounts-payable/bill": ("postingDate", "createdDate"),
    "accounts-payable/adjustment": ("adjustmentSummary.glPostingDate", "createdDate"),
    "accounts-payable/payment": ("paymentDate",),
    "accounts-receivable/invoice": ("invoiceSummary.glPostingDate", "invoiceDate"),
    "accounts-receivable/adjustment": ("adjustmentSummary.glPostingDate", "createdDate"),
    "accounts-receivable/payment": ("paidDate", "paymentSummary.receiptDate"),
    "general-ledger/journal-entry": ("postingDate",),
    "general-ledger/statistical-journal-entry": ("postingDate",),
    "expenses/employee-expense": ("expenseSummary.postingDate", "createdDate"),
}
"""The day that a document is posted on: the first of these fields that it holds (REST reference 9.3; that the
document's own date stands in for a posting date that is left out is INFERRED)."""
_CODES = ("periodClosed",)
_WORDS = re.compile(r"period is closed|date must be on or after", re.IGNORECASE)
"""What production clients look for (REST reference 8.4)."""
_ON_OR_AFTER = re.compile(r"on or after (?:(\d{4})-(\d\d)-(\d\d)|(\d{1,2})/(\d{1,2})/(\d{4}))", re.IGNORECASE)


def posting_date(object: str, body: Mapping[str, Any]) -> str:
    """The day a document is posted on, YYYY-MM-DD; "" where it names none or is posted later, as a timesheet is."""
    for path in POSTED_ON.get(object, ()):
        here: Any = body
        for part in path.split("."):
            here = here.get(part) if isinstance(here, Mapping) else None
        if isinstance(here, str) and here:
            return here
    return ""


class Closed(msgspec.Struct, frozen=True):
    """A refusal for a closed period: what Intacct said, of which days."""

    first: str
    """YYYY-MM-DD, "" for no beginning."""
    last: str
    words: str

    def holds(self, day: str) -> bool:
        return self.first <= day <= self.last


class ClosedPeriods:
    """The periods that this run has found closed, by entity: only a first refusal tells.

    Where the refusal names the first open day, all days before it are closed; else the calendar month of the refused
    document is: how a company's periods lie is not told."""

    def __init__(self) -> None:
        self._closed: dict[str, list[Closed]] = {}

    def note(self, error: Mapping[str, Any] | None, entity: str, day: str) -> bool:
        """Learn from the error facts of a record of this `day` -> whether they say that it is closed."""
        words = closed_words(error) if error and day else ""
        if not words:
            return False
        if self.is_closed(entity, day) is None:
            self._closed.setdefault(entity, []).append(_period(day, words))
        return True

    def is_closed(self, entity: str, day: str) -> Closed | None:
        """What is known to be closed and holds this day."""
        if not day:
            return None
        return next((closed for closed in self._closed.get(entity, ()) if closed.holds(day)), None)

    def __bool__(self) -> bool:
        return bool(self._closed)


def closed_words(error: Mapping[str, Any]) -> str:
    """What the facts of an error say about a closed period: by code first, by words last; "" if nothing."""
    details = [error, *(error.get("details") or ())]
    for detail in details:
        if {detail.get("code"), detail.get("error_id")} & set(_CODES):
            return str(detail.get("message") or "The period is closed.")
    for detail in details:
        words = str(detail.get("message") or "")
        if _WORDS.search(words):
            return words
    return ""


def _period(day: str, words: str) -> Closed:
    found = _ON_OR_AFTER.search(words)
    if found is not None:
        year, month, date = found.group(1, 2, 3) if found.group(1) else found.group(6, 4, 5)
        opens = f"{year}-{int(month):02}-{int(date):02}"
        if day < opens:
            return Closed("", _before(opens), words)
    return Closed(f"{day[:8]}01", f"{day[:8]}31", words)


def _before(day: str) -> str:
    """The day before, or the day itself where there is no such day."""
    from datetime import date, timedelta

    try:
        return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return day
