"""Reads a query page after page while other people work: every row that is there during the whole read is delivered
once, none twice (REST reference 5.5, 10.1).

Pages are evaluated independently, so a row added or deleted shifts those behind it. Here is what all ways of reading
share, and the way for an order that no change can disturb: pages overlap by one row, several are in flight, and where
two do not meet the gap is read again. `keyset` asks by the last key instead, `settling` reads in a caller's own order.
Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from tieout.errors import ReplyError
from tieout.rest.call import Reply
from tieout.rest.effects import All, Exchange, Stream
from tieout.rest.memory import Memory
from tieout.rest.perform import perform
from tieout.rest.query import DEFAULT_PAGE, Query
from tieout.rest.rows import Page
from tieout.rest.seam import KEEP, Seam
from tieout.rest.session import Session
from tieout.rest.wire import MAX_PAGE

R = TypeVar("R")
Paging = Literal["offset", "keyset"]

MOST_PROBES = 100
"""Pages read in search of a place before giving up: each is a billable transaction."""


class Place(msgspec.Struct, frozen=True):
    """How far a read has come, in the numbering of the page read last."""

    end: int
    """1-based number of the last row."""
    total: int
    more: bool


class Reading(msgspec.Struct, Generic[R], kw_only=True):
    """One read of one query."""

    session: Session
    memory: Memory
    query: Query
    parse: Callable[[Reply], Page[R]]
    identity: Callable[[R], Hashable | None]
    """What tells a row from every other: its key, or a total's groups."""
    size: int = DEFAULT_PAGE
    limit: int | None = None
    in_flight: int = 1
    paging: Paging = "offset"
    keep: int = KEEP
    delivered: int = 0
    most: int = MAX_PAGE
    """Rows that Intacct gives in one page, as far as it has shown."""

    @property
    def full(self) -> bool:
        return self.limit is not None and self.delivered >= self.limit

    def wanted(self, overlap: int = 0) -> int:
        """Rows to ask for: `overlap` known ones and as many new ones as are still wanted."""
        left = self.size if self.limit is None else min(self.size, self.limit - self.delivered)
        return max(1 + overlap, min(left + overlap, self.most))

    def page(self, start: int, size: int, query: Query | None = None) -> Exchange[Page[R]]:
        """One page. Raises ReplyError for one that no service could mean."""
        from tieout.rest.operations import query_page

        page: Page[R] = yield from perform(self.session, query_page(query or self.query, start, size, self.parse))
        if page.next is not None and page.next <= start:
            raise ReplyError(
                f"Intacct named row {page.next} as the start of the page after the one from row {start}.",
                advice="The reading was stopped so that no row is repeated; try again.",
            )
        if page.next is not None and not page.rows and page.total >= start:
            raise ReplyError(
                f"Intacct says that {self.query.object} has {page.total} rows, and gives none from row {start}.",
                advice="The reading was stopped so that no row is missed; try again.",
            )
        return page

    def pages(self, starts: Sequence[int], size: int) -> Exchange[list[Page[R]]]:
        """Several pages at once, in the order asked for."""
        if len(starts) == 1:
            return [(yield from self.page(starts[0], size))]
        found: list[Page[R]] = yield All([self.page(start, size) for start in starts])
        return found

    def deliver(self, rows: Sequence[R], page: Page[R], more: bool) -> Exchange[None]:
        """Hand on rows that came with a page, as a page numbered by what was delivered."""
        if self.limit is not None:
            rows = rows[: self.limit - self.delivered]
        first = self.query.start + self.delivered
        self.delivered += len(rows)
        after = first + len(rows) if more and not self.full else None
        yield Stream(Page(rows=rows, total=page.total, start=first, next=after, date=page.date))


def place_of(page: Page[R], start: int) -> Place:
    """Where a page ends and whether there is more: by its total or its `next`, whichever promises more (`next` is 0 or
    missing in some of Sage's examples, REST reference 10.3)."""
    end = start + len(page.rows) - 1
    more = bool(page.rows) and (end < page.total or (page.next or 0) > end)
    return Place(end, page.total, more)


