"""A query cut into ranges of keys, where Intacct takes too long over all of it at once. Knows no database.

Every key is in one of the ranges, whichever way Intacct's filters compare keys: as numbers or as text. A row that is in
two of them, as some are where it is text, is read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import DeadlineError, IntacctError, ReplyError, TieoutError, Whose

if TYPE_CHECKING:
    from tieout.rest import Filter, Query

NARROWEST = 100
"""Keys in a range that is not cut any more."""
MOST_BITS = 62
MOST_DIGITS = 19
"""No key is longer."""
AS_TEXT = -1
TIMED_OUT = (408, 504, 524)
"""Statuses of a server or a gateway that has waited too long. Intacct's own limit is not known (REST reference 8.7)."""
_WORDS = ("timed out", "timeout", "time-out", "took too long", "time limit")


class Window(msgspec.Struct, frozen=True, array_like=True):
    """`after` < key <= `upto`; "" is open."""

    after: str = ""
    upto: str = ""

    def of(self, query: Query) -> Query:
        """The query for the rows in it."""
        from tieout.rest import F

        found = query
        if self.after:
            found = narrowed(found, F("key") > self.after)
        return narrowed(found, F("key") <= self.upto) if self.upto else found


def narrowed(query: Query, further: Filter) -> Query:
    """The rows of `query` that `further` keeps."""
    return msgspec.structs.replace(query, where=further if query.where is None else query.where & further)


def timed_out(error: TieoutError) -> bool:
    """Whether Intacct, or what stands before it, has waited too long for the rows of a page."""
    if isinstance(error, DeadlineError):
        return error.whose is not Whose.YOURS
    if isinstance(error, ReplyError):
        return error.status in TIMED_OUT
    if isinstance(error, IntacctError):
        said = " ".join([error.message, *(detail.message for detail in error.details)]).lower()
        return error.status in TIMED_OUT or ((error.status or 0) >= 400 and any(words in said for words in _WORDS))
    return False


def end(window: Window, beyond: Callable[[int], bool | None]) -> int | None:
    """A power of two above which there are no rows, `AS_TEXT` where filters compare keys as text. `beyond(n)` asks
    Intacct whether there are rows with a key above n; None: it takes too long over that as well. None where it does so
    even for what finds nothing: then it is not the number of rows that keeps Intacct from answering."""
    if not (window.after or "0").isdecimal():
        return None
    least, most = int(window.after or 0).bit_length(), MOST_BITS
    if least >= most:
        return None
    last = beyond(1 << most)
    if last is not False:
        return AS_TEXT if last else None
    while least < most:
        middle = (least + most) // 2
        if beyond(1 << middle) is False:
            most = middle
        else:
            least = middle + 1
    return 1 << most


def halves(window: Window, end: int) -> Sequence[Window]:
    """By number; nothing where it is too narrow. Of an open window `end` is where it is taken to end."""
    rest = [] if window.upto else [Window(str(end))]
    low, high = int(window.after or 0), int(window.upto or end)
    if high - low <= NARROWEST:
        return [Window(window.after, str(high)), *rest] if rest and high > low else ()
    middle = (low + high) // 2
    return [Window(window.after, str(middle)), Window(str(middle), str(high)), *rest]


def by_digit(window: Window) -> Sequence[Window]:
    """By text: by the digit that follows what the keys begin with; nothing where there is none."""
    marks = [window.after + digit for digit in "0123456789"]
    marks = [mark for mark in marks if not window.upto or mark < window.upto]
    if not marks or len(window.after) > MOST_DIGITS:
        return ()
    return [Window(*pair) for pair in pairwise([window.after, *marks, window.upto])]
