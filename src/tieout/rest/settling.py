"""Reading in an order of the caller's own, whose values may change meanwhile.

A row whose value changes can move from the part still unread to the part already read, and no page then shows it. So
the keys delivered are remembered, none is delivered twice, and a read of several pages ends with a look at all keys:
rows that moved past are delivered last. What is not guaranteed is that each row stands where its latest value belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Generic, TypeVar

import msgspec

from tieout.rest.batch import MAX_BATCH
from tieout.rest.effects import Exchange, through
from tieout.rest.filters import F
from tieout.rest.keyset import keys_only
from tieout.rest.paging import Place, Reading, place_of, stable_pages
from tieout.rest.rows import Page
from tieout.rest.wire import MAX_PAGE

R = TypeVar("R")


class Delivered(Generic[R]):
    """Which rows have been delivered. About 100 bytes a row."""

    def __init__(self, identity: Callable[[R], Hashable | None]) -> None:
        self._identity = identity
        self.keys: set[Hashable] = set()

    def new(self, rows: Sequence[R]) -> list[R]:
        """Those not delivered yet, which now they are. A row without identity is always new."""
        found = []
        for row in rows:
            identity = self._identity(row)
            if identity is None or identity not in self.keys:
                self.keys.add(identity)
                found.append(row)
        return found


def settled_pages(reading: Reading[R]) -> Exchange[None]:
    """Stream the pages of a query in any order. Remembers every key, about 100 bytes a row. A limit ends it:
    the first rows as the pages showed them, none twice, and no look at the others."""
    if reading.limit is not None and reading.limit < 1:
        return
    seen: Delivered[R] = Delivered(reading.identity)
    starts = [reading.query.start]
    several = False
    while starts:
        size = reading.wanted()
        pages = yield from reading.pages(starts, size)
        for start, page in zip(starts, pages, strict=True):
            place = place_of(page, start)
            fresh = seen.new(page.rows)
            if fresh or start == reading.query.start:
                yield from reading.deliver(fresh, page, place.more)
            several = several or place.more or start > reading.query.start
            if reading.full:
                return
            if not place.more or len(page.rows) < size:
                break
        starts = _next(reading, place, size) if place.more else []
    if several and reading.limit is None and reading.query.start == 1:
        yield from _left_behind(reading, seen)


def _next(reading: Reading[R], place: Place, size: int) -> list[int]:
    """Where the next pages begin, as far as there are rows and as many as are wanted."""
    first = place.end + 1
    starts = [first + size * number for number in range(reading.in_flight)]
    last = place.total if reading.limit is None else min(place.total, place.end + reading.limit - reading.delivered)
    return [start for start in starts if start == first or start <= last]


def _left_behind(reading: Reading[R], seen: Delivered[R]) -> Exchange[None]:
    """Deliver what no page showed, found in an order that nothing can disturb."""
    plain = msgspec.structs.replace(reading.query, order_by=())
    if reading.query.aggregates:
        again = msgspec.structs.replace(reading, query=plain, delivered=0)
        yield from through(stable_pages(again), partial(_unseen, reading, seen))
        return
    keys = Reading(
        session=reading.session,
        memory=reading.memory,
        query=msgspec.structs.replace(plain, fields=("key",)),
        parse=keys_only,
        identity=_itself,
        size=MAX_PAGE,
        in_flight=reading.in_flight,
    )
    yield from through(stable_pages(keys), partial(_fetch, reading, seen))


def _itself(key: str) -> Hashable:
    return key


def _unseen(reading: Reading[R], seen: Delivered[R], page: Page[R]) -> Exchange[None]:
    fresh = seen.new(page.rows)
    if fresh:
        yield from reading.deliver(fresh, page, more=False)


def _fetch(reading: Reading[R], seen: Delivered[R], page: Page[str]) -> Exchange[None]:
    """The rows of the keys that were not delivered."""
    lost = [key for key in page.rows if key not in seen.keys]
    for at in range(0, len(lost), MAX_BATCH):
        wanted = F("key").in_(lost[at : at + MAX_BATCH])
        where = wanted if reading.query.where is None else reading.query.where & wanted
        found = yield from reading.page(1, MAX_BATCH, msgspec.structs.replace(reading.query, where=where))
        yield from _unseen(reading, seen, found)
