"""What becomes of many writes: one outcome per record, by position, and what it takes to ask again.

Knows positions and requests, no reply (`outcomes` reads those) and no I/O. Intacct answers in the order sent and
knows none of your ids (DESIGN rule 2).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from tieout.errors import IntacctError, TieoutError

State = Literal["posted", "failed", "unprocessed", "unknown"]
STATES: tuple[State, ...] = ("posted", "failed", "unprocessed", "unknown")
MAX_BATCH = 500
"""Records in one request, keys in one path (REST reference 4.4, 4.6)."""
MAX_BODY = 1_000_000
"""Bytes of one request body; 1 MB is claimed by one client only (REST reference 8.7), so we stay below it."""
MAX_PATH = 6_000
"""Bytes of one path with its keys. Web servers commonly take 8 kB of request line; Sage names no limit."""


_UNSENT = "The sending was interrupted before it; it can go into a new call."


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What names a record: `key` in paths, `id` for people."""

    key: str
    id: str | None = None
    href: str | None = None
    state: str | None = None
    """Where a workflow action moved the record, in Sage's own word: `posted`, `submitted`, `reversed` ..."""
    more: dict[str, Any] = {}
    """Whatever else an action answered, such as `downloadURL` or `releaseToPay`."""
    replayed: bool = False
    """Intacct repeated its answer to an earlier request under the same idempotency key (REST reference 7.6)."""

    def __repr__(self) -> str:
        shown = [f"key={self.key!r}"]
        shown += [f"{name}={value!r}" for name in ("id", "state") if (value := getattr(self, name)) is not None]
        return f"Reference({', '.join([*shown, *(f'{name}=…' for name in self.more)])})"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record.

    `posted`: Intacct did it (`sage_state` may still be draft). `failed`: refused, see `error`. `unprocessed`: not
    looked at, because another record of an atomic batch failed or sending stopped before it. `unknown`: sent, and
    nobody can tell; `retry_unknown` asks again."""

    position: int
    """0-based place in what was sent."""
    state: State
    key: str | None = None
    id: str | None = None
    href: str | None = None
    sage_state: str | None = None
    error: TieoutError | None = None
    more: dict[str, Any] = {}
    """Whatever else an action answered, such as `downloadURL`."""
    replayed: bool = False
    """Intacct repeated its answer to an earlier request under the same idempotency key (REST reference 7.6)."""

    def to_dict(self) -> dict[str, Any]:
        """A flat row for a report, every column always there: names, state, and the error in words and codes."""
        error = self.error
        said = error if isinstance(error, IntacctError) else None
        return {
            "position": self.position,
            "state": self.state,
            "key": self.key,
            "id": self.id,
            "href": self.href,
            "sage_state": self.sage_state,
            "error": error.message if error is not None else None,
            "error_id": (said.error_id or said.code or None) if said is not None else None,
            "detail": "; ".join(d.message for d in said.details) or None if said is not None else None,
            "target": next((d.target for d in said.details if d.target), None) if said is not None else None,
            "support_id": (said.support_id or None) if said is not None else None,
            "advice": (error.advice or None) if error is not None else None,
        }

    def __repr__(self) -> str:
        shown = [str(self.position), self.state]
        shown += [f"{name}={value!r}" for name in ("key", "id", "sage_state") if (value := getattr(self, name))]
        if self.error is not None:
            shown.append(f"{type(self.error).__name__}: {_reason(self.error)}")
        return f"Outcome({', '.join(shown)})"


def _reason(error: TieoutError) -> str:
    """The refusal's own words: around them Intacct says no more than that the request was unsuccessful."""
    details = [detail.message for detail in error.details if detail.message] if isinstance(error, IntacctError) else []
    return "; ".join(details) or error.message


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it went out: enough to send exactly the same again (DESIGN rule 1)."""

    method: str
    path: str
    positions: tuple[int, ...]
    """Places in the caller's sequence, in the order of the request."""
    keys: tuple[str | None, ...]
    """The keys that the records have already, None for those to be created."""
    body: bytes | None
    idempotency_key: str | None
    """None for DELETE, which takes no key."""
    atomic: bool
    entity: str
    """"" for the token's own level."""
    first_sent: datetime
    """Aware UTC, by our clock."""

    def __repr__(self) -> str:
        return f"Sent({self.method} {self.path.partition(',')[0]}, {len(self.positions)} records)"


