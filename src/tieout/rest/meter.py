"""What a client's calls cost. Every page read and every record written is billable for the user (DESIGN rule 7)."""

from __future__ import annotations

import threading
from typing import Protocol

import msgspec


class Cost(msgspec.Struct, frozen=True):
    """What something costs, or is estimated to cost. Costs add up: `a + b`, `sum(costs, Cost())`."""

    calls: int = 0
    """Requests, retries not foreseen."""
    transactions: int = 0
    """Billable: pages read and records written (REST reference 8.6)."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.calls + other.calls, self.transactions + other.transactions)

    def __str__(self) -> str:
        return f"{_counted(self.calls, 'call')}, {_counted(self.transactions, 'transaction')}"


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what came of it. Holds no body and no secret."""

    method: str
    path: str
    entity: str | None
    status: int
    """HTTP status; 0 if no answer came."""
    transactions: int
    """Billable: pages read or records written, 0 unless it succeeded."""
    sent: int
    received: int
    """Bytes of the bodies."""
    seconds: float


class Meter(Protocol):
    """Told of every try, from any thread; must not block."""

    def record(self, tried: Try) -> None: ...


class Usage(msgspec.Struct):
    """Totals since the meter was made."""

    calls: int = 0
    transactions: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    """Time spent waiting for answers, summed over concurrent calls."""


class CountingMeter:
    """The default: counts in memory. `usage` is a consistent copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        with self._lock:
            return msgspec.structs.replace(self._usage)

    def record(self, tried: Try) -> None:
        with self._lock:
            self._usage.calls += 1
            self._usage.transactions += tried.transactions
            self._usage.bytes_sent += tried.sent
            self._usage.bytes_received += tried.received
            self._usage.seconds += tried.seconds


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
