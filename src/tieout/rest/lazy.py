"""What `query` returns: rows that are read while you iterate, for both clients. Knows no rule of reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tieout.rest import plans, reading
from tieout.rest.desk import Desk
from tieout.rest.drivers import AsyncDriver, SyncDriver
from tieout.rest.effects import Exchange
from tieout.rest.query import Query
from tieout.rest.reading import Asked, PageOptions, QueryOptions, Where
from tieout.rest.rows import Page, Row

if TYPE_CHECKING:
    from tieout.catalogue.model import Model
    from tieout.rest.plans import Plan

D = TypeVar("D", SyncDriver, AsyncDriver)
_PACE = PageOptions.__optional_keys__


class _Rows(Generic[D]):
    def __init__(
        self,
        desk: Desk,
        driver: D,
        object: str | Query,
        fields: Sequence[str] | None,
        where: Where,
        options: QueryOptions,
    ) -> None:
        self._desk = desk
        self._driver: D = driver
        self._object, self._fields, self._where = object, fields, where
        given: dict[str, Any] = dict(options)
        self._pace: PageOptions = {name: given.pop(name) for name in list(given) if name in _PACE}  # type: ignore[assignment]  # the keys of PageOptions
        self._asked: Asked = given  # type: ignore[assignment]  # the others

    def _query(self) -> Exchange[tuple[Query, Model]]:
        return reading.checked_query(self._desk, self._object, self._fields, self._where, self._asked)

    def _pages(self) -> Exchange[None]:
        named = self._fields is not None or isinstance(self._object, Query)
        return reading.pages(self._desk, self._query(), self._pace, named=named)

    def _plan(self) -> Exchange[Plan]:
        return plans.of_query(self._desk, self._query(), self._pace)

    def __repr__(self) -> str:
        name = self._object.object if isinstance(self._object, Query) else self._object
        return f"{type(self).__name__}({name!r})"


class Rows(_Rows[SyncDriver]):
    """The rows of a query, read page by page while you iterate. Can be iterated again: that reads again."""

    def pages(self) -> Iterator[Page[Row]]:
        """Page by page, with totals and the server's clock."""
        return self._driver.iterate(self._pages())

    def __iter__(self) -> Iterator[Row]:
        for page in self.pages():
            yield from page.rows

    def plan(self) -> Plan:
        """What reading all of it will take. Asks for a count: one billable transaction."""
        return self._driver.run(self._plan())


class AsyncRows(_Rows[AsyncDriver]):
    """As Rows, for `async for`."""

    def pages(self) -> AsyncIterator[Page[Row]]:
        """As Rows.pages."""
        return self._driver.iterate(self._pages())

    async def __aiter__(self) -> AsyncIterator[Row]:
        async for page in self.pages():
            for row in page.rows:
                yield row

    async def plan(self) -> Plan:
        """As Rows.plan."""
        return await self._driver.run(self._plan())
