"""Reading by key-set: the next page is asked for by the last key as it came, so that nothing can shift.

It is right only where Intacct's filter and its order compare keys alike, and whether keys compare as numbers or as
text is not documented (REST reference 10.1). So it is found out with two keys that show the difference, once per
object of a company, before the first page is read this way; until then, and where they differ, pages overlap by offset.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tieout.errors import ReplyError
from tieout.rest.effects import Exchange, Work
from tieout.rest.filters import F, Filter
from tieout.rest.perform import perform
from tieout.rest.query import Direction, Query
from tieout.rest.rows import by_value, not_understood

if TYPE_CHECKING:
    from tieout.rest.call import Reply
    from tieout.rest.memory import Memory
    from tieout.rest.paging import Place, Reading
    from tieout.rest.rows import Page
    from tieout.rest.seam import Seam
    from tieout.rest.session import Session

R = TypeVar("R")

ALIKE, UNLIKE = "filter and order compare keys alike", "filter and order compare keys differently"


def direction(query: Query) -> Direction | None:
    """Which way the keys go, None where something else comes first."""
    path, way = query.ordered()[0] if not query.aggregates else ("", "asc")
    return way if path == "key" else None


def after(query: Query, key: str) -> Query:
    """The same query, for the rows that follow a key."""
    beyond = _beyond(query, key)
    return msgspec.structs.replace(query, where=beyond if query.where is None else query.where & beyond, start=1)


def _beyond(query: Query, key: str) -> Filter:
    return F("key") > key if direction(query) == "asc" else F("key") < key


def agreement(reading: Reading[R], seam: Seam[R]) -> Exchange[bool]:
    """Whether `after` is known to give exactly the rows that follow. One billable transaction, where it has to be found
    out and two keys that one page gave one after the other show it: 9 and 10 do, 10 and 11 do not."""
    return (yield from agree(reading.session, reading.memory, reading.query, seam.pair)) is True


def agree(session: Session, memory: Memory, query: Query, pair: tuple[str, str] | None) -> Exchange[bool | None]:
    """Whether filter and order compare keys alike: as it is remembered, else by the two keys; None if neither tells."""
    name = f"{query.object}: keys"
    known: str | None = yield Work(partial(memory.trait, name))
    if known is None and pair is not None:
        known = yield from _find_out(session, query, *pair)
        if known is not None:
            yield Work(partial(memory.keep_trait, name, known))
    return None if known is None else known == ALIKE


def telling(page: Sequence[Hashable | None]) -> tuple[str, str] | None:
    """The latest neighbours of one page that number and text would order differently."""
    keys = [key for key in page if isinstance(key, str) and key.isdecimal()]
    if len(keys) < len(page) or len(set(map(len, keys))) < 2:
        return None  # keys of one length are ordered alike either way
    for second, first in pairwise(reversed(keys)):
        if (int(first) < int(second)) != (first < second):
            return first, second
    return None


def _find_out(session: Session, query: Query, first: str, second: str) -> Exchange[str | None]:
    """Ask which of two keys follows the other: the answer holds one of them, or none if it was deleted."""
    from tieout.rest.operations import query_page

    plain = msgspec.structs.replace(query, fields=("key",), start=1)
    where = ((F("key") == second) & _beyond(plain, first)) | ((F("key") == first) & _beyond(plain, second))
    asked = msgspec.structs.replace(plain, where=where)
    page = yield from perform(session, query_page(asked, 1, 2, keys_only))
    found = {str(key) for key in page.rows}
    if not found <= {first, second}:
        raise not_understood("a query for two keys")
    return ALIKE if found == {second} else UNLIKE if found else None


def keys_only(reply: Reply) -> Page[str]:
    """The keys of a page, as text."""

    def key(raw: dict[str, msgspec.Raw]) -> str:
        try:
            return str(msgspec.json.decode(raw["key"], type=str | int))
        except (KeyError, msgspec.ValidationError):
            raise not_understood("a query for keys") from None

    return by_value(reply, key)


def pages_by_key(reading: Reading[R], seam: Seam[R]) -> Exchange[None]:
    """Stream the pages after the last row delivered. One after the other: each is asked for by the one before."""
    total = reading.query.start - 1 + reading.delivered
    more = True
    while more and not reading.full:
        place = yield from next_by_key(reading, seam, total)
        total, more = place.total, place.more


def next_by_key(reading: Reading[R], seam: Seam[R], total: int) -> Exchange[Place]:
    """Stream the next page with something new, asked for by key -> where it ends among `total` rows or so.

    The last row remembered may be gone and rows after it be known; then the next page follows the last of those."""
    from tieout.rest.paging import Place, place_of

    last = seam.last
    while True:
        page = yield from reading.page(1, reading.wanted(), after(reading.query, str(last)))
        place = place_of(page, 1)
        before = max(total - page.total, 0)
        place = Place(place.end + before, page.total + before, place.more)
        known = seam.after(page.rows)
        fresh = seam.unknown(page.rows) if known is None else known
        if fresh:
            seam.add(fresh, page.rows, last)
            page.total += before
            yield from reading.deliver(fresh, page, place.more)
        if fresh or not place.more:
            return place
        if reading.identity(page.rows[-1]) == last:
            raise ReplyError(
                f"Intacct gave the same rows of {reading.query.object} again when asked for those that follow.",
                advice="The reading was stopped so that no row is repeated; read with paging by offset instead.",
            )
        last = reading.identity(page.rows[-1])
