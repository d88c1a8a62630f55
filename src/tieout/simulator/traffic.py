"""What stands in front of the API: limits, latency and faults, and behind it the log and the count of transactions.

One request is a generator that yields the seconds to wait and returns the answer: each door waits in its own way. What
an answer says is not its business.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from tieout.simulator.faults import Fault, Faults
from tieout.simulator.http import Request, Response
from tieout.simulator.requestlog import RequestLog
from tieout.simulator.sighting import Sighting
from tieout.simulator.throttle import Throttle
from tieout.simulator.usage import Usage, transactions

if TYPE_CHECKING:
    from tieout.simulator.behaviour import Settings
    from tieout.simulator.clock import Clock

Exchange = Generator[float, None, Response]
"""Yields seconds to wait, returns the answer."""


class Traffic:
    """Threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._dice = random.Random(0)  # noqa: S311 - a test wants the same throws again
        self.faults = Faults()
        self.throttle = Throttle()
        self.log = RequestLog()
        self.usage = Usage()

    def reset(self) -> None:
        """No rules, no counts, no log; listeners stay."""
        with self._lock:
            self._dice.seed(0)
        self.faults.clear()
        self.throttle = Throttle()
        self.usage = Usage()
        self.log.clear()

    def exchange(
        self,
        request: Request,
        settings: Callable[[str], Settings],
        route: Callable[[Request], Response],
        stand_in: Callable[[Request, Response], Response],
    ) -> Exchange:
        """`settings` of a company by name (the server's for none), `route` does the work, `stand_in` may keep an answer
        that was given without any work."""
        seen = Sighting(request)
        chosen = settings(seen.company)
        began = time.perf_counter()
        throttle, usage = self.throttle, self.usage
        place = throttle.enter(seen, chosen, int(self._clock.now().timestamp()))
        met = None
        cost = 0
        try:
            wait = self._latency(chosen)
            if place.rejection is not None:
                if wait:
                    yield wait
                response = stand_in(request, place.rejection)
            else:
                met = self.faults.meet(seen)
                fault = met[1] if met is not None else None
                if wait := wait + _delay(fault, "before"):
                    yield wait
                if fault is not None and fault.instead:
                    response = stand_in(request, fault.spoil(None))
                else:
                    response = route(request)
                    cost = transactions(request, response)
                    if wait := _delay(fault, "after"):
                        yield wait
                    response = response if fault is None else fault.spoil(response)
            response.headers |= {name.lower(): value for name, value in place.headers.items()}
        finally:
            throttle.leave(place)
        if self.usage is not usage:  # all was reset meanwhile: this request belongs to no book any more
            return response
        usage.note(seen, f"{self._clock.now():%Y-%m}", cost)
        self.log.note(
            seen,
            response,
            at=self._clock.stamp(),
            milliseconds=(time.perf_counter() - began) * 1000,
            transactions=cost,
            fault=met[0] if met is not None else 0,
            throttled=place.rejection is not None,
            bodies=chosen.on("log_bodies"),
        )
        return response

    def _latency(self, settings: Settings) -> float:
        """Seconds."""
        least, most = settings.number("latency_from"), settings.number("latency_to")
        if not (least or most):
            return 0.0
        with self._lock:
            return self._dice.uniform(least, max(least, most)) / 1000


def _delay(fault: Fault | None, when: str) -> float:
    return fault.delay if fault is not None and fault.when == when else 0.0
