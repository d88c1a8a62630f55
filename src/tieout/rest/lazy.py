"""What `query` and `records` return: rows and records that are read while you iterate, for both clients. Knows no rule
of reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tieout.rest import plans, reading, records
from tieout.rest.desk import Desk
from tieout.rest.drivers import AsyncDriver, SyncDriver
from tieout.rest.effects import Exchange
from tieout.rest.query import Query
from tieout.rest.reading import Asked, PageOptions, QueryOptions, Where
from tieout.rest.records import RecordPage, Way
from tieout.rest.rows import Page, Record, Row

if TYPE_CHECKING:
    from tieout.catalogue.model import Model
    from tieout.rest.plans import Plan

D = TypeVar("D", bound=SyncDriver | AsyncDriver)


class _Lazy(Generic[D]):
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
        self._asked, self._paging = _parted(options)

    def __repr__(self) -> str:
        name = self._object.object if isinstance(self._object, Query) else self._object
        return f"{type(self).__name__}({name!r})"


def _parted(options: Mapping[str, Any]) -> tuple[Asked, PageOptions]:
    """Options -> what is asked, and how its pages are read."""
    asked: dict[str, Any] = {n: v for n, v in options.items() if n not in PageOptions.__optional_keys__}
    paging: dict[str, Any] = {n: v for n, v in options.items() if n in PageOptions.__optional_keys__}
    unknown = sorted(set(asked) - Asked.__optional_keys__)
    if unknown:
        raise TypeError(f"a query has no option {', '.join(unknown)}; it has {', '.join(_options())}")
    return asked, paging  # type: ignore[return-value]  # the keys of each were looked at


def _options() -> list[str]:
    return sorted(QueryOptions.__optional_keys__)


class _Rows(_Lazy[D]):
    def _query(self) -> Exchange[tuple[Query, Model]]:
        return reading.checked_query(self._desk, self._object, self._fields, self._where, self._asked)

    def _pages(self) -> Exchange[None]:
        named = self._fields is not None or isinstance(self._object, Query)
        return reading.pages(self._desk, self._query(), self._paging, named=named)

    def _plan(self) -> Exchange[Plan]:
        return plans.of_query(self._desk, self._query(), self._paging)


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


class _Records(_Lazy[D]):
    def __init__(
        self,
        desk: Desk,
        driver: D,
        object: str,
        fields: Sequence[str] | None,
        where: Where,
        lines: bool | None,
        options: QueryOptions,
    ) -> None:
        super().__init__(desk, driver, object, fields, where, options)
        self._lines = lines
        self.gone: list[str] = []
        """Keys of records that were deleted between being found and being read, in the reading under way or last."""

    def _way(self) -> Exchange[Way]:
        name = str(self._object)
        return records.way_of(self._desk, name, self._fields, self._where, self._lines, self._asked)

    def _pages(self) -> Exchange[None]:
        self.gone = []
        return records.record_pages(self._desk, partial(self._way), self._paging)

    def _plan(self) -> Exchange[Plan]:
        return plans.of_records(self._desk, self._way(), self._paging)


class Records(_Records[SyncDriver]):
    """Full records, read while you iterate. Can be iterated again: that reads again."""

    def pages(self) -> Iterator[RecordPage]:
        """As they arrive, several at a time, with the keys of those gone meanwhile."""
        for page in self._driver.iterate(self._pages()):
            self.gone.extend(page.gone)
            yield page

    def __iter__(self) -> Iterator[Record]:
        for page in self.pages():
            yield from page.records

    def plan(self) -> Plan:
        """Which way they will be read and what that costs. Asks for a count: one billable transaction."""
        return self._driver.run(self._plan())


class AsyncRecords(_Records[AsyncDriver]):
    """As Records, for `async for`."""

    async def pages(self) -> AsyncIterator[RecordPage]:
        """As Records.pages."""
        async for page in self._driver.iterate(self._pages()):
            self.gone.extend(page.gone)
            yield page

    async def __aiter__(self) -> AsyncIterator[Record]:
        async for page in self.pages():
            for record in page.records:
                yield record

    async def plan(self) -> Plan:
        """As Records.plan."""
        return await self._driver.run(self._plan())
