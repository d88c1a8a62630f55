"""A Sage Intacct of your own inside this process: no port, no credentials, nothing to install by hand.

The only module that joins the client and the simulator; both stay ignorant of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tieout.rest import AsyncIntacct, InProcessTransport, Intacct

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


def _wiring(seed: Literal["demo", "empty"], recordings: Sequence[Path], simulator: Simulator | None) -> dict[str, Any]:
    from tieout.simulator import Simulator

    inner = simulator or Simulator(seed, recordings=recordings)
    transport = InProcessTransport(inner.answer, close=None if simulator is not None else inner.close)
    return {"company": "demo", "base_url": inner.origin, "transport": transport} | CLIENT
