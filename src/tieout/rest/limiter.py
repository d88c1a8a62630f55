"""How many requests may be under way at once, and how fast that number falls and rises. One lock-guarded state machine
for threads and tasks alike.

It never waits itself and reads no header: a driver waits, on a threading event or an asyncio future, and is told
through `notify` to look again; `pace` says what an answer means.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

STEADY_ANSWERS = 20
"""Answers in a row without a complaint after which one more request is tried (additive recovery)."""
LONGEST_HOLD = 3600.0
"""Seconds; a server that asks for more is asked again after an hour."""


class Signal(msgspec.Struct, frozen=True):
    """What an answer says about the pace. `brake` halves it, `ease` takes one place away, neither is steady."""

    brake: bool = False
    ease: bool = False
    wait: float = 0.0
    """Seconds in which nobody may send."""


STEADY = Signal()


class NoPlace(Exception):
    """No place came free in time. Nothing was sent, and the asker has left the queue.

    `held` is how many more seconds nobody may send, as the server asked; 0 if it is only crowded."""

    def __init__(self, held: float = 0.0) -> None:
        super().__init__(held)
        self.held = held


class _Line:
    """Who waits together under one ceiling: the claims of one client."""

    __slots__ = ("most", "taken", "waiting")

    def __init__(self, most: float) -> None:
        self.most = most
        self.taken = 0
        self.waiting: OrderedDict[int, Claim] = OrderedDict()


class Claim:
    """A place asked for. Granted or queued; released or cancelled exactly once, whatever happens."""

    __slots__ = ("_epoch", "_limiter", "_line", "_notify", "_over", "_ticket", "granted")

    def __init__(self, limiter: Limiter, line: _Line, notify: Callable[[], None]) -> None:
        self._limiter, self._line, self._notify = limiter, line, notify
        self._ticket = self._epoch = -1
        self._over = False
        self.granted = False

    def release(self) -> None:
        """Give the place back, or stop waiting for it. Safe to call twice and in any state: a waiter that is
        cancelled at the very moment of being granted gives its place on."""
        self._limiter._release(self)

    def answered(self, signal: Signal) -> None:
        """Tell the limiter what the answer to the request in this place said."""
        self._limiter._answered(self, signal)

    def clock(self) -> float:
        """Seconds on the clock that `end` is told by."""
        return self._limiter.clock()

    def look(self, end: float | None) -> None:
        """Whoever waits calls this when it wakes: `granted` is then up to date. Raises NoPlace after `end`."""
        if not self.granted:
            self._limiter.wake()
        if not self.granted and end is not None and self._limiter.clock() >= end:
            raise NoPlace(self._limiter.held)

    def next_look(self, end: float | None) -> float | None:
        """Seconds until a waiter should look again without being told: when a hold or its own patience, `end` on the
        limiter's clock, is over. None: not before it is told."""
        held = self._limiter.held
        left = None if end is None else max(0.0, end - self._limiter.clock())
        if not held:
            return left
        return held if left is None else min(held, left)


