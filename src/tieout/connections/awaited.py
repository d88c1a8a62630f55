"""The connections for asyncio: every method of the blocking ones, awaited. Holds no rule of its own.

A method runs in a thread, since it waits for the database or for Intacct; a task that is cancelled stops waiting, and
what has begun goes on. Only a client is another one: `open` gives an AsyncIntacct.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from tieout.connections.apps import Apps
from tieout.connections.audit import Audit, acting_as
from tieout.connections.links import LIFETIME, Link, Links
from tieout.connections.registry import Connections
from tieout.connections.sign_ins import SignIns
from tieout.connections.vault import Vault
from tieout.connections.webhooks import Webhooks

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
_PAGE = 500


def _awaited(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """The same method of the blocking object, in a thread. Who is `acting_as` stays the same there."""

    @functools.wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self.blocking, *args, **kwargs)

    return call


def _streamed(method: Callable[Concatenate[S, P], Iterator[R]]) -> Callable[Concatenate[Any, P], AsyncIterator[R]]:
    """The same for a method that yields, for `async for`."""

    @functools.wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        found = method(self.blocking, *args, **kwargs)

        def page() -> list[R]:
            return [item for _, item in zip(range(_PAGE), found, strict=False)]

        while batch := await asyncio.to_thread(page):
            for item in batch:
                yield item

    return call


class Mirror(Generic[S]):
    """An object whose methods are awaited."""

    def __init__(self, blocking: S) -> None:
        self.blocking = blocking
        """What does the work."""

    def __repr__(self) -> str:
        return f"Async{self.blocking!r}"


class AsyncApps(Mirror[Apps]):
    """As Apps."""

    all = _awaited(Apps.all)
    get = _awaited(Apps.get)
    draft = _awaited(Apps.draft)
    change = _awaited(Apps.change)
    submit = _awaited(Apps.submit)
    approve = _awaited(Apps.approve)
    set_secret = _awaited(Apps.set_secret)
    credentials = _awaited(Apps.credentials)
    remove = _awaited(Apps.remove)
    production_keys = _awaited(Apps.production_keys)


class AsyncSignIns(Mirror[SignIns]):
    """As SignIns."""

    begin = _awaited(SignIns.begin)
    finish = _awaited(SignIns.finish)
    cancel = _awaited(SignIns.cancel)


class AsyncLinks(Mirror[Links]):
    """As Links, without what takes part in a transaction."""

    make = _awaited(Links.make)
    look = _awaited(Links.look)


class AsyncWebhooks(Mirror[Webhooks]):
    """As Webhooks."""

    set = _awaited(Webhooks.set)
    get = _awaited(Webhooks.get)
    clear = _awaited(Webhooks.clear)
    events = _awaited(Webhooks.events)
    again = _awaited(Webhooks.again)
    deliver = _awaited(Webhooks.deliver)


class AsyncAudit(Mirror[Audit]):
    """As Audit."""

    append = _awaited(Audit.append)
    entries = _streamed(Audit.entries)
    verify = _awaited(Audit.verify)
    export = _awaited(Audit.export)


class AsyncConnections(Mirror[Connections]):
    """As Connections.

    >>> async with await AsyncConnections.at("postgresql://…") as connections:
    ...     intacct = await connections.open("us", owner="tenant-7")
    """

    def __init__(self, blocking: Connections) -> None:
        super().__init__(blocking)
        self.apps = AsyncApps(blocking.apps)
        self.audit = AsyncAudit(blocking.audit)
        self.sign_ins = AsyncSignIns(blocking.sign_ins)
        self.links = AsyncLinks(blocking.links)
        self.webhooks = AsyncWebhooks(blocking.webhooks)

    @classmethod
    async def at(cls, state_url: str, vault: Vault | None = None) -> Self:
        """As Connections.at."""
        return cls(await asyncio.to_thread(Connections.at, state_url, vault))

    names = _awaited(Connections.names)
    get = _awaited(Connections.get)
    by_id = _awaited(Connections.by_id)
    all = _awaited(Connections.all)
    trouble = _awaited(Connections.trouble)
    remove = _awaited(Connections.remove)
    open = _awaited(Connections.open_async)
    tokens = _awaited(Connections.tokens)
    add_simulator = _awaited(Connections.add_simulator)
    add_client_credentials = _awaited(Connections.add_client_credentials)
    share = _awaited(Connections.share)
    entities = _awaited(Connections.entities)
    level = _awaited(Connections.level)
    overview = _awaited(Connections.overview)
    plan = _awaited(Connections.plan)
    add_entity = _awaited(Connections.add_entity)
    prepare = _awaited(Connections.prepare)
    land = _awaited(Connections.land)
    offboard = _awaited(Connections.offboard)
    revoke = _awaited(Connections.revoke)
    sweep = _awaited(Connections.sweep)
    close = _awaited(Connections.close)

    async def connect_link(
        self, owner: str, return_url: str, expires: timedelta = LIFETIME, company: str | None = None, **options: Any
    ) -> Link:
        """As Connections.connect_link."""
        return await asyncio.to_thread(self.blocking.connect_link, owner, return_url, expires, company, **options)

    @staticmethod
    def acting_as(actor: str) -> AbstractContextManager[None]:
        """As Connections.acting_as; a plain `with`."""
        return acting_as(actor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
