"""The control API under `/_simulator/`: what Sage does not have and a test needs.

It reads and words; what is done lies with the server, its switches, faults, log and snapshots. It is for programs on
this machine: requests that a web page could send are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from tieout.simulator import control_access
from tieout.simulator.behaviour import Settings
from tieout.simulator.behaviour.settings import SWITCHES
from tieout.simulator.control_request import Act, ControlError, read
from tieout.simulator.faults import Fault
from tieout.simulator.http import Request, Response, json_reply
from tieout.simulator.requestlog import Entry
from tieout.simulator.snapshots import Snapshot, SnapshotError
from tieout.simulator.throttle import TIERS

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


class SnapshotName(msgspec.Struct, forbid_unknown_fields=True):
    """`file` keeps it in a file too, or restores from there."""

    name: str = ""
    file: str | None = None


def answer(simulator: Simulator, request: Request) -> Response:
    """Errors are `{"error": "<sentence>"}` with 400, 403, 404 or 405."""
    from tieout.simulator.server import CompanyError

    if "origin" in request.headers:  # browsers send it with every cross-site write
        return json_reply(403, {"error": "The control API does not answer web pages."})
    action, *rest = (*request.segments[1:], "")
    methods = _ROUTES.get((action, len([part for part in rest if part])))
    if methods is None:
        known = ", ".join(sorted({name for name, _ in _ROUTES if name}))
        return json_reply(404, {"error": f"There is no {request.path}. Below /_simulator/ there are {known}."})
    act = methods.get(request.method)
    if act is None:
        allowed = ", ".join(methods)
        return json_reply(405, {"error": f"Only {allowed} is answered here."}, allow=allowed)
    try:
        return act(simulator, request)
    except ControlError as error:
        return json_reply(error.status, {"error": str(error)})
    except (CompanyError, SnapshotError) as error:
        return json_reply(400, {"error": str(error)})


# ---- companies and the clock -------------------------------------------------------------------------------------


def _status(simulator: Simulator, _: Request, status: int = 200) -> Response:
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


def _add_company(simulator: Simulator, request: Request) -> Response:
    new = read(request, NewCompany)
    simulator.add_company(new.name, new.seed, path=Path(new.path) if new.path else None)
    return _status(simulator, request, 201)


def _set_clock(simulator: Simulator, request: Request) -> Response:
    change = read(request, ClockChange)
    if sum((change.freeze is not None, change.advance is not None, change.run)) != 1:
        raise ControlError("Give exactly one of freeze, advance and run.")
    try:
        if change.freeze is not None:
            simulator.clock.freeze(change.freeze)
        elif change.advance is not None:
            simulator.clock.advance(change.advance)
        else:
            simulator.clock.run()
    except ValueError as error:
        raise ControlError(f"The clock cannot go there: {error}.") from None
    return _status(simulator, request)


def _reset(simulator: Simulator, request: Request) -> Response:
    simulator.reset()
    return _status(simulator, request)


# ---- switches ----------------------------------------------------------------------------------------------------


def _settings(simulator: Simulator, request: Request) -> Settings:
    """The server's, or with `?company=` that company's."""
    name = request.query.get("company")
    if name is None:
        return simulator.settings
    tenant = simulator.tenant(name)
    if tenant is None:
        raise ControlError(f"There is no company {name!r}.", 404)
    return tenant.company.settings


def _switches(simulator: Simulator, request: Request) -> Response:
    settings = _settings(simulator, request)
    own = settings.own()
    listed = [
        {
            "name": name,
            "value": settings[name],
            "set": name in own,
            "default": switch.default,
            "choices": switch.choices,
            "what": switch.what,
            "evidence": switch.evidence,
            "where": switch.where,
        }
        for name, switch in sorted(SWITCHES.items())
    ]
    return json_reply(200, {"switches": listed})


def _set_switches(simulator: Simulator, request: Request) -> Response:
    settings = _settings(simulator, request)
    try:
        settings.set(read(request, dict[str, Any]))
    except ValueError as error:
        raise ControlError(f"{error}.") from None
    return _switches(simulator, request)


def _clear_switches(simulator: Simulator, request: Request) -> Response:
    _settings(simulator, request).clear()
    return _switches(simulator, request)


# ---- faults ------------------------------------------------------------------------------------------------------


def _faults(simulator: Simulator, _: Request, status: int = 200) -> Response:
    return json_reply(status, {"faults": [msgspec.to_builtins(one) for one in simulator.traffic.faults.standing()]})


def _add_faults(simulator: Simulator, request: Request) -> Response:
    """One rule or several."""
    given = read(request, Fault | list[Fault])
    ids = [simulator.traffic.faults.add(fault) for fault in (given if isinstance(given, list) else [given])]
    return json_reply(201, {"ids": ids})


def _remove_fault(simulator: Simulator, request: Request) -> Response:
    try:
        simulator.traffic.faults.remove(int(request.segments[2]))
    except (KeyError, ValueError):
        raise ControlError(f"There is no fault {request.segments[2]!r}.", 404) from None
    return _faults(simulator, request)


def _clear_faults(simulator: Simulator, request: Request) -> Response:
    simulator.traffic.faults.clear()
    return _faults(simulator, request)


# ---- what happened -----------------------------------------------------------------------------------------------


def _requests(simulator: Simulator, request: Request) -> Response:
    """`?since=` a number, `?limit=`, and globs on what an entry holds: `?path=/objects/*&status=4*`."""
    wanted = dict(request.query)
    since, limit = _whole("since", wanted.pop("since", "0")), _whole("limit", wanted.pop("limit", "1000"))
    odd = next((name for name in wanted if name not in _NAMES), None)
    if odd is not None:
        raise ControlError(f"The log has no {odd!r}; it has {', '.join(_NAMES)}.")
    named = {_NAMES[name]: value for name, value in wanted.items()}
    entries = simulator.traffic.log.find(since=since, limit=max(limit, 0), **named)
    return json_reply(200, {"requests": [msgspec.to_builtins(entry) for entry in entries]})


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ControlError(f"{name} is a whole number, not {text!r}.") from None


_NAMES = dict(zip(Entry.__struct_encode_fields__, Entry.__struct_fields__, strict=True))


def _clear_requests(simulator: Simulator, request: Request) -> Response:
    simulator.traffic.log.clear()
    return _requests(simulator, msgspec.structs.replace(request, query={}))


def _transactions(simulator: Simulator, _: Request) -> Response:
    """By company, application and month, with what the company's tier has in a month; and requests under way."""
    months = []
    for month in simulator.traffic.usage.months():
        tenant = simulator.tenant(month.company)
        tier = tenant.company.settings.word("tier") if tenant is not None else "off"
        months.append({**msgspec.to_builtins(month), "included": TIERS[tier][0] if tier in TIERS else None})
    throttle = simulator.traffic.throttle
    return json_reply(
        200,
        {"months": months, "running": throttle.running(), "highest": {k: v for k, v in throttle.highest.items() if k}},
    )


