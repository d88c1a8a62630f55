"""Reads a query in the order of its keys, several pages at a time, each row of a page once. Knows no database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from tieout.errors import ReplyError
from tieout.pull.abreast import Share
from tieout.pull.reading.ahead import Ahead
from tieout.pull.reading.decode import Decoder, Looked, Page
from tieout.pull.reading.ordered import Ask, Came, Fresh, Ordered, Place

if TYPE_CHECKING:
    from tieout.rest import Intacct, Query, Reply
    from tieout.rest.rows import Page as RestPage

R = TypeVar("R")


class Step(msgspec.Struct):
    """Rows of one page that no page before it brought."""

    page: Page
    place: Place
    total: int
    """Rows of the whole, in the numbering of `place`."""
    asked_at: datetime | None
    """The server's clock when the page was asked for, as near as its Date header and our stopwatch can tell."""


class Spent(msgspec.Struct):
    """What a read has cost so far. Any thread may add to it."""

    pages: int = 0
    transactions: int = 0

    def add(self, transactions: int, *, pages: int = 0) -> None:
        """So much more."""
        with _COUNTING:
            self.transactions += transactions
            self.pages += pages


_COUNTING = threading.Lock()


class _Answer(msgspec.Struct, frozen=True):
    looked: Future[Looked]
    asked_at: datetime | None


class _Content(msgspec.Struct, frozen=True):
    page: Page
    asked_at: datetime | None


def read(
    client: Intacct,
    query: Query,
    decoder: Decoder,
    *,
    size: int,
    after: Place | None = None,
    spent: Spent | None = None,
    share: Share | None = None,
    ending: Callable[[], None] | None = None,
) -> Generator[Step, None, None]:
    """All rows of `query`, which is in the order of keys, or those after a place where an earlier read stopped.

    `ending` is called once, when the last pages that are known of are on their way and there is a place for another
    question; never where one page is all, or one is asked for at a time.

    `size` is 2 to 4000 rows a page, each page one billable transaction; as many are under way as the client may have
    and `share` leaves to it. Every row that is there from beginning to end is brought; of one that changes meanwhile,
    some version. Raises what `Intacct.call` raises, ReplyError if rows never stop moving, and what `share` raises."""
    reading = _Reading(client, query, decoder, spent if spent is not None else Spent())
    ordered: Ordered[_Content] = Ordered(size, reading.agree, after)
    with reading, Ahead(reading.fetch, max(client.concurrency, 1), share) as ahead:
        plan, begun = ordered.plan, False
        while not ordered.done:
            while (room := ahead.room) and (wanted := ordered.wants()) is not None:
                ahead.ask(wanted)
            if ending is not None and begun and room and ahead.spare:
                ending()
                ending = None
            found = ordered.took(*reading.came(*ahead.next()))
            begun = True
            while True:
                yield from map(_step, found)
                if ordered.mending is None:
                    break
                found = ordered.took(*reading.came(ordered.mending, reading.fetch(ordered.mending)))
            if ordered.plan != plan:
                plan = ordered.plan
                ahead.drop()


class _Reading:
    """The questions of one read."""

    def __init__(self, client: Intacct, query: Query, decoder: Decoder, spent: Spent) -> None:
        self.client, self.query, self.decoder, self.spent = client, query, decoder, spent
        self._looking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tieout-look")
        """One page at a time: more of them would take the processor from who writes, for whom they then wait. Not where
        the answer came: its place is for the next question."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._looking.shutdown(wait=False, cancel_futures=True)

    def fetch(self, ask: Ask) -> _Answer:
        """What Intacct says, which is read beside other threads. From any thread."""
        from tieout.rest.rows import Page as RestPage

        began = time.monotonic()
        answer = self._ask(ask, lambda r: RestPage(rows=[r], total=0, start=ask.start, next=None, date=r.date))
        took = timedelta(seconds=time.monotonic() - began)
        looked = self._looking.submit(self.decoder.look, answer.rows[0].body)
        return _Answer(looked, answer.date - took if answer.date is not None else None)

    def came(self, ask: Ask, answer: _Answer) -> tuple[Ask, Came[_Content]]:
        """What an answer holds. One that is no page of rows is asked for again."""
        try:
            page = self.decoder.finish(answer.looked.result())
        except ReplyError:
            page = self._again(ask)
        return ask, Came(page.batch.keys, page.rows, page.total, page.next, _Content(page, answer.asked_at))

    def agree(self, keys: Sequence[str]) -> bool:
        """Whether filters by key follow the order of keys."""
        object, private = self.query.object, self.query.private
        known = self.client.keys_agree(object, private=private)
        if known is None:
            known = self.client.keys_agree(object, keys, private=private)
            self.spent.add(int(known is not None))
        return known is True

    def _again(self, ask: Ask) -> Page:
        from tieout.rest.rows import Page as RestPage

        def parse(reply: Reply) -> RestPage[Page]:
            page = self.decoder.read(reply.body)
            return RestPage(rows=[page], total=page.total, start=ask.start, next=page.next, date=reply.date)

        return self._ask(ask, parse).rows[0]

    def _ask(self, ask: Ask, parse: Callable[[Reply], RestPage[R]]) -> RestPage[R]:
        from tieout.rest.operations import query_page

        page = self.client.call(query_page(self._narrowed(ask), ask.start, ask.size, parse))
        self.spent.add(1, pages=1)
        return page

    def _narrowed(self, ask: Ask) -> Query:
        from tieout.rest import F

        where = self.query.where
        for beyond in (
            F("key") > ask.after if ask.after is not None else None,
            F("key") < ask.before if ask.before is not None else None,
        ):
            if beyond is not None:
                where = beyond if where is None else where & beyond
        return msgspec.structs.replace(self.query, where=where)


def _step(fresh: Fresh[_Content]) -> Step:
    page = fresh.content.page
    if len(fresh.at) < len(page.batch.keys):
        batch = page.batch.only(fresh.at)
        there = {"", *batch.keys} if page.misfits else ()
        page = msgspec.structs.replace(page, batch=batch, misfits=[m for m in page.misfits if m.key in there])
    return Step(page, fresh.place, fresh.total, fresh.content.asked_at)
