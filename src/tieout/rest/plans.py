"""What a read will take, said before anything expensive (DESIGN rule 7). Counts requests, asks for one count."""

from __future__ import annotations

import msgspec

from tieout.catalogue.model import Model
from tieout.rest.batch import MAX_BATCH
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange
from tieout.rest.keyset import direction
from tieout.rest.meter import Cost
from tieout.rest.query import DEFAULT_PAGE, Query
from tieout.rest.reading import PageOptions, count_of, paced
from tieout.rest.records import Way
from tieout.rest.wire import MAX_PAGE


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How something will be read and what that costs, if nothing changes meanwhile. `str(plan)` says it in words."""

    way: str
    """In words: `5 pages of 2,000 rows`."""
    rows: int
    """Records that match now, at most as many as the limit."""
    cost: Cost
    """Requests and billable transactions still to come."""

    def __str__(self) -> str:
        return f"{self.rows:,} row{'' if self.rows == 1 else 's'}: {self.way} ({self.cost})"


def of_query(desk: Desk, asked: Exchange[tuple[Query, Model]], pace: PageOptions) -> Exchange[Plan]:
    """The plan of a query. One billable transaction: a count."""
    query, definition = yield from asked
    pace = paced(query, pace)
    size, limit = pace.get("page_size", query.page_size or DEFAULT_PAGE), pace.get("limit")
    total = yield from count_of(desk, query, definition)
    rows = max(total - query.start + 1, 0)
    if limit is not None:
        rows = min(rows, limit)
    if query.aggregates:
        groups = f"one row for each {', '.join(query.groups)}" if query.groups else "one row"
        return Plan(way=f"totals of them, {groups}", rows=rows, cost=Cost(1, 1))
    if limit == 0:
        return Plan(way="nothing to read", rows=0, cost=Cost())
    count = pages_of(rows, size)
    way = counted_pages(count, size)
    if count > 1 and limit is None and query.start == 1 and direction(query) is None:
        again = pages_of(rows, MAX_PAGE)
        way += f", then {counted_pages(again, MAX_PAGE, 'keys')} to find rows that moved while the order was read"
        count += again
    return Plan(way=way, rows=rows, cost=Cost(count, count))


def pages_of(rows: int, size: int) -> int:
    """Pages that overlap by one row; only the largest page has no room for the row of overlap."""
    if rows <= size:
        return 1
    return -(-rows // size) if size < MAX_PAGE else 1 + -(-(rows - size) // (size - 1))


def counted_pages(count: int, size: int, what: str = "rows") -> str:
    return f"{count:,} page{'' if count == 1 else 's'} of up to {size:,} {what}"


def of_records(desk: Desk, chosen: Exchange[Way], options: PageOptions) -> Exchange[Plan]:
    """The plan of full records. One billable transaction: a count."""
    way = yield from chosen
    options = paced(way.query, options)
    limit, size = options.get("limit"), options.get("page_size", MAX_PAGE if way.whole else DEFAULT_PAGE)
    rows = yield from count_of(desk, way.query, way.definition)
    rows = rows if limit is None else min(rows, limit)
    if limit == 0:
        return Plan(way="nothing to read", rows=0, cost=Cost())
    count = pages_of(rows, size)
    said = counted_pages(count, size, "keys" if way.whole else "rows")
    if count > 1 and limit is None and direction(way.query) is None:
        count += pages_of(rows, MAX_PAGE)
        said += " and once more all keys, for rows that move in the order"
    if way.whole:
        gets = -(-rows // MAX_BATCH)
        said += f", then {gets:,} request{'' if gets == 1 else 's'} of up to {MAX_BATCH} records"
        count += gets
    return Plan(way=f"{said}, since {way.why}", rows=rows, cost=Cost(count, count))
