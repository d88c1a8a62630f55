"""The clients: one company over REST. `Intacct` blocks, `AsyncIntacct` awaits; what they do is in `actions`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import ConfigurationError, IntacctError, NotAuthorisedError, redacted
from tieout.rest import actions, operations
from tieout.rest.actions import Desk
from tieout.rest.batch import BatchResult, Reference
from tieout.rest.call import Call
from tieout.rest.drivers import AsyncDriver, SyncDriver
from tieout.rest.effects import Exchange
from tieout.rest.filters import Filter
from tieout.rest.limiter import Limiter
from tieout.rest.memory import Memory, ProcessMemory
from tieout.rest.meter import CountingMeter, Meter
from tieout.rest.perform import Session, perform
from tieout.rest.query import DEFAULT_PAGE, MAX_PAGE
from tieout.rest.rows import Page, Record, Row
from tieout.rest.tokens import ClientCredentials, RefreshToken, TokenSource
from tieout.rest.transport import (
    AsyncHttpTransport,
    AsyncInProcessTransport,
    AsyncTransport,
    HttpTransport,
    InProcessTransport,
    Transport,
)

T = TypeVar("T")
D = TypeVar("D", SyncDriver, AsyncDriver)

BASE_URL = "https://api.intacct.com/ia/api/v1"
"""One host for all companies; the token names the company (REST reference)."""
API_PATH = "/ia/api/v1"
CONCURRENCY = 4
"""Requests under way at once. Tier 1 allows 6 per application (REST reference 8.6)."""
VARIABLES = ("TIEOUT_CLIENT_ID", "TIEOUT_CLIENT_SECRET", "TIEOUT_USER", "TIEOUT_COMPANY")


class _Client(Generic[D]):
    """What both clients are made of."""

    _driver: D

    def __init__(
        self,
        *,
        tokens: TokenSource | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        user: str | None = None,
        company: str | None = None,
        refresh_token: str | None = None,
        entity: str | None = None,
        base_url: str = BASE_URL,
        timeout: float = 60.0,
        deadline: float = 300.0,
        concurrency: int = CONCURRENCY,
        memory: Memory | None = None,
        meter: Meter | None = None,
        transport: Any = None,
    ) -> None:
        """Give `client_id`, `client_secret`, `user` and `company` for client credentials, or `client_id`,
        `client_secret` and `refresh_token`, or any TokenSource as `tokens`.

        `timeout` is seconds for one try, `deadline` seconds for a call with all its retries. `entity` runs every
        call in that entity (REST reference 2)."""
        if entity is not None and not (entity.isascii() and entity.isprintable() and entity.strip()):
            raise ConfigurationError(
                f"{entity!r} cannot be an entity id.", advice="It is sent as a header: ASCII only."
            )
        source = tokens or _source(client_id, client_secret, user, company, refresh_token)
        self.meter = meter if meter is not None else CountingMeter()
        session = Session(
            base_url=api_url(base_url),
            tokens=source,
            meter=self.meter,
            entity=entity,
            timeout=timeout,
            deadline=deadline,
        )
        self._desk = Desk(session=session, memory=memory if memory is not None else ProcessMemory())
        self._driver = self._make_driver(transport, Limiter(concurrency))

    def _make_driver(self, transport: Any, limiter: Limiter) -> D:
        raise NotImplementedError

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Client credentials from TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET, TIEOUT_USER, TIEOUT_COMPANY and,
        if set, TIEOUT_ENTITY and TIEOUT_BASE_URL."""
        missing = [name for name in VARIABLES if not os.environ.get(name)]
        if missing:
            raise NotAuthorisedError(
                f"The environment does not name a connection: {', '.join(missing)} not set.",
                advice=f"Set {', '.join(VARIABLES)}.",
            )
        client_id, client_secret, user, company = (os.environ[name] for name in VARIABLES)
        given: dict[str, Any] = {
            "client_id": client_id,
            "client_secret": client_secret,
            "user": user,
            "company": company,
            "entity": os.environ.get("TIEOUT_ENTITY") or None,
            "base_url": os.environ.get("TIEOUT_BASE_URL") or BASE_URL,
        }
        return cls(**(given | options))

    @property
    def entity(self) -> str | None:
        """The entity that calls run in; None for the token's own level."""
        return self._desk.session.entity

    @property
    def base_url(self) -> str:
        return self._desk.session.base_url

    @property
    def memory(self) -> Memory:
        return self._desk.memory

    def with_entity(self, entity: str | None) -> Self:
        """The same connection, token and pacing, in another entity (None: the token's own level)."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        session = msgspec.structs.replace(self._desk.session, entity=entity)
        twin._desk = Desk(session=session, memory=self._desk.memory)
        return twin

    def _pages(
        self,
        object: str,
        fields: Sequence[str] | None,
        where: Filter | str | None,
        *,
        page_size: int,
        limit: int | None,
        **options: Any,
    ) -> Exchange[None]:
        if not 1 <= page_size <= MAX_PAGE:
            raise ConfigurationError(f"A page has 1 to {MAX_PAGE} rows, not {page_size}.")
        asked = actions.checked_query(self._desk, object, fields, where, **options)
        return actions.pages(self._desk, asked, page_size=page_size, limit=limit, named=fields is not None)

    def __repr__(self) -> str:
        place = f", entity={self.entity!r}" if self.entity else ""
        return f"{type(self).__name__}({self._desk.session.tokens!r}, {self.base_url!r}{place})"


class Rows:
    """The rows of a query, read page by page while you iterate. Can be iterated again: that reads again."""

    def __init__(self, client: Intacct, asked: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._client, self._asked, self._options = client, asked, options

    def pages(self) -> Iterator[Page[Row]]:
        """Page by page, with totals and the server's clock."""
        exchange = self._client._pages(*self._asked, **self._options)
        return self._client._driver.iterate(exchange)

    def __iter__(self) -> Iterator[Row]:
        for page in self.pages():
            yield from page.rows

    def __repr__(self) -> str:
        return f"Rows({self._asked[0]!r})"


