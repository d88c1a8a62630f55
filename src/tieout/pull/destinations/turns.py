"""Turns at one place: in this program whoever writes a file is alone with it, or alone in writing it.

Threads only; programs meet at the lock that the place itself has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary


class Turns:
    """Any number that read, or one that writes. A thread that reads may read once more meanwhile, but not write."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._readers = 0
        self._written = False
        self.wanted = 0
        """Threads that wait."""

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Nobody writes meanwhile. May be left on another thread."""
        with self._waiting(lambda: not self._written):
            self._readers += 1
        try:
            yield
        finally:
            with self._free:
                self._readers -= 1
                self._free.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else reads or writes meanwhile."""
        with self._waiting(lambda: not self._written and not self._readers):
            self._written = True
        try:
            yield
        finally:
            with self._free:
                self._written = False
                self._free.notify_all()

    @contextmanager
    def _waiting(self, free: Callable[[], bool]) -> Iterator[None]:
        with self._free:
            self.wanted += 1
            try:
                self._free.wait_for(free)
            finally:
                self.wanted -= 1
            yield


_known: WeakValueDictionary[str, Turns] = WeakValueDictionary()
_lock = threading.Lock()


def turns(identity: str) -> Turns:
    """The turns at a place: the same for all who name it so, for as long as one of them holds them."""
    with _lock:
        return _known.setdefault(identity, Turns())
