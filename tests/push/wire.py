"""The wire of the push tests: between client and simulated company, where a test loses and spoils what it wants."""

from __future__ import annotations

from collections.abc import Callable

from tieout.rest import Reply, Request
from tieout.rest.effects import NoAnswer
from tieout.rest.transport import InProcessTransport
from tieout.simulator import Simulator


class Line:
    """The wire to a simulated company, with a fault where a test wants one."""

    def __init__(self, simulator: Simulator) -> None:
        self._inner = InProcessTransport(simulator.answer)
        self.fault: Callable[[Request, Callable[[], Reply]], Reply] | None = None
        self.only = ("POST", "/objects/")
        """The writes that the fault meets; without a method all of them."""
        self.read: Callable[[Request, Callable[[], Reply]], Reply] | None = None
        """The same for records that are read by their keys."""
        self.posts: list[tuple[str, bytes]] = []
        """Key and body of every write."""

    def send(self, request: Request, timeout: float) -> Reply:
        def deliver() -> Reply:
            return self._inner.send(request, timeout)

        if request.method != "GET" and ("/objects/" in request.url or "/workflows/" in request.url):
            self.posts.append((request.headers.get("Idempotency-Key", ""), request.body or b""))
            method, path = self.only
            if self.fault is not None and method in ("", request.method) and path in request.url:
                return self.fault(request, deliver)
        if request.method == "GET" and "/objects/" in request.url and self.read is not None:
            return self.read(request, deliver)
        return deliver()

    def close(self) -> None:
        self._inner.close()


def lost_answer(_: Request, deliver: Callable[[], Reply]) -> Reply:
    deliver()
    raise NoAnswer("the connection was cut", sent=True)


def lost_request(_: Request, deliver: Callable[[], Reply]) -> Reply:
    raise NoAnswer("the connection was cut", sent=True)
