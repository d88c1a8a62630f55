"""What a client's calls cost. Every page read and every record written is billable for the user (DESIGN rule 7).

Counts what it is told and decides nothing; `budget` refuses, `log` remembers single tries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
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
    """One request and what came of it. Holds no body, no header, no query string and no secret."""

    method: str
    path: str
    """Below the base URL, at most 200 characters; keys may stand in it."""
    status: int
    """HTTP status; 0 if no answer came."""
    transactions: int
    """Billable: pages read or records written, 0 unless it succeeded."""
    sent: int
    received: int
    """Bytes of the bodies."""
    seconds: float
    """From sending to the last byte of the answer."""
    time: float = 0.0
    """Unix time of sending, by this machine's clock."""
    entity: str | None = None
    company: str | None = None
    object: str = ""
    """`accounts-payable/bill`; empty where the request concerns none."""
    operation: str = ""
    """query, read, list, model, create, update, delete, token, or the last word of the path."""
    attempt: int = 1
    """1 for the first try of a call."""
    waited: float = 0.0
    """Seconds in the queue for a place."""
    slept: float = 0.0
    """Seconds between the try before and this one: backing off, or as long as the server asked."""
    error_id: str = ""
    support_id: str = ""
    replayed: bool = False
    """The answer of an earlier request under the same idempotency key (REST reference 7.6)."""

    @property
    def at(self) -> datetime:
        """When it was sent, aware UTC."""
        return datetime.fromtimestamp(self.time, UTC)

    @property
    def what(self) -> str:
        """The path, and the object where the path does not say it: `/services/core/query (accounts-payable/bill)`."""
        return self.path if self.object in self.path else f"{self.path} ({self.object})"

    def __repr__(self) -> str:
        words = [self.at.strftime("%Y-%m-%d %H:%M:%S"), self.method, self.what, str(self.status or "no answer")]
        words += [word for word in (self.error_id, f"({self.entity})" if self.entity else "") if word]
        words.append(f"{self.seconds:.2f} s")
        words += [f"try {self.attempt}"] if self.attempt > 1 else []
        words += ["replayed"] if self.replayed else []
        words += [f"support id {self.support_id}"] if self.support_id else []
        return " ".join(words)

    __str__ = __repr__


class Meter(Protocol):
    """Told of every try, from any thread; must neither block nor raise."""

    def record(self, tried: Try) -> None: ...


class Usage(msgspec.Struct):
    """What was used. Failed tries count as calls and not as transactions: whether Intacct bills a refused request is
    not documented, and it is assumed that it does not. The same holds for records of a batch that were refused."""

    calls: int = 0
    transactions: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    seconds: float = 0.0
    """Time spent waiting for answers, summed over concurrent calls."""
    waiting: float = 0.0
    """Seconds in the queue for a place, summed likewise."""
    slept: float = 0.0
    """Seconds between tries: backing off, or as long as Intacct asked."""
    retries: int = 0
    renewals: int = 0
    """Requests for an access token."""
    parts: dict[tuple[str, str, str], Usage] = {}
    """The same by (object, operation, entity); an entity of "" is the token's own level. Empty in a part."""

    @property
    def by_object(self) -> dict[str, Usage]:
        """{`accounts-payable/bill`: what it used}; "" is what concerns no object, such as renewals."""
        return self._by(lambda part: part[0])

    @property
    def by_operation(self) -> dict[str, Usage]:
        """{`query`: what it used, `create`: ...}."""
        return self._by(lambda part: part[1])

    @property
    def by_entity(self) -> dict[str, Usage]:
        """{entity: what was used in it}; "" is the token's own level."""
        return self._by(lambda part: part[2])

    @property
    def cost(self) -> Cost:
        """The part of it that can be estimated beforehand."""
        return Cost(self.calls, self.transactions)

    def __sub__(self, before: Usage) -> Usage:
        """What was used since `before`."""
        rest = {}
        for name, part in self.parts.items():
            earlier = before.parts.get(name)
            changed = part - earlier if earlier is not None else part
            if changed.calls:
                rest[name] = changed
        numbers = {name: getattr(self, name) - getattr(before, name) for name in _NUMBERS}
        return Usage(**numbers, parts=rest)

    def _add(self, other: Usage) -> None:
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def _by(self, name: Callable[[tuple[str, str, str]], str]) -> dict[str, Usage]:
        found: dict[str, Usage] = {}
        for part, usage in sorted(self.parts.items()):
            found.setdefault(name(part), Usage())._add(usage)
        return found

    def __str__(self) -> str:
        return (
            f"{self.cost}, {self.bytes_sent + self.bytes_received:,} bytes, {self.seconds:.1f} s for answers, "
            f"{self.waiting:.1f} s in the queue, {self.slept:.1f} s between tries"
        )

    def __repr__(self) -> str:
        return f"Usage({self})"


_NUMBERS = tuple(name for name in Usage.__struct_fields__ if name != "parts")


class CountingMeter:
    """Counts in memory. `usage` is a consistent copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[tuple[str, str, str], Usage] = {}

    @property
    def usage(self) -> Usage:
        total = Usage(parts={})
        with self._lock:
            total.parts.update((name, msgspec.structs.replace(part)) for name, part in self._parts.items())
        for part in total.parts.values():
            total._add(part)
        return total

    def record(self, tried: Try) -> None:
        name = (tried.object, tried.operation, tried.entity or "")
        with self._lock:
            part = self._parts.get(name)
            if part is None:
                part = self._parts[name] = Usage()
            part.calls += 1
            part.transactions += tried.transactions
            part.bytes_sent += tried.sent
            part.bytes_received += tried.received
            part.seconds += tried.seconds
            part.waiting += tried.waited
            part.slept += tried.slept
            if tried.attempt > 1:
                part.retries += 1
            if tried.operation == "token":
                part.renewals += 1

    def add(self, usage: Usage) -> None:
        """Count what another meter counted before."""
        with self._lock:
            for name, part in usage.parts.items():
                self._parts.setdefault(name, Usage())._add(part)


class Several:
    """Tells several meters."""

    def __init__(self, *meters: Meter) -> None:
        self._meters = meters

    def record(self, tried: Try) -> None:
        for meter in self._meters:
            meter.record(tried)


class Measure:
    """`with intacct.measure() as spent:` ... `spent` is what the meter counted inside, complete once the block has
    ended. Other threads' calls through the same client count too."""

    def __init__(self, meter: CountingMeter) -> None:
        self._meter = meter
        self._spent = Usage(parts={})

    def __enter__(self) -> Usage:
        self._before = self._meter.usage
        return self._spent

    def __exit__(self, *_: object) -> None:
        spent = self._meter.usage - self._before
        for name in Usage.__struct_fields__:
            setattr(self._spent, name, getattr(spent, name))


def work_of(method: str, path: str) -> tuple[str, str]:
    """(object, operation) of a request, as far as its path tells: `GET /objects/a/b/7` -> (`a/b`, `read`)."""
    kind, _, rest = path.lstrip("/").partition("/")
    words = rest.split("/")
    if kind == "objects" and len(words) >= 2:
        name = f"{words[0]}/{words[1]}"
        if method == "GET":
            return name, "read" if len(words) > 2 else "list"
        return name, _WRITES.get(method, method.lower())
    if kind == "workflows" and len(words) >= 2:
        return f"{words[0]}/{words[1]}", words[-1]
    return "", words[-1] or kind


_WRITES = {"POST": "create", "PATCH": "update", "DELETE": "delete"}


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
