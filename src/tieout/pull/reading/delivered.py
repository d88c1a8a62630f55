"""Which keys a read has delivered, as far back as matters. Pure.

Nearly every page begins with the last key of the page before and rises from there. Then nothing else of it can have
been delivered, and no key is looked up: to put those of a large read into a set takes longer than to receive them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain, islice
from operator import lt

KEEP = 20_000
"""Keys remembered, beside those of the last two pages: a page that has moved further than that is a gap."""


class Delivered:
    """`last` is the key that was delivered last, "" before the first."""

    def __init__(self, last: str = "") -> None:
        self.last = last
        self._pages: deque[Sequence[str]] = deque([[last]] if last else [])
        self._count = len(self._pages)
        self._known: set[str] | None = None
        """Of all pages; None as long as each has risen from the one before, in the order of `_rises`."""

    def has_some(self, keys: Sequence[str]) -> bool:
        """Whether any of these was delivered."""
        if not keys or not self.last:
            return False
        return keys[0] == self.last or not self._looked_up().isdisjoint(keys)

    def has_all(self, keys: Sequence[str]) -> bool:
        """Whether all of these were delivered."""
        return self._looked_up().issuperset(keys)

    def add(self, keys: Sequence[str]) -> Sequence[int]:
        """Deliver a page -> which of its keys are new. The last of them is the last of all, unless it was delivered
        before."""
        fresh = self._new(keys)
        if keys and fresh and fresh[-1] == len(keys) - 1:
            self.last = keys[-1]
        if fresh:
            self._keep(keys[fresh[0] :] if isinstance(fresh, range) else [keys[at] for at in fresh])
        return fresh

    def _new(self, keys: Sequence[str]) -> Sequence[int]:
        if not keys:
            return range(0)
        if self._known is None and (not self.last or _follows(keys[0], self.last)) and _rises(keys):
            return range(int(keys[0] == self.last), len(keys))
        known = self._looked_up()
        if known.isdisjoint(keys):
            return range(len(keys))
        if keys[0] in known and known.isdisjoint(keys[1:]):
            return range(1, len(keys))
        return [at for at, key in enumerate(keys) if key not in known]

    def _keep(self, keys: Sequence[str]) -> None:
        self._pages.append(keys)
        self._count += len(keys)
        if self._known is not None:
            self._known.update(keys)
        while len(self._pages) > 2 and self._count - len(self._pages[0]) > KEEP:
            old = self._pages.popleft()
            self._count -= len(old)
            if self._known is not None:
                self._known.difference_update(old)

    def _looked_up(self) -> set[str]:
        if self._known is None:
            self._known = set(chain.from_iterable(self._pages))
        return self._known


def _follows(key: str, last: str) -> bool:
    return key == last or (len(last), last) < (len(key), key)


def _rises(keys: Sequence[str]) -> bool:
    """Whether each key is longer than the one before, or as long and greater: the order of numbers, and an order of any
    other keys."""
    following = islice(keys, 1, None)
    if len(set(map(len, keys))) == 1:
        return all(map(lt, keys, following))
    return all((len(a), a) < (len(b), b) for a, b in zip(keys, following, strict=False))
