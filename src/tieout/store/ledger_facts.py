"""What the push ledger holds, as values: scopes, records, batches, results. Knows no table and no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

State: TypeAlias = Literal["pending", "sending", "posted", "failed", "unprocessed", "unknown", "held"]
NOT_ARRIVED: tuple[State, ...] = ("failed", "unprocessed", "held", "pending")
"""States of a record that Intacct does not hold, for certain."""
IN_FLIGHT: tuple[State, ...] = ("sending", "unknown")
"""States of a record in a batch that is not resolved: never to be sent under another key."""
LONGEST: Final[Mapping[str, int]] = {"key": 255, "id": 1_024, "href": 1_024, "page": 1_024, "state": 64}
"""Characters there is room for in what Intacct calls a record, and in the address where a person finds it."""
CHANGES = ("update", "append")
"""What can be done to a posted record whose source says something else by now; `step` counts how often."""


class Seal(Protocol):
    """Encrypts an owner's bytes and opens them, bound to a context. The vault is one."""

    def encrypt(self, plain: bytes, context: str, owner: str) -> bytes: ...
    def decrypt(self, sealed: bytes, context: str) -> bytes: ...
    def as_seen(self, transaction: Any, owner: str, *sealed: bytes | None) -> Seal:
        """The same for many at once, with the keys looked for once."""
        ...


class Scope(msgspec.Struct, frozen=True):
    """Whose ledger: company, environment, entity ("" at the top level) and the push's name."""

    company: str
    environment: str
    entity: str
    push: str

    def values(self) -> dict[str, str]:
        return {"company": self.company, "environment": self.environment, "entity": self.entity, "push": self.push}

    def could_repeat(self, mine: Scope) -> bool:
        """Whether records of this other scope may be those of mine: another push of the same books, or the same push
        under another label or in another entity."""
        same_books = (self.environment, self.entity) == (mine.environment, mine.entity)
        return self != mine and (self.push == mine.push or same_books)

    def seen_from(self, mine: Scope) -> str:
        """What this other scope is called in a sentence to whoever pushes in mine."""
        if self.push != mine.push:
            return f"push {self.push}"
        if self.environment != mine.environment:
            return f"this push, when the company was labelled {self.environment}"
        return f"this push in entity {self.entity}" if self.entity else "this push at the top level"


class LedgerRecord(msgspec.Struct, kw_only=True, gc=False):
    """One record as the ledger has it. `error` holds what `IntacctError.to_dict` gave, or a `reason`."""

    source_id: str
    payload_hash: str
    state: State
    rows: tuple[int, ...] = ()
    entries: tuple[str, ...] = ()
    totals: dict[str, Decimal] = msgspec.field(default_factory=dict)
    batch_id: str | None = None
    position: int | None = None
    sage_key: str | None = None
    sage_id: str | None = None
    href: str | None = None
    page: str | None = None
    """Where a person finds it in Intacct; None where Intacct gives no address, or it was never read back."""
    sage_state: str | None = None
    error: dict[str, Any] | None = None
    attempt: int = 0
    updated_at: str = ""
    dismissed_at: str | None = None
    """Since when its owner wants to hear no more of it; only of records that never arrived."""
    gone_at: str | None = None
    """Since when it is known that Intacct does not hold it any more, though it was posted."""
    facts: dict[str, Any] | None = None
    """What a step needs to know, and what became of the record before."""
    operation: str = ""
    """As read; what is written goes to the ledger's own operation and step."""
    step: int = 0


class Entry(msgspec.Struct, gc=False):
    """What is written of a record, as the tables have it: `rows` and `totals` are JSON already."""

    source_id: str
    payload_hash: str
    rows: str
    totals: str
    entries: Sequence[str] = ()
    """Ids of its rows, where several rows make one document."""
    attempt: int = 0
    error: str | None = None
    facts: str | None = None
    """What a step needs to know, JSON; kept from the first time."""


class Packed(NamedTuple):
    """Records that are written as one value (`ledger_packed`): none has rows with ids of their own."""

    ids: list[str]
    data: bytes


class Result(msgspec.Struct, kw_only=True, gc=False):
    """What became of the record at one position of a batch."""

    position: int
    state: State
    sage_key: str | None = None
    sage_id: str | None = None
    href: str | None = None
    sage_state: str | None = None
    error: dict[str, Any] | None = None


class Posted(msgspec.Struct, array_like=True, gc=False):
    """What Intacct called the records of a request all of which it posted: a column each, in the order sent."""

    keys: Sequence[str | None]
    ids: Sequence[str | None]
    hrefs: Sequence[str | None]
    states: Sequence[str | None]
    """Sage's own."""


class Batch(msgspec.Struct, kw_only=True):
    """One request, exactly as it goes out and would go out again. `body` is empty in what `open_batches` lists."""

    id: str
    object: str
    method: str
    path: str
    body: bytes = b""
    idempotency_key: str
    epoch: int
    count: int
    created_at: str = ""
    note: str | None = None
    operation: str = ""
    """As read, like `step`."""
    step: int = 0
    atomic: bool = False
    """All records or none: the header of the first time belongs to every other time."""
    keys: tuple[str | None, ...] = ()
    """The keys that the records have already, in the order sent; empty where Intacct gives them."""


class LastRun(msgspec.Struct, kw_only=True, frozen=True):
    """The latest run of a push. `counts` are its documents by outcome, empty where it did not finish."""

    started_at: str
    finished: bool
    counts: dict[str, int] = msgspec.field(default_factory=dict)


class Origin(NamedTuple):
    """The record that a row was of before anybody corrected it."""

    entity: str
    """As the ledger has it."""
    source_id: str
    said: str
    """A hash of what all rows of that record said."""


class Original(msgspec.Struct, kw_only=True):
    """The rows of one record as its source has them. `rows` is what the push room packed; None once it is settled."""

    source_id: str
    generation: str
    columns: tuple[str, ...]
    rows: bytes | None
    entity: str = ""
    """As read; what is written goes to the scope's own."""
    origins: tuple[Origin, ...] = ()
    """Row by row, where they are not as the source has them: they were corrected before, and not posted."""


class Correction(msgspec.Struct, kw_only=True, frozen=True):
    """One cell that somebody changed in a row that was not posted."""

    source_id: str
    """As it was before."""
    row: int
    """Its number in the source."""
    column: str
    before: str | None
    """None where the value is not to be shown."""
    after: str | None
    by: str
    at: str
    """ISO 8601 in UTC."""
    file: str
    entity: str = ""
    """As the ledger has it; what is written goes to the scope's own."""


def now_text() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
