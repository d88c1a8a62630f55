"""A call is data: what to send, how to read the answer, and whether it may be repeated.

Nothing here does I/O or knows a connection; `operations` makes calls, `perform` carries them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from tieout.errors import ConfigurationError

T = TypeVar("T")

CACHED_HEADER = "x-ia-idempotency-cached-date"
"""On an answer that Intacct repeats from the first request under the same key (REST reference 7.6)."""


class Repeat(Enum):
    """Whether a call may be sent again after an attempt that got no answer (DESIGN rule 1)."""

    FREE = "free"
    """Reads: as often as needed."""
    KEYED = "keyed"
    """Writes under an idempotency key: the same bytes under the same key."""
    DELETE = "delete"
    """DELETE takes no key, but 404 after an unanswered attempt means that it worked."""
    NEVER = "never"
    """Only where the attempt certainly did nothing: no connection, or a throttle."""


class Request(msgspec.Struct, frozen=True):
    """What goes over the wire. `headers` hold the bearer token: never print them."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]}, {len(self.body or b'')} bytes)"


class Reply(msgspec.Struct, frozen=True):
    """What came back. Header names are lower-case; the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def date(self) -> datetime | None:
        """The server's clock (Date header), aware UTC. Watermarks come from here, never from our own clock."""
        text = self.headers.get("date")
        if not text:
            return None
        from email.utils import parsedate_to_datetime  # slow to import, and only a reply needs it

        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

    @property
    def replayed(self) -> bool:
        """Intacct repeats the answer to an earlier request under the same idempotency key (REST reference 7.6)."""
        return CACHED_HEADER in self.headers

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


MAX_KEY = 256
"""Characters of an idempotency key (REST reference 7.6)."""


def checked_key(key: str) -> str:
    """An idempotency key that can be sent. Raises ConfigurationError: a key that Intacct cut or ignored would not
    keep a write from being done twice."""
    if 0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable() and key == key.strip():
        return key
    raise ConfigurationError(
        "This idempotency key cannot be sent.", advice=f"A key is 1 to {MAX_KEY} printable ASCII characters."
    )


def checked_entity(entity: Any) -> str:
    """An entity id that can be a header. Raises ConfigurationError: one that gets lost on the way would run the call
    at the top level."""
    if isinstance(entity, str) and entity.isascii() and entity.isprintable() and entity.strip():
        return entity
    raise ConfigurationError(
        f"{entity!r} cannot be an entity id.",
        advice="It is sent as a header, printable ASCII only; None is the token's own level.",
    )


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One API operation. `parse` turns a successful reply into the result, or raises ReplyError."""

    method: str
    path: str
    """Below the base URL: `/objects/accounts-payable/vendor/46`. Percent-encoded."""
    parse: Callable[[Reply], T]
    repeat: Repeat
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}
    body: bytes | None = None
    content_type: str = "application/json"
    entity: str | None = None
    """Overrides the client's entity for this call; "" asks for none (REST reference 2)."""
    idempotency_key: str | None = None
    new_key: bool = False
    """The key was made for this call: no earlier request can have used it."""
    rekeyed: Callable[[str], None] | None = None
    """Told the key under which the call goes on, where that is not the one it began with."""
    authorised: bool = True
    """False for the token endpoint: no bearer token is sent."""
    secrets: tuple[str, ...] = ()
    """What the body holds and no error may show, should the server echo it."""
    batch: bool = False
    """`parse` reads item errors itself, under any status (REST reference 4.7)."""
    see_other: bool = False
    """303 is an answer for `parse`: it names where a result lies (REST reference 7.8). It is not followed."""
    parse_again: Callable[[Reply], T] | None = None
    """Reads a reply that follows an unanswered try, where that changes what it means: a deleted record is not found."""
    transactions: int = 1
    """Billable transactions if it succeeds: pages read, or records written (REST reference 8.6)."""

    object: str = ""
    """What the request concerns, where the path does not say: the meter counts by it."""

    def __repr__(self) -> str:
        return f"Call({self.method} {self.path})"
