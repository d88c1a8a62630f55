"""How many requests may be under way at once. One lock-guarded state machine for threads and tasks alike.

It never waits itself: a driver waits, on a threading event or an asyncio future, and is told through `notify`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Claim:
    """A place asked for. Granted or queued; released or cancelled exactly once, whatever happens."""

    def __init__(self, limiter: Limiter, notify: Callable[[], None]) -> None:
        self._limiter = limiter
        self._notify = notify
        self.granted = False
        self._over = False

    def release(self) -> None:
        """Give the place back, or stop waiting for it. Safe to call twice and in any state: a waiter that is
        cancelled at the very moment of being granted gives its place on."""
        self._limiter._release(self)


class Limiter:
    """At most `limit` claims are granted at a time, first come first served."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError("a limiter needs at least one place")
        self.limit = limit
        self._lock = threading.Lock()
        self._taken = 0
        self._queue: deque[Claim] = deque()

    def claim(self, notify: Callable[[], None]) -> Claim:
        """Ask for a place. If `.granted` is false on return, `notify` is called once when it becomes true,
        from whatever thread released the place."""
        claim = Claim(self, notify)
        with self._lock:
            if self._taken < self.limit:  # then nobody is queued
                self._taken += 1
                claim.granted = True
            else:
                self._queue.append(claim)
        return claim

    def _release(self, claim: Claim) -> None:
        next_in_line = None
        with self._lock:
            if claim._over:
                return
            claim._over = True
            if not claim.granted:
                self._queue.remove(claim)
                return
            if self._queue:
                next_in_line = self._queue.popleft()
                next_in_line.granted = True
            else:
                self._taken -= 1
        if next_in_line is not None:
            next_in_line._notify()
