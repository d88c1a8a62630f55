"""What every exchange needs to know of its client: where to send, as whom, and within which limits. No I/O."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.rest.call import Call
from tieout.rest.effects import Exchange
from tieout.rest.meter import Meter

if TYPE_CHECKING:
    from tieout.rest.budget import Budget
    from tieout.rest.pace import Pace
    from tieout.rest.tokens import Token, TokenSource


class Session(msgspec.Struct, kw_only=True):
    """Handed to every exchange. A copy with other limits is made for one call, or for one entity."""

    base_url: str
    tokens: TokenSource
    meter: Meter
    pace: Pace | None = None
    """Who must learn which company this is; None where it does not matter."""
    budget: Budget | None = None
    entity: str | None = None
    timeout: float = 60.0
    """Seconds for one try."""
    deadline: float = 300.0
    """Seconds for a call in total: its tries, the waits between them, the wait for a place and for a token."""
    ends_at: float = float("inf")
    """By `clock`: when everything must be over, whatever a call may take by itself."""
    keys_work: Callable[[Session, Call[Any]], Exchange[bool]] | None = None
    """Asked before a write without an answer is sent again: do idempotency keys work there? None: they do."""
    before_write: Callable[[Session, Call[Any], Token], Exchange[None]] | None = None
    """Asked before a write goes out for the first time, with the token that it goes out with. What it raises is raised
    instead of sending."""
    allows: Callable[[Call[Any]], None] | None = None
    """Told of each write before anything is done for it; raises where it may not be made."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    """Unix time, for the log."""
    jitter: Callable[[], float] = random.random

    def within(self, *, timeout: float | None = None, deadline: float | None = None) -> Session:
        """The same with other limits in seconds; None leaves one as it is."""
        return msgspec.structs.replace(
            self,
            timeout=self.timeout if timeout is None else timeout,
            deadline=self.deadline if deadline is None else deadline,
        )

    def bounded(self) -> Session:
        """The same for what belongs to one call that begins now: its token, its questions, its waits."""
        return msgspec.structs.replace(self, ends_at=min(self.ends_at, self.clock() + self.deadline))

    def remaining(self) -> float:
        """Seconds until everything must be over; negative once it should have been, infinite where nothing says."""
        return self.ends_at - self.clock()

    def patience(self) -> float | None:
        """Seconds to wait in a queue; None for as long as it takes."""
        left = self.remaining()
        return max(0.001, left) if left < float("inf") else None
