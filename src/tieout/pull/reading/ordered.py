"""Puts the pages of a read in order, several of which are asked for at a time, and notices when rows move meanwhile.

Pages are evaluated independently (REST reference 5.5): a row deleted before a page shifts it, and one that nobody has
seen slips out between two pages. So each page begins with the last row of the one before. A page that holds a row
already delivered goes on where that row is, since keys never move in their own order; what lies between two pages that
do not meet is asked for by its range of keys or, where Intacct's filters do not follow its order, searched for by
offset. Pure: knows keys and counts, neither wire nor threads nor what else a page holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from tieout.errors import ReplyError
from tieout.pull.reading.delivered import Delivered

P = TypeVar("P")

MOST_PROBES = 100
MOST_TRIES = 3
"""Times a page with fewer rows than promised is asked for."""


class Place(msgspec.Struct, frozen=True):
    """A place in an ordered read: so many rows came, the last one had this key."""

    position: int
    last_key: str


class Ask(msgspec.Struct, frozen=True):
    """A page to ask for: `size` rows from `start`, of all rows or of those with `after` < key < `before`."""

    start: int
    size: int
    after: str | None = None
    before: str | None = None
    plan: int = 0


class Came(msgspec.Struct, Generic[P], frozen=True):
    """What came for an `Ask`: the keys of a page in its order, and what Intacct says of the whole."""

    keys: Sequence[str]
    rows: int
    """With those that have no key."""
    total: int
    next: int | None
    content: P


class Fresh(msgspec.Struct, Generic[P], frozen=True):
    """The rows of a page that were not delivered before: `at` says which of its keys."""

    content: P
    at: Sequence[int]
    place: Place
    total: int


class Ordered(Generic[P]):
    """One read in the order of keys. Whoever has it asks for `wants()`, as many at a time as it likes, hands over what
    came in the order it was asked for, and first of all what `mending` names, until it is `done`.

    Every row that is there from the first answer to the last is delivered. The others may or may not be.
    """

    def __init__(self, size: int, agree: Callable[[Sequence[str]], bool], after: Place | None = None) -> None:
        """`size` is 2 rows or more. `agree` tells whether filters by key follow the order of keys; it is given the keys
        of a page, and asked when it matters. `after`: where an earlier read of the same stopped."""
        self.done = False
        self.mending: Ask | None = None
        """To be asked for at once; until it came nothing else is taken."""
        self.plan = 0
        """Rises when all that is under way has become useless: answers to an earlier plan are to be thrown away."""
        self._size, self._agree = size, agree
        self._end = after.position if after else 0
        self._next = max(self._end, 1)
        self._horizon = self._next + 1
        """There are rows before this one, for all that is known: one page, until it has come."""
        self._out = 0
        self._total = 0
        self._delivered = Delivered(after.last_key if after else "")
        self._telling: Sequence[str] = ()
        """Keys of a page, of different lengths: text and number order only such differently."""
        self._held: tuple[Ask, Came[P]] | None = None
        self._probes: Iterator[int] | None = None
        self._whole = False
        self._tries = self._stuck = 0

    def wants(self) -> Ask | None:
        """The next page to ask for, None while there is none that is sure to be needed."""
        if self.done or self._next >= self._horizon:
            return None
        ask = Ask(self._next, self._size, plan=self.plan)
        self._next += self._size - 1
        self._out += 1
        return ask

    def took(self, ask: Ask, came: Came[P]) -> list[Fresh[P]]:
        """Take what came -> what is to be delivered, in this order. Raises ReplyError where no order can be found."""
        self._out -= self.mending is None
        self.mending = None
        if self._cut_short(ask, came):
            return []
        found = self._placed(ask, came)
        if not self._out and self._held is None:
            self._next = max(self._end, 1)  # where the plan was made for fuller pages
        return found

    def _placed(self, ask: Ask, came: Came[P]) -> list[Fresh[P]]:
        if ask.after is not None:
            return self._filled(ask, came)
        if self._probes is not None:
            return self._probed(ask, came)
        if self._meets(ask.start, came):
            return [self._deliver(ask, came)]
        self._held = ask, came
        self._mend(ask, came)
        return []

    def _cut_short(self, ask: Ask, came: Came[P]) -> bool:
        """Fewer rows than promised: which ones are missing nobody knows, so as many as came are asked for again. If
        those come whole, a page has no more rows here."""
        by_next = (came.next or 0) - ask.start
        promised = min(ask.size, max(came.total - ask.start + 1, by_next))
        if came.rows >= promised:
            if came.rows == ask.size and ask.after is None:
                self._size = self._size if self._whole else ask.size
                self._whole = True
            self._tries = 0
            return False
        self._tries += 1
        if self._tries >= MOST_TRIES:
            if by_next <= came.rows and self._delivered.has_all(came.keys):
                self._tries = 0
                return False  # a total may count rows that the user cannot see
            raise ReplyError(
                f"Intacct promised {promised:,} rows in a page and gave {came.rows:,}, {MOST_TRIES} times.",
                advice="The reading was stopped so that no row is missed; try again.",
            )
        self.mending = msgspec.structs.replace(ask, size=max(came.rows, 2) if came.rows else ask.size)
        return True

    def _meets(self, start: int, came: Came[P]) -> bool:
        """Whether nothing can lie between what is delivered and this page."""
        return start == 1 or self._delivered.has_some(came.keys) or (came.rows > 0 and not came.keys)

    def _deliver(self, ask: Ask, came: Came[P]) -> Fresh[P]:
        fresh = self._remember(came.keys)
        before, self._end = self._end, ask.start + came.rows - 1 if came.rows else min(self._end, ask.start - 1)
        # A total may be of an earlier moment than the rows: a page that is full proves nothing of what follows.
        promised = (came.next or 0) > self._end or came.rows >= ask.size
        more = came.rows > 0 and (self._end < came.total or promised)
        if more and not fresh and not promised and came.rows < ask.size:
            more = False
        self._stuck = self._stuck + 1 if more and not fresh and self._end <= before else 0
        if self._stuck >= MOST_TRIES:
            raise ReplyError(
                f"Intacct says that more rows follow row {self._end:,}, and gives none.",
                advice="The reading was stopped so that no row is missed; try again.",
            )
        self.done = not more
        self._total, self._horizon = came.total, max(came.total, came.next or 0, self._end + more)
        return Fresh(came.content, fresh, Place(self._end, self._delivered.last), max(came.total, self._end))

    def _remember(self, keys: Sequence[str]) -> Sequence[int]:
        """Which of these are new."""
        if keys and len("".join(keys)) != len(keys[0]) * len(keys):  # not all are as long as the first
            self._telling = keys
        return self._delivered.add(keys)

    def _mend(self, ask: Ask, came: Came[P]) -> None:
        """A page does not hold what it should begin with: find what lies before it."""
        if self._delivered.last and self._agree(self._telling):
            self.mending = Ask(1, self._size, self._delivered.last, came.keys[0] if came.keys else None, self.plan)
            return
        fewer = self._total - came.total if self._total else 0
        near = [max(self._end - fewer, 1)] if fewer > 0 else []
        around = _outward(max(self._end, 1), self._size - 1, max(self._total, came.total))
        starts = dict.fromkeys([*near, *around])
        starts.pop(ask.start, None)
        self._probes = iter(list(starts)[:MOST_PROBES])
        self._probe()

    def _filled(self, ask: Ask, came: Came[P]) -> list[Fresh[P]]:
        """Some of the rows between two pages, in order from the first."""
        assert self._held is not None
        fresh = self._remember(came.keys)
        found = [Fresh(came.content, fresh, Place(self._end, self._delivered.last), max(self._total, self._end))]
        if came.keys and (came.rows < came.total or (came.next or 0) > came.rows or came.rows >= ask.size):
            if came.keys[-1] == ask.after:
                raise ReplyError(
                    f"Intacct gave key {ask.after} when asked for the keys that follow it.",
                    advice="The reading was stopped so that no row is repeated; try again.",
                )
            self._delivered.last = came.keys[-1]
            self.mending = msgspec.structs.replace(ask, after=came.keys[-1], size=self._size)
            return found
        held, self._held = self._held, None
        if held[1].rows:
            found.append(self._deliver(*held))
        else:
            self.done = True
        return found

    def _probe(self) -> None:
        assert self._probes is not None
        start = next(self._probes, None)
        if start is None:
            raise ReplyError(
                "The rows change faster than they can be read in order.",
                advice="The reading was stopped so that no row is missed; try again when fewer people are working.",
            )
        self.mending = Ask(start, self._size, plan=self.plan)

    def _probed(self, ask: Ask, came: Came[P]) -> list[Fresh[P]]:
        assert self._held is not None
        if (not came.rows and ask.start > 1) or not self._meets(ask.start, came):
            self._probe()
            return []
        held, self._held, self._probes = self._held, None, None
        found = [self._deliver(ask, came)]
        if self.done:
            return found
        if held[1].keys and self._meets(held[0].start, held[1]):
            found.append(self._deliver(*held))
        else:
            self.plan += 1
            self._out, self._next = 0, max(self._end, 1)
        return found


def _outward(end: int, step: int, total: int) -> Iterator[int]:
    """Starts of pages around a row, nearest first: where it was, then before and behind, as far as there are rows."""
    yield end
    distance = step
    while end - distance + step > 1 or end + distance <= total:
        if end - distance + step > 1:
            yield max(end - distance, 1)
        if end + distance <= total:
            yield end + distance
        distance += step