class Limiter:
    """At most `limit` claims are granted at a time, first come first served; `limit` moves between 1 and `ceiling`."""

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        if limit < 1:
            raise ValueError("a limiter needs at least one place")
        self.limit = limit
        self.ceiling = limit
        self.clock = clock
        self._lock = threading.Lock()
        self._taken = 0
        self._ticket = 0
        self._line = _Line(float("inf"))
        self._lines: list[_Line] = []
        self._held_until: float | None = None
        self._epoch = 0
        self._steady = 0
        self._cap: int | None = None
        self.starved: Callable[[], None] | None = None
        """Called, from the asker's thread, when a claim waits for no other reason than what `allow` said."""
        self.served = 0
        """Claims granted so far."""

    def claim(self, notify: Callable[[], None]) -> Claim:
        """Ask for a place. If `.granted` is false on return, `notify` is called when it becomes true or when there is
        reason to `look` again, from whatever thread gave that reason."""
        return self._claim(self._line, notify)

    def take(self) -> Claim | None:
        """A place if one is free and nobody waits, without the means to be told: most requests need none."""
        return self._take_free(self._line)

    def share(self, most: int) -> Share:
        """A way in for one client that wants at most `most` places. Raises the ceiling where it is lower."""
        with self._lock:
            if most > self.ceiling:
                if self.limit == self.ceiling:
                    self.limit = most
                self.ceiling = most
            granted = self._grant()
        self._tell(granted)
        return Share(self, most)

    def allow(self, most: int | None) -> int:
        """Grant at most so many, whatever the limit: what this program holds of the company's slots. None: no such
        bound. What is granted already stays. -> `allowed`."""
        with self._lock:
            self._cap = most
            granted = self._grant()
        self._tell(granted)
        return self.allowed

    def rest(self, served: int) -> bool:
        """Allow nothing any more, if nothing was asked for since `served` and nothing is under way; whether so."""
        with self._lock:
            idle = self._taken == 0 and not self._lines and self.served == served
            if idle:
                self._cap = 0
            return idle

    @property
    def allowed(self) -> int:
        """The lower of the ceiling and of what `allow` said."""
        return self.ceiling if self._cap is None else min(self.ceiling, self._cap)

    @property
    def under_way(self) -> int:
        """Claims granted and not released."""
        return self._taken

    @property
    def held(self) -> float:
        """Seconds in which nobody may send, as the server asked; 0 if it did not."""
        until = self._held_until
        return 0.0 if until is None else max(0.0, until - self.clock())

    def wake(self) -> None:
        """Grant what can be granted: a hold may be over."""
        with self._lock:
            granted = self._grant()
        self._tell(granted)

    def _claim(self, line: _Line, notify: Callable[[], None]) -> Claim:
        claim = Claim(self, line, notify)
        with self._lock:
            if not self._lines and self._free(line):
                self._take(claim)
                return claim
            self._ticket += 1
            claim._ticket = self._ticket
            if not line.waiting:
                self._lines.append(line)
            line.waiting[claim._ticket] = claim
            granted = self._grant()
            starved = self._cap is not None and not claim.granted and self._taken >= self._cap
        self._tell([other for other in granted if other is not claim])
        if starved and self.starved is not None:
            self.starved()
        return claim

    def _take_free(self, line: _Line) -> Claim | None:
        with self._lock:
            if self._lines or not self._free(line):
                return None
            claim = Claim(self, line, _nobody)
            self._take(claim)
            return claim

    def _release(self, claim: Claim) -> None:
        with self._lock:
            granted = self._give_back(claim)
        self._tell(granted)

    def _give_back(self, claim: Claim) -> list[Claim]:
        if claim._over:
            return []
        claim._over = True
        line = claim._line
        if claim.granted:
            self._taken -= 1
            line.taken -= 1
        else:
            del line.waiting[claim._ticket]
            if not line.waiting:
                self._lines.remove(line)
        return self._grant() if self._lines else []

    def _answered(self, claim: Claim, signal: Signal) -> None:
        if signal is STEADY and self.limit >= self.ceiling:
            return
        with self._lock:
            told = self._hold(signal.wait) if signal.wait > 0 else []
            if signal.brake or signal.ease:
                self._steady = 0
                if claim._epoch == self._epoch:  # one burst of complaints is one complaint
                    self._epoch += 1
                    self.limit = max(1, self.limit // 2 if signal.brake else self.limit - 1)
            elif self.limit < self.ceiling:
                self._steady += 1
                if self._steady >= STEADY_ANSWERS:
                    self._steady = 0
                    self.limit += 1
            granted = self._grant()
        self._tell(told + granted)

    def _hold(self, seconds: float) -> list[Claim]:
        """Nobody sends for so long. All who wait are told, so that one of them looks when it is over."""
        until = self.clock() + min(seconds, LONGEST_HOLD)
        if self._held_until is None or until > self._held_until:
            self._held_until = until
        return [claim for line in self._lines for claim in line.waiting.values()]

    def _free(self, line: _Line) -> bool:
        if self._held_until is not None:
            if self.clock() < self._held_until:
                return False
            self._held_until = None
        if self._cap is not None and self._taken >= self._cap:
            return False
        return self._taken < self.limit and line.taken < line.most

    def _take(self, claim: Claim) -> None:
        self._taken += 1
        self.served += 1
        claim._line.taken += 1
        claim._epoch = self._epoch
        claim.granted = True

    def _grant(self) -> list[Claim]:
        """Places to those who wait longest and may have one. Under the lock; the caller tells them afterwards."""
        granted = []
        while open_lines := [line for line in self._lines if self._free(line)]:
            line = min(open_lines, key=lambda each: next(iter(each.waiting)))
            _, claim = line.waiting.popitem(last=False)
            if not line.waiting:
                self._lines.remove(line)
            self._take(claim)
            granted.append(claim)
        return granted

    def _tell(self, claims: list[Claim]) -> None:
        """Outside the lock. Who cannot be told, because its event loop is closed, gives its place on."""
        for claim in claims:
            try:
                claim._notify()
            except RuntimeError:
                with self._lock:
                    claims += self._give_back(claim)


def _nobody() -> None:
    """Whom a claim tells that never had to wait."""


class Share:
    """One client's way into a limiter that others use too: never more than `most` places at once."""

    def __init__(self, limiter: Limiter, most: int) -> None:
        self.limiter = limiter
        self.ceiling = most
        self._line = _Line(most)

    def claim(self, notify: Callable[[], None]) -> Claim:
        """As Limiter.claim."""
        return self.limiter._claim(self._line, notify)

    def take(self) -> Claim | None:
        """As Limiter.take."""
        return self.limiter._take_free(self._line)
