"""Intacct's clock, and how far behind it a read goes. This machine's clock decides only what is read sooner or later,
never how far a read has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

OVERLAP = timedelta(seconds=120)
"""A posting shows up when it commits, under a stamp taken before (REST reference 10.1)."""
DEEP = timedelta(days=3)
"""The look-back that is taken once a day; what a published connector takes each time (REST reference 10.1)."""
DAILY = timedelta(hours=20)
"""What is done once a day is due again, also where a schedule runs some minutes early."""
STALE = timedelta(hours=1)
"""After that what is new is read before a long read goes on."""
ASTRAY = timedelta(minutes=10)
"""So far Intacct's clock may go back from one read to the next: it is that of many machines."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def watermark(asked_at: datetime | None) -> str:
    """What a read leaves that began at this moment, "" where Intacct did not tell it."""
    return (asked_at - OVERLAP).strftime(STAMP) if asked_at is not None else ""


def earlier(stamp: str, by: timedelta) -> str:
    """A moment so long before, at the earliest the year 1900."""
    try:
        found = datetime.fromisoformat(stamp) - by
    except OverflowError:
        found = datetime(1900, 1, 1, tzinfo=UTC)
    return found.strftime(STAMP) if found.year >= 1900 else "1900-01-01T00:00:00Z"


def went_back(now: str, read_up_to: str) -> bool:
    """Whether Intacct's clock now lies before what it was when a table was read: one of the two was wrong."""
    return (
        bool(now and read_up_to) and datetime.fromisoformat(now) - OVERLAP < datetime.fromisoformat(read_up_to) - ASTRAY
    )


def passed(since: str, wait: timedelta, now: str = "") -> bool:
    """Whether so long has passed; of "" always. `now`: by this clock instead of this machine's."""
    then = datetime.fromisoformat(now) if now else datetime.now(UTC)
    return not since or then - datetime.fromisoformat(since) >= wait
