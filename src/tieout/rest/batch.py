"""Results of writes by position. Intacct answers in the order sent and knows none of your ids (DESIGN rule 2).

Every reply shape of REST reference 4.7 becomes a list of outcomes as long as what was sent, or an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tieout.errors import IntacctError, ReplyError, TieoutError
from tieout.rest.call import Reply
from tieout.rest.failures import find_error, refusal_from
from tieout.rest.rows import load_exact

State = Literal["posted", "failed", "unprocessed", "unknown"]
MAX_BATCH = 500
"""Records in one request (REST reference 4.4)."""
MAX_BODY = 1_000_000
"""Bytes of one request body; 1 MB is claimed by one client only (REST reference 8.7), so we stay below it."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What names a record: `key` in paths, `id` for people."""

    key: str
    id: str | None = None
    href: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one record.

    `posted`: Intacct holds it (`sage_state` may still be draft). `failed`: refused, see `error`. `unprocessed`:
    skipped because another record of an atomic batch failed. `unknown`: sent, no answer."""

    position: int
    """0-based place in what was sent."""
    state: State
    key: str | None = None
    id: str | None = None
    href: str | None = None
    sage_state: str | None = None
    error: TieoutError | None = None


class BatchResult(Sequence[Outcome]):
    """Outcomes of many writes, each with the caller's own record, in the order given."""

    def __init__(self, records: Sequence[Any], outcomes: Sequence[Outcome]) -> None:
        if len(records) != len(outcomes):
            raise ValueError("a result needs one outcome per record")
        self.records = records
        self.outcomes = outcomes

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
            if outcome.error is not None:
                raise outcome.error

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self._of(s))} {s}" for s in ("posted", "failed", "unprocessed", "unknown"))
        return f"BatchResult({len(self)} records: {counts})"


def read_outcomes(reply: Reply, count: int, request: str) -> list[Outcome]:
    """A batch reply -> one outcome per record sent.

    Raises ReplyError if the number of results differs: then nobody can say which is whose."""
    body = load_exact(reply.body)
    result = body.get("ia::result") if isinstance(body, dict) else None
    if isinstance(result, dict) and count == 1:
        result = [result]
    if not isinstance(result, list):
        raise ReplyError(f"{request} was answered without results.", advice="Nothing can be concluded from it.")
    if len(result) != count:
        raise ReplyError(
            f"{request} sent {count} records and got {len(result)} results.",
            advice="Results belong to records by position only, so none of them can be trusted.",
        )
    outcomes = [_outcome(position, item, reply.status, request) for position, item in enumerate(result)]
    meta = body.get("ia::meta") if isinstance(body, dict) else None
    errors = meta.get("totalError") if isinstance(meta, dict) else None
    if isinstance(errors, int) and errors > 0 and all(outcome.state == "posted" for outcome in outcomes):
        raise ReplyError(f"{request}: Intacct counts {errors} errors but shows none.", advice="None can be trusted.")
    return outcomes


def _outcome(position: int, item: Any, http_status: int, request: str) -> Outcome:
    if not isinstance(item, Mapping):
        raise ReplyError(f"{request}: result {position + 1} is not an object.")
    nested = item.get("ia::result")
    inner: Mapping[str, Any] = nested if isinstance(nested, Mapping) else item
    found = find_error(dict(item)) or find_error(dict(inner))
    status = item.get("ia::status", inner.get("ia::status"))
    status = status if isinstance(status, int) else http_status
    if found is None and status < 300:
        if inner.get("key") is None:
            raise ReplyError(f"{request}: result {position + 1} has neither a key nor an error.")
        return Outcome(
            position=position,
            state="posted",
            key=_text(inner.get("key")),
            id=_text(inner.get("id")),
            href=_text(inner.get("href")),
            sage_state=_text(inner.get("state")),
        )
    error: IntacctError = refusal_from(found or {}, status if status >= 400 else 422, request).error
    state: State = "unprocessed" if error.code == "unprocessed" or status == 429 else "failed"
    if status >= 500:
        state = "unknown"  # Intacct broke off at this record: it may hold it
    return Outcome(position=position, state=state, key=_text(inner.get("key")), error=error)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


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
