"""Builds a client of a connection, blocking or for asyncio: both from the same tokens, memory, log and slots.

Knows what a client needs of the state database; which connection it is, and whether it may be opened, is the
registry's business.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tieout.connections import rows
from tieout.connections.levels import LevelCheck
from tieout.connections.memory import StoreMemory
from tieout.connections.permits import Permits
from tieout.connections.requests import AsyncLogged, Logged, StoredLog
from tieout.connections.rows import Connection
from tieout.connections.slots import Hold
from tieout.connections.tokens import StoreTokens
from tieout.rest import AsyncIntacct, AsyncTransport, Budget, InProcessTransport, Intacct, Meter, Transport
from tieout.rest.base import Client
from tieout.rest.meter import Several
from tieout.rest.pace import Tier, ceiling
from tieout.rest.transport import AsyncHttpTransport, HttpTransport
from tieout.store import Store

C = TypeVar("C", bound=Client[Any])


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a client."""

    connection: Connection
    tokens: StoreTokens
    entity: str | None
    """None: the level of the token."""
    tier: Tier | None
    concurrency: int | None
    budget: Budget | None
    meter: Meter | None
    permits: Permits | None = None
    """What it may write; None: everything."""
    closing: Callable[[], None] | None
    """Called when the client was closed."""


def blocking(store: Store, opening: Opening, transport: Transport | None) -> Intacct:
    """A client for threads. Asks nothing of Intacct yet."""

    def logged(log: StoredLog, closing: Callable[[], None]) -> Logged:
        return Logged(transport or HttpTransport(), log, closing)

    return _client(Intacct, store, opening, logged)


def awaited(store: Store, opening: Opening, transport: AsyncTransport | InProcessTransport | None) -> AsyncIntacct:
    """A client for tasks. Asks nothing of Intacct yet."""

    def logged(log: StoredLog, closing: Callable[[], None]) -> AsyncLogged:
        return AsyncLogged(transport or AsyncHttpTransport(), log, closing)

    return _client(AsyncIntacct, store, opening, logged)


def _client(
    kind: type[C], store: Store, opening: Opening, logged: Callable[[StoredLog, Callable[[], None]], object]
) -> C:
    connection = opening.connection
    where = connection.base_url if connection.is_simulator else connection.environment
    log = StoredLog(store, where, connection.company)
    left: list[Callable[[], None]] = []

    def close() -> None:
        for leave in left:
            leave()
        if opening.closing is not None:
            opening.closing()

    client = kind(
        tokens=opening.tokens,
        base_url=connection.base_url,
        company=connection.company,
        tier=opening.tier,
        concurrency=opening.concurrency,
        budget=opening.budget,
        entity=opening.entity,
        memory=StoreMemory(store, where, connection.company),
        meter=log if opening.meter is None else Several(log, opening.meter),
        before_write=LevelCheck(connection),
        allows=opening.permits,
        transport=logged(log, close),
    )
    place = rows.identity(connection.environment, connection.company, connection.user, connection.base_url)["place"]
    most = ceiling(opening.tier, opening.concurrency)
    hold = Hold(store, place, connection.company, client.limiter, opening.tier, most)
    left.append(hold.leave)
    weakref.finalize(client, hold.leave_later).atexit = False
    return client
