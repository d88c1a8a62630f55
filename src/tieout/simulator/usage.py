"""Billable transactions: every page read and every record written, by company, application and month.

It counts after the simulated clock; Sage bills what is over the tier and blocks nothing (REST reference 8.6).
"""

from __future__ import annotations

import threading
from collections import Counter

import msgspec

from tieout.simulator.http import Request, Response
from tieout.simulator.sighting import Sighting


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """What one application did in one company in one month."""

    company: str
    client: str
    month: str
    """`2026-03`, UTC."""
    transactions: int


class Usage:
    """Threads may share it."""

    def __init__(self, months: tuple[Month, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter(
            {(month.company, month.client, month.month): month.transactions for month in months}
        )

    def note(self, seen: Sighting, month: str, transactions: int) -> None:
        with self._lock:
            self._counts[seen.company, seen.client, month] += transactions

    def months(self) -> tuple[Month, ...]:
        """By company, application and month."""
        with self._lock:
            counts = sorted(self._counts.items())
        return tuple(
            Month(company=company, client=client, month=month, transactions=count)
            for (company, client, month), count in counts
            if count
        )


def transactions(request: Request, response: Response) -> int:
    """Of one call and its real answer. Failures and repeated answers cost nothing (INFERRED)."""
    if response.status >= 400 or "x-ia-idempotency-cached-date" in response.headers:
        return 0
    area, *rest = (*request.segments[3:], "")
    if area == "services":
        if request.method != "POST" or tuple(rest[:2]) != ("core", "query"):
            return 0
        return _succeeded(response) if request.body.lstrip()[:1] == b"[" else 1
    if area not in ("objects", "workflows"):
        return 0
    if request.method in ("GET", "HEAD"):
        return 1
    if response.status == 204:
        return len([key for key in request.segments[-1].split(",") if key])
    return _succeeded(response)


class _Meta(msgspec.Struct):
    succeeded: int = msgspec.field(name="totalSuccess", default=1)


class _Totals(msgspec.Struct):
    meta: _Meta = msgspec.field(name="ia::meta", default_factory=_Meta)


def _succeeded(response: Response) -> int:
    try:
        return msgspec.json.decode(response.body, type=_Totals).meta.succeeded
    except msgspec.DecodeError:
        return 0
