"""A Sage Intacct of your own inside this process: no port, no credentials, nothing to install by hand.

The only module that joins the client and the simulator; both stay ignorant of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tieout.rest import AsyncIntacct, InProcessTransport, Intacct
from tieout.rest.call import Reply, Request
from tieout.rest.effects import NoAnswer

if TYPE_CHECKING:
    from tieout.simulator import Simulator

CLIENT = {"client_id": "demo-client", "client_secret": "demo-secret"}  # the simulator's public demo credentials


def simulated(
    seed: Literal["demo", "empty"] = "demo",
    *,
    user: str = "admin",
    entity: str | None = None,
    recordings: Sequence[Path] = (),
    simulator: Simulator | None = None,
    **options: Any,
) -> Intacct:
    """A client of a simulated company in memory, gone when the client is closed.

    `seed="demo"` is a plausible company with two years of documents, `"empty"` has users and entities only. Give a
    `simulator` of your own to share one company between clients; it then stays open. Other options are Intacct's.

    >>> with simulated() as intacct:
    ...     intacct.count("vendors", private=True)
    120
    """
    return Intacct(user=user, entity=entity, **_wiring(seed, recordings, simulator), **options)


def simulated_async(
    seed: Literal["demo", "empty"] = "demo",
    *,
    user: str = "admin",
    entity: str | None = None,
    recordings: Sequence[Path] = (),
    simulator: Simulator | None = None,
    **options: Any,
) -> AsyncIntacct:
    """As `simulated`, for asyncio."""
    return AsyncIntacct(user=user, entity=entity, **_wiring(seed, recordings, simulator), **options)


class SimulatedTransport(InProcessTransport):
    """A simulator in place of a network: an answer that it loses on purpose is one that the client did not get."""

    def __init__(self, simulator: Simulator, *, close: bool = True) -> None:
        super().__init__(simulator.answer, simulator.close if close else None)
        self._simulator = simulator

    def send(self, request: Request, timeout: float) -> Reply:
        from tieout.simulator.delivery import LostAnswerError

        target = "/" + request.url.split("://", 1)[-1].partition("/")[2]
        try:
            status, headers, body = self._simulator.answer(
                request.method, target, request.headers, request.body or b"", timeout
            )
        except LostAnswerError as lost:
            raise NoAnswer(str(lost), sent=True, timeout=lost.timeout) from None
        return Reply(status, {name.lower(): value for name, value in headers.items()}, body)


def _wiring(seed: Literal["demo", "empty"], recordings: Sequence[Path], simulator: Simulator | None) -> dict[str, Any]:
    from tieout.simulator import Simulator

    inner = simulator or Simulator(seed, recordings=recordings)
    transport = SimulatedTransport(inner, close=simulator is None)
    return {"company": "demo", "base_url": inner.origin, "transport": transport} | CLIENT