# ---- snapshots ---------------------------------------------------------------------------------------------------


def _snapshots(simulator: Simulator, _: Request, status: int = 200) -> Response:
    listed = [
        {"name": name, "companies": [state.name for state in snapshot.companies]}
        for name, snapshot in simulator.snapshots.items()
    ]
    return json_reply(status, {"snapshots": listed})


def _take_snapshot(simulator: Simulator, request: Request) -> Response:
    asked = read(request, SnapshotName)
    if not asked.name:
        raise ControlError("Give the snapshot a name.")
    snapshot = Snapshot.take(simulator)
    if asked.file is not None:
        snapshot.save(Path(asked.file))
    simulator.snapshots[asked.name] = snapshot
    return _snapshots(simulator, request, 201)


def _restore(simulator: Simulator, request: Request) -> Response:
    asked = read(request, SnapshotName)
    if asked.file is not None:
        snapshot = Snapshot.read(Path(asked.file))
    elif asked.name in simulator.snapshots:
        snapshot = simulator.snapshots[asked.name]
    else:
        raise ControlError(f"There is no snapshot {asked.name!r}.", 404)
    snapshot.put_back(simulator)
    return _status(simulator, request)


def _drop_snapshot(simulator: Simulator, request: Request) -> Response:
    if simulator.snapshots.pop(request.segments[2], None) is None:
        raise ControlError(f"There is no snapshot {request.segments[2]!r}.", 404)
    return _snapshots(simulator, request)


_ROUTES: Mapping[tuple[str, int], Mapping[str, Act]] = {
    ("", 0): {"GET": _status},
    ("companies", 0): {"POST": _add_company},
    ("clock", 0): {"POST": _set_clock},
    ("reset", 0): {"POST": _reset},
    ("switches", 0): {"GET": _switches, "POST": _set_switches, "DELETE": _clear_switches},
    ("faults", 0): {"GET": _faults, "POST": _add_faults, "DELETE": _clear_faults},
    ("faults", 1): {"DELETE": _remove_fault},
    ("requests", 0): {"GET": _requests, "DELETE": _clear_requests},
    ("transactions", 0): {"GET": _transactions},
    ("snapshots", 0): {"GET": _snapshots, "POST": _take_snapshot},
    ("snapshots", 1): {"DELETE": _drop_snapshot},
    ("restore", 0): {"POST": _restore},
    **control_access.ROUTES,
}
"""First segment and number of those behind it -> what each method does."""
