"""Reads a query page after page, in order, and notices when rows move under the read.

Pages are evaluated independently (REST reference 5.5): a row deleted while reading shifts the ones behind it, and one
of them would never be seen. So each page begins with the last row of the one before; if that row is not there, the
read steps back until it finds a row it knows. Knows no database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ReplyError
from tieout.pull.reading.decode import Decoder, Page

if TYPE_CHECKING:
    from tieout.rest import Intacct, Query, Reply
    from tieout.rest.rows import Page as RestPage

MAX_STEPS_BACK = 100


class Place(msgspec.Struct, frozen=True):
    """A place in an ordered read: so many rows came, the last one had this key."""

    position: int
    last_key: str


class Step(msgspec.Struct):
    """One page, without rows that the page before it already brought."""

    page: Page
    place: Place
    asked_at: datetime | None
    """The server's clock when the page was asked for, as near as its Date header and our stopwatch can tell."""


def read(client: Intacct, query: Query, decoder: Decoder, *, size: int, after: Place | None = None) -> Iterator[Step]:
    """The pages of `query`, from the first or after a place where an earlier read stopped. `size` is 2 to 4000 rows.

    One billable transaction a page. Raises what `Intacct.call` raises, and ReplyError if rows never stop moving.
    """
    start = after.position if after else 1
    known = {after.last_key} if after else set()
    steps_back = 0
    while True:
        page, asked_at = _ask(client, query, decoder, start, size)
        keys = page.batch.keys
        if start > 1 and not known.intersection(keys) and (keys or not page.rows):
            steps_back += 1
            if steps_back > MAX_STEPS_BACK:
                raise ReplyError(
                    f"The rows of {query.object} change faster than they can be read in order.",
                    advice="Run the command again when fewer people are working.",
                )
            start = max(1, start - (size - 1))
            continue
        end = start + page.rows - 1
        more = page.rows > 0 and (end < page.total or (page.next or 0) > end)
        if keys and keys[0] in known:
            page.batch = page.batch.after(1)
            page.misfits = [misfit for misfit in page.misfits if misfit.key != keys[0]]
        if keys or page.rows == 0 or page.misfits:
            yield Step(page, Place(max(end, 0), keys[-1] if keys else ""), asked_at)
        if not more:
            return
        known = set(keys)
        start = end if page.rows > 1 else end + 1


def _ask(client: Intacct, query: Query, decoder: Decoder, start: int, size: int) -> tuple[Page, datetime | None]:
    from tieout.rest.operations import query_page
    from tieout.rest.rows import Page as RestPage

    def parse(reply: Reply) -> RestPage[Page]:
        table = decoder.read(reply.body)
        return RestPage(rows=[table], total=table.total, start=start, next=table.next, date=reply.date)

    began = time.monotonic()
    answer = client.call(query_page(query, start, size, parse))
    took = timedelta(seconds=time.monotonic() - began)
    return answer.rows[0], answer.date - took if answer.date is not None else None