class AsyncRows:
    """The same for `async for`."""

    def __init__(self, client: AsyncIntacct, asked: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._client, self._asked, self._options = client, asked, options

    def pages(self) -> AsyncIterator[Page[Row]]:
        """Page by page, with totals and the server's clock."""
        exchange = self._client._pages(*self._asked, **self._options)
        return self._client._driver.iterate(exchange)

    async def __aiter__(self) -> AsyncIterator[Row]:
        async for page in self.pages():
            for row in page.rows:
                yield row

    def __repr__(self) -> str:
        return f"AsyncRows({self._asked[0]!r})"


class Intacct(_Client[SyncDriver]):
    """One Intacct company. Threads may share it.

    >>> with Intacct.from_env() as intacct:
    ...     for vendor in intacct.query("vendors", ["id", "name"], F("status") == "active"):
    ...         print(vendor.id, vendor.name)
    """

    def _make_driver(self, transport: Transport | None, limiter: Limiter) -> SyncDriver:
        return SyncDriver(transport or HttpTransport(), limiter)

    def query(
        self,
        object: str,
        fields: Sequence[str] | None = None,
        where: Filter | str | None = None,
        *,
        order_by: Sequence[str] = (),
        page_size: int = DEFAULT_PAGE,
        limit: int | None = None,
        private: bool = False,
        case_sensitive: bool = True,
        as_of: str | None = None,
    ) -> Rows:
        """Rows of the query service, lazily (REST reference 5). One billable transaction a page.

        `fields` are names and dotted paths, or aggregates such as `sum:totalDue`; None asks for the common ones.
        `where` is a filter or its text. `order_by` names fields, `-` before one for descending; `key` is always
        added last. Names are checked against the company's model before the first page (CheckError)."""
        options = {"order_by": order_by, "private": private, "case_sensitive": case_sensitive, "as_of": as_of}
        return Rows(self, (object, fields, where), options | {"page_size": page_size, "limit": limit})

    def count(self, object: str, where: Filter | str | None = None, *, private: bool = False) -> int:
        """How many records match. One billable transaction."""
        return self._driver.run(actions.count(self._desk, object, where, private=private))

    def totals(
        self, object: str, sums: Sequence[str], where: Filter | str | None = None, *, private: bool = False
    ) -> dict[str, Decimal | None]:
        """Intacct's own exact sums, {field: sum}. One billable transaction."""
        return self._driver.run(actions.totals(self._desk, object, sums, where, private=private))

    def get(self, object: str, key: str) -> Record:
        """One full record with its lines, by key. Raises NotFoundError."""
        return self._driver.run(actions.get(self._desk, object, key))

    def get_many(self, object: str, keys: Iterable[str]) -> list[Record | IntacctError]:
        """Full records in the order of the keys, 500 a request; a missing one is its NotFoundError."""
        return self._driver.run(actions.get_many(self._desk, object, keys))

    def create(self, object: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Reference:
        """Create one record. Raises RefusedError, InvalidRequestError, OutcomeUnknownError."""
        call = operations.create(catalogue.resolve(object), body, idempotency_key=idempotency_key)
        return self.call(call)

    def create_many(self, object: str, bodies: Sequence[Mapping[str, Any]]) -> BatchResult:
        """Create many, 500 a request, each record on its own: some may fail while others are posted."""
        return self._driver.run(actions.create_many(self._desk, object, bodies))

    def update(
        self, object: str, key: str, changes: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Reference:
        """Change the fields given; None clears one (REST reference 4.5)."""
        return self.call(operations.update(catalogue.resolve(object), key, changes, idempotency_key=idempotency_key))

    def delete(self, object: str, key: str) -> None:
        """Delete one record. Raises NotFoundError if it was not there."""
        self.call(operations.delete(catalogue.resolve(object), key))

    def model(self, object: str) -> Model:
        """What the company's object is made of, from memory while it is young."""
        return self._driver.run(actions.model(self._desk, object))

    def references(self, object: str) -> list[Reference]:
        """The list endpoint: the first 100 references. For everything else use `query`."""
        return self.call(operations.list_references(catalogue.resolve(object)))

    def call(self, call: Call[T]) -> T:
        """Perform any Call with this client's token, entity, pacing, retries and errors."""
        return self._driver.run(perform(self._desk.session, call))

    def close(self) -> None:
        self._driver.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncIntacct(_Client[AsyncDriver]):
    """One Intacct company, for asyncio: the methods of Intacct, awaited."""

    def _make_driver(self, transport: AsyncTransport | InProcessTransport | None, limiter: Limiter) -> AsyncDriver:
        if isinstance(transport, InProcessTransport):
            transport = AsyncInProcessTransport(transport)
        return AsyncDriver(transport or AsyncHttpTransport(), limiter)

    def query(
        self,
        object: str,
        fields: Sequence[str] | None = None,
        where: Filter | str | None = None,
        *,
        order_by: Sequence[str] = (),
        page_size: int = DEFAULT_PAGE,
        limit: int | None = None,
        private: bool = False,
        case_sensitive: bool = True,
        as_of: str | None = None,
    ) -> AsyncRows:
        """As Intacct.query, for `async for`."""
        options = {"order_by": order_by, "private": private, "case_sensitive": case_sensitive, "as_of": as_of}
        return AsyncRows(self, (object, fields, where), options | {"page_size": page_size, "limit": limit})

    async def count(self, object: str, where: Filter | str | None = None, *, private: bool = False) -> int:
        """As Intacct.count."""
        return await self._driver.run(actions.count(self._desk, object, where, private=private))

    async def totals(
        self, object: str, sums: Sequence[str], where: Filter | str | None = None, *, private: bool = False
    ) -> dict[str, Decimal | None]:
        """As Intacct.totals."""
        return await self._driver.run(actions.totals(self._desk, object, sums, where, private=private))

    async def get(self, object: str, key: str) -> Record:
        """As Intacct.get."""
        return await self._driver.run(actions.get(self._desk, object, key))

    async def get_many(self, object: str, keys: Iterable[str]) -> list[Record | IntacctError]:
        """As Intacct.get_many."""
        return await self._driver.run(actions.get_many(self._desk, object, keys))

    async def create(self, object: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Reference:
        """As Intacct.create."""
        return await self.call(operations.create(catalogue.resolve(object), body, idempotency_key=idempotency_key))

    async def create_many(self, object: str, bodies: Sequence[Mapping[str, Any]]) -> BatchResult:
        """As Intacct.create_many."""
        return await self._driver.run(actions.create_many(self._desk, object, bodies))

    async def update(
        self, object: str, key: str, changes: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Reference:
        """As Intacct.update."""
        call = operations.update(catalogue.resolve(object), key, changes, idempotency_key=idempotency_key)
        return await self.call(call)

    async def delete(self, object: str, key: str) -> None:
        """As Intacct.delete."""
        await self.call(operations.delete(catalogue.resolve(object), key))

    async def model(self, object: str) -> Model:
        """As Intacct.model."""
        return await self._driver.run(actions.model(self._desk, object))

    async def references(self, object: str) -> list[Reference]:
        """As Intacct.references."""
        return await self.call(operations.list_references(catalogue.resolve(object)))

    async def call(self, call: Call[T]) -> T:
        """As Intacct.call."""
        return await self._driver.run(perform(self._desk.session, call))

    async def close(self) -> None:
        await self._driver.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def api_url(url: str) -> str:
    """A base URL with the API path: `http://127.0.0.1:8765` -> `http://127.0.0.1:8765/ia/api/v1`.

    Plain http is accepted for this machine only: a bearer token never crosses a network in the clear."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    if not separator or scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"{redacted(url)!r} is not an http(s) URL.", advice=f"Example: {BASE_URL}")
    if "@" in rest.partition("/")[0]:
        raise ConfigurationError("The base URL must not hold a user or password.")
    if scheme == "http" and name not in ("127.0.0.1", "localhost", "[::1]"):
        raise ConfigurationError(
            f"{redacted(url)!r} is not encrypted.", advice="Use https; http is for a local simulator only."
        )
    trimmed = f"{scheme}://{rest}"
    return trimmed if "/ia/api/" in trimmed else trimmed + API_PATH


def _source(
    client_id: str | None,
    client_secret: str | None,
    user: str | None,
    company: str | None,
    refresh_token: str | None,
) -> TokenSource:
    if client_id and client_secret and refresh_token:
        return RefreshToken(client_id=client_id, client_secret=client_secret, refresh_token=refresh_token)
    if client_id and client_secret and user and company:
        return ClientCredentials(client_id=client_id, client_secret=client_secret, user=user, company=company)
    raise NotAuthorisedError(
        "No credentials: client_id, client_secret and either user and company or refresh_token are needed.",
        advice="Pass them, or use Intacct.from_env(), or `tieout.simulated()` to try without an Intacct company.",
    )
