"""The control API under `/_simulator/`: what Sage does not have and a test needs. Companies, the clock, starting over.

It is for programs on this machine: requests that a web page could send are refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from tieout.simulator.http import Request, Response, json_reply

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator

T = TypeVar("T")


class NewCompany(msgspec.Struct, forbid_unknown_fields=True):
    """`path` is a SQLite file to keep the company in (absent: memory)."""

    name: str
    seed: Literal["demo", "empty"] = "empty"
    path: str | None = None


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """Exactly one: stand still at a moment (ISO 8601), move on by seconds, or run on from where it stands."""

    freeze: datetime | None = None
    advance: float | None = None
    run: bool = False


class _BadControlError(Exception):
    pass


def answer(simulator: Simulator, request: Request) -> Response:
    """Errors are `{"error": "<sentence>"}` with 400, 403, 404 or 405."""
    from tieout.simulator.server import CompanyError

    if "origin" in request.headers:  # browsers send it with every cross-site write
        return json_reply(403, {"error": "The control API does not answer web pages."})
    action = "/".join(request.segments[1:])
    try:
        if action == "":
            return _status(simulator) if request.method == "GET" else _only("GET")
        if action not in ("companies", "clock", "reset"):
            return json_reply(404, {"error": f"There is no {request.path}."})
        if request.method != "POST":
            return _only("POST")
        if action == "companies":
            return _add(simulator, _read(request, NewCompany))
        if action == "clock":
            return _set_clock(simulator, _read(request, ClockChange))
        simulator.reset()
        return _status(simulator)
    except (_BadControlError, CompanyError) as error:
        return json_reply(400, {"error": str(error)})


def _only(method: str) -> Response:
    return json_reply(405, {"error": f"Only {method} is answered here."}, allow=method)


def _status(simulator: Simulator, status: int = 200) -> Response:
    companies = [
        {
            "name": tenant.company.name,
            "seed": tenant.seed,
            "file": str(tenant.path) if tenant.path is not None else None,
            "users": sorted(tenant.company.users),
        }
        for tenant in simulator.tenants()
    ]
    clock = {"now": simulator.clock.stamp(), "frozen": simulator.clock.is_frozen}
    return json_reply(status, {"companies": companies, "clock": clock, "clients": sorted(simulator.clients)})


def _add(simulator: Simulator, new: NewCompany) -> Response:
    simulator.add_company(new.name, new.seed, path=Path(new.path) if new.path else None)
    return _status(simulator, 201)


def _set_clock(simulator: Simulator, change: ClockChange) -> Response:
    if sum((change.freeze is not None, change.advance is not None, change.run)) != 1:
        raise _BadControlError("Give exactly one of freeze, advance and run.")
    if change.freeze is not None:
        simulator.clock.freeze(change.freeze if change.freeze.tzinfo else change.freeze.replace(tzinfo=UTC))
    elif change.advance is not None:
        simulator.clock.advance(change.advance)
    else:
        simulator.clock.run()
    return _status(simulator)


def _read(request: Request, kind: type[T]) -> T:
    """JSON under its own content type: a form of a foreign web page cannot send that unasked."""
    if "json" not in request.headers.get("content-type", ""):
        raise _BadControlError("Send JSON with content-type: application/json.")
    try:
        return msgspec.json.decode(request.body, type=kind)
    except msgspec.DecodeError as error:
        raise _BadControlError(f"The body does not fit: {error}.") from None
