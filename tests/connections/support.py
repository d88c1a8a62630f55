"""A wire to a simulated Intacct that counts the tokens fetched over it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from tieout.rest import InProcessTransport
from tieout.simulator import Simulator


class Wire:
    """`transport` reaches the simulator. `fetched` counts tokens, `most_at_once` how many were asked for together;
    `meanwhile` runs while a token is on its way back."""

    def __init__(self, simulator: Simulator) -> None:
        self.origin = simulator.origin
        self.fetched = 0
        self.most_at_once = 0
        self.meanwhile: Callable[[], None] = lambda: None
        self._under_way = 0
        self.transport = InProcessTransport(self._answer)
        self._simulator = simulator
        self._lock = threading.Lock()

    def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        if "/oauth2/token" not in target:
            return self._simulator.answer(method, target, headers, body)
        with self._lock:
            self.fetched += 1
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            answer = self._simulator.answer(method, target, headers, body)
            self.meanwhile()
            return answer
        finally:
            with self._lock:
                self._under_way -= 1
