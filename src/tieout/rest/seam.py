"""Where two pages of an ordered read meet. Compares rows for equality only: how Intacct orders keys is not known.

In an order that no change can disturb (by key; totals by their groups), a page that holds a row already delivered has
everything that follows it: what comes after the last known row is new, and nothing between was missed. Knows no wire.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

R = TypeVar("R")

KEEP = 20_000
"""Rows remembered: all later than any of them are remembered too, so that none is delivered twice."""


class Seam(Generic[R]):
    """What a read has delivered last, in the read's own order.

    Rows are kept where they belong, also those added meanwhile between known ones: so the first to be forgotten are
    always the earliest, and a page is never taken up at a row after which something forgotten follows."""

    def __init__(
        self,
        identity: Callable[[R], Hashable | None],
        keep: int = KEEP,
        telling: Callable[[Sequence[Hashable | None]], tuple[str, str] | None] = lambda _: None,
    ) -> None:
        """`telling` picks two rows of a page that show how Intacct orders them; it is given each page by itself."""
        self._identity, self._keep, self._telling = identity, keep, telling
        self._order: list[Hashable] = []
        self._known: set[Hashable] = set()
        self._latest: Hashable | None = None
        self._worked_out: list[tuple[Sequence[R], list[Hashable | None]]] = []
        self.pair: tuple[str, str] | None = None
        """The latest two rows that `telling` picked, in Intacct's order. Of one page: what two pages gave is put in its
        place here as well as can be, but rows that came and went between them may stand the wrong way round."""
        self.complete = True
        """Whether everything delivered so far is remembered."""

    @property
    def last(self) -> Hashable | None:
        """The row delivered last; it may have been deleted since. None of those delivered before it that are
        forgotten follows it: a row that was deleted keeps its place here while others are put before it."""
        return self._latest if self._latest in self._known else self._order[-1] if self._order else None

    def knows(self, identity: Hashable) -> bool:
        return identity in self._known

    def after(self, rows: Sequence[R]) -> list[R] | None:
        """The rows after the last one known, None where the page holds no row known."""
        at = self._last_known(rows)
        return None if at is None else self._new(rows, at + 1)

    def unknown(self, rows: Sequence[R]) -> list[R]:
        """The rows that are not known, none of them twice."""
        return self._new(rows, 0)

    def _identities(self, rows: Sequence[R]) -> list[Hashable | None]:
        """Worked out once for a page, and for the new ones of its rows, however often they are asked for."""
        for known, identities in self._worked_out:
            if known is rows:
                return identities
        identities = list(map(self._identity, rows))
        self._worked_out = [(rows, identities), *self._worked_out[:1]]
        return identities

    def _last_known(self, rows: Sequence[R]) -> int | None:
        identities, known = self._identities(rows), self._known
        if known.isdisjoint(identities[1:]):  # as where nothing has changed: only the first row can be known
            return 0 if identities and identities[0] in known else None
        return next((i for i in range(len(rows) - 1, -1, -1) if identities[i] in known), None)

    def _new(self, rows: Sequence[R], start: int) -> list[R]:
        found: list[R] = list(rows[start:])
        named: list[Hashable | None] = self._identities(rows)[start:]
        distinct = set(named)
        if len(distinct) < len(named) or not self._known.isdisjoint(distinct):
            seen: set[Hashable] = set()
            pairs = []
            for pair in zip(found, named, strict=True):
                if pair[1] is None or (pair[1] not in self._known and pair[1] not in seen):
                    seen.add(pair[1])
                    pairs.append(pair)
            found, named = [row for row, _ in pairs], [identity for _, identity in pairs]
        self._worked_out = [(found, named), *self._worked_out[:1]]
        return found

    def add(self, fresh: Sequence[R], page: Sequence[R], behind: Hashable | None = None) -> None:
        """These rows of a page are delivered. Where it holds no row known, they follow `behind`; None for the start."""
        at = self._last_known(page)
        anchor = behind if at is None else self._identities(page)[at]
        identities = [identity for identity in self._identities(fresh) if identity is not None]
        self.pair = self._telling(self._identities(page or fresh)) or self.pair
        self._worked_out = []
        if anchor is not None and self._order and anchor == self._order[-1]:
            place = len(self._order)
        else:
            place = 0 if anchor is None else self._order.index(anchor) + 1
        self._order[place:place] = identities
        self._known.update(identities)
        self._latest = identities[-1] if identities else self._latest
        if len(self._order) > self._keep:
            many = len(self._order) - self._keep
            self._known.difference_update(self._order[:many])
            del self._order[:many]
            self.complete = False