def stable_pages(reading: Reading[R]) -> Exchange[None]:
    """Stream the pages of a query whose order no change can disturb. Bounded memory: `in_flight` pages, and `keep`
    keys. Rows that are added or deleted during the read may or may not be delivered."""
    from tieout.rest.keyset import agreement, pages_by_key, telling

    if reading.limit is not None and reading.limit < 1:
        return
    seam = Seam(reading.identity, reading.keep, telling)
    start, asked = reading.query.start, reading.wanted()
    page = yield from reading.page(start, asked)
    place = place_of(page, start)
    if place.more and len(page.rows) < asked:
        reading.most = len(page.rows)
    rows = seam.unknown(page.rows)
    if place.more and rows and seam.last is None and reading.identity(rows[-1]) is None:
        raise ReplyError(f"Rows of {reading.query.object} came without the key that tells them apart.")
    seam.add(rows, ())
    yield from reading.deliver(rows, page, place.more)
    while place.more and not reading.full:
        if reading.paging == "keyset" and (yield from agreement(reading, seam)):
            yield from pages_by_key(reading, seam)
            return
        place = yield from _wave(reading, seam, place)


def _wave(reading: Reading[R], seam: Seam[R], place: Place) -> Exchange[Place]:
    """The next pages, each beginning with the last row of the one before."""
    size = reading.wanted(1)
    starts = _starts(reading, place, size - 1)
    pages = yield from reading.pages(starts, size)
    for start, page in zip(starts, pages, strict=True):
        fresh = seam.after(page.rows)
        if fresh is None:
            place = yield from _mend(reading, seam, place, start, page)
            fresh = seam.after(page.rows) if place.more and not reading.full else None
            if not fresh:
                return place  # the pages after this one were read on the wrong foot: plan again from here
        before, place = place, place_of(page, start)
        if not fresh and place.more:
            place = _without_progress(reading, page, before, place)
        if fresh:
            seam.add(fresh, page.rows)
            yield from reading.deliver(fresh, page, place.more)
        if reading.full or not place.more:
            break
    return place


def _without_progress(reading: Reading[R], page: Page[R], before: Place, now: Place) -> Place:
    """A page brought nothing new, and yet there is more: rows were added before it, or Intacct is at odds with itself.

    A total may count rows that the user cannot see, and that of totals is not documented: `next` decides."""
    if now.end > before.end and not (reading.query.aggregates and page.next is None):
        return now
    if page.next is None:
        return Place(now.end, now.total, more=False)
    raise ReplyError(
        f"Intacct says that more rows of {reading.query.object} follow row {now.end}, and gives none.",
        advice="The reading was stopped so that no row is missed; try again.",
    )


def _mend(reading: Reading[R], seam: Seam[R], place: Place, tried: int, page: Page[R]) -> Exchange[Place]:
    """A page did not hold the last row delivered: read again from where it is now, by its key or by searching."""
    from tieout.rest.keyset import agreement, next_by_key

    if page.total == 0 and not page.rows and page.next is None:
        return Place(0, 0, more=False)
    if not reading.query.aggregates and (yield from agreement(reading, seam)):
        return (yield from next_by_key(reading, seam, place.total))
    size = reading.wanted(1)
    probes = [start for start in _outward(place.end, size - 1, max(place.total, page.total)) if start != tried]
    for start in [tried, *probes[:MOST_PROBES]]:
        if start != tried:
            page = yield from reading.page(start, size)
        fresh = seam.after(page.rows)
        if fresh is None and start == reading.query.start and seam.complete:
            fresh = seam.unknown(page.rows)  # all that was delivered is remembered: the rest is new
        if fresh is not None:
            seam.add(fresh, page.rows)
            place = place_of(page, start)
            if fresh:
                yield from reading.deliver(fresh, page, place.more)
            return place
    raise ReplyError(
        f"The rows of {reading.query.object} change faster than they can be read in order.",
        advice="The reading was stopped so that no row is missed; try again when fewer people are working.",
    )


def _outward(end: int, step: int, total: int) -> Iterator[int]:
    """Starts of pages around a row, nearest first: where it was, then before and behind, as far as there are rows."""
    yield end
    distance = step
    low, high = end > 1, end + step <= total
    while low or high:
        if low:
            yield max(end - distance, 1)
            low = end - distance > 1
        if high:
            yield end + distance
            high = end + distance + step <= total
        distance += step


def _starts(reading: Reading[R], place: Place, step: int) -> list[int]:
    """Where the next pages begin: at the row delivered last, then a page apart, as far as there are rows."""
    starts = [place.end]
    while len(starts) < reading.in_flight:
        start = starts[-1] + step
        new = start - place.end
        if start >= place.total or (reading.limit is not None and reading.delivered + new >= reading.limit):
            break
        starts.append(start)
    return starts