class BatchResult(Sequence[Outcome]):
    """Outcomes of many writes, each with the caller's own record, in the order given.

    Holds the bytes and keys of the requests whose outcome is unknown, so that `retry_unknown` can settle them."""

    def __init__(self, records: Sequence[Any], outcomes: Sequence[Outcome], unsettled: Sequence[Sent] = ()) -> None:
        if len(records) != len(outcomes):
            raise ValueError("a result needs one outcome per record")
        self.records = records
        self.outcomes = outcomes
        self.unsettled = tuple(unsettled)
        """Requests with at least one record whose outcome is unknown."""

    def __getitem__(self, position: Any) -> Any:
        return self.outcomes[position]

    def __len__(self) -> int:
        return len(self.outcomes)

    def pairs(self) -> Iterator[tuple[Any, Outcome]]:
        """(record, outcome) in order."""
        return zip(self.records, self.outcomes, strict=True)

    def _of(self, state: State) -> list[tuple[Any, Outcome]]:
        return [(record, outcome) for record, outcome in self.pairs() if outcome.state == state]

    @property
    def posted(self) -> list[tuple[Any, Outcome]]:
        return self._of("posted")

    @property
    def failed(self) -> list[tuple[Any, Outcome]]:
        return self._of("failed")

    @property
    def unprocessed(self) -> list[tuple[Any, Outcome]]:
        return self._of("unprocessed")

    @property
    def unknown(self) -> list[tuple[Any, Outcome]]:
        return self._of("unknown")

    def raise_if_any(self) -> None:
        """Raise the first error, if a record was not posted."""
        for outcome in self.outcomes:
            if outcome.state != "posted":
                raise outcome.error or TieoutError(f"Record {outcome.position + 1} was not sent.", advice=_UNSENT)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat row per record, in order, for a table, a CSV file or a data frame. No record's own content."""
        return [outcome.to_dict() for outcome in self.outcomes]

    @staticmethod
    def rescued(error: BaseException) -> BatchResult | None:
        """What was known when a run was interrupted (Ctrl-C, a cancelled task), from the exception or its causes."""
        seen: BaseException | None = error
        while seen is not None:
            found = vars(seen).get("batch_result")
            if isinstance(found, BatchResult):
                return found
            seen = seen.__cause__ or seen.__context__
        return None

    def __repr__(self) -> str:
        found = [outcome.state for outcome in self.outcomes]
        counts = ", ".join(f"{found.count(state)} {state}" for state in STATES)
        return f"BatchResult({len(self)} record{'' if len(self) == 1 else 's'}: {counts})"


def all_failed(count: int, error: TieoutError, state: State = "failed") -> list[Outcome]:
    """One error for every record of a request: it was refused as a whole, or nobody knows."""
    return [Outcome(position=position, state=state, error=error) for position in range(count)]


def cut(bodies: Sequence[bytes], *, most: int = MAX_BATCH, largest: int = MAX_BODY) -> Iterator[range]:
    """Cut encoded records into batches of at most `most` records and `largest` bytes -> ranges of positions.
    A single record over the limit makes a batch of its own: Intacct decides."""
    start, size = 0, 2
    for position, body in enumerate(bodies):
        if position > start and (position - start >= most or size + len(body) + 1 > largest):
            yield range(start, position)
            start, size = position, 2
        size += len(body) + 1
    if start < len(bodies):
        yield range(start, len(bodies))


def cut_keys(lengths: Sequence[int], keys: Sequence[Hashable], *, room: int, most: int = MAX_BATCH) -> Iterator[range]:
    """Cut keys into paths of at most `most` keys and `room` bytes -> ranges of positions. A key that comes again
    goes into another request: whether Intacct answers it once or twice in one is not documented."""
    start, size = 0, 0
    seen: set[Hashable] = set()
    for position, (length, key) in enumerate(zip(lengths, keys, strict=True)):
        full = position - start >= most or size + length + 1 > room
        if position > start and (full or key in seen):
            yield range(start, position)
            start, size, seen = position, 0, set()
        size += length + 1
        seen.add(key)
    if start < len(keys):
        yield range(start, len(keys))
