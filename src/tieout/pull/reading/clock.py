"""Intacct's clock, and how far behind it a watermark stays. Never this machine's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

OVERLAP = timedelta(seconds=120)
"""A posting shows up when it commits, under a stamp taken before (REST reference 10.1)."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def watermark(asked_at: datetime | None) -> str:
    """What a read leaves that began at this moment, "" where Intacct did not tell it."""
    return (asked_at - OVERLAP).strftime(STAMP) if asked_at is not None else ""
