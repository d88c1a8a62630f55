"""The part of the control API about people and applications: users and their rights, clients, what a company admits,
and the tokens that live. Registered in `control`.

It shows no password, no client secret and no token, and of a session no more than the beginning of its id.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tieout.simulator import permissions
from tieout.simulator.clients import Access, Client, Scope
from tieout.simulator.control_request import Act, ControlError, read
from tieout.simulator.grants import PREFIX, Session
from tieout.simulator.http import Request, Response, json_reply
from tieout.simulator.identity import Status, User

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator, Tenant


class _Body(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is not named stays as it is."""

    company: str = "demo"


class UserChange(_Body):
    """A user made or changed. `entities` null: all of them; `permissions` null: everything."""

    id: str
    password: str | UnsetType = UNSET
    entities: tuple[str, ...] | UnsetType | None = UNSET
    top_level: bool | UnsetType = UNSET
    admin: bool | UnsetType = UNSET
    web_services: bool | UnsetType = UNSET
    permissions: dict[str, tuple[str, ...]] | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET


class ClientChange(_Body):
    """An application registered or changed; a new one without `secret` gets one, shown this once."""

    id: str
    secret: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    redirect_uris: tuple[str, ...] | UnsetType = UNSET
    loopback: bool | UnsetType = UNSET
    scope: Scope | UnsetType = UNSET
    sender: str | UnsetType | None = UNSET


class AccessChange(_Body):
    """What a company has subscribed to and authorised; `clients` and `senders` null: all."""

    environment: Literal["production", "sandbox"] | UnsetType = UNSET
    web_services: bool | UnsetType = UNSET
    clients: tuple[str, ...] | UnsetType | None = UNSET
    senders: tuple[str, ...] | UnsetType | None = UNSET


class Ending(_Body):
    """Tokens of the company to end: all, a user's, or those of the session whose id begins with `session`."""

    as_: Literal["expired", "dead", "no_refresh"] = msgspec.field(name="as", default="expired")
    """Access tokens look expired, or dead; or they live on and only cannot be renewed."""
    user: str | None = None
    session: str | None = None


# --- users --------------------------------------------------------------------------------------------------------


def _users(simulator: Simulator, company: str) -> dict[str, Any]:
    tenant = _tenant(simulator, company)
    return {"users": [_shown_user(tenant, user) for user in tenant.company.users.values()]}


def _shown_user(tenant: Tenant, user: User) -> dict[str, Any]:
    shown = msgspec.to_builtins(user)
    del shown["password"]
    return {**shown, "status": tenant.company.user_status(user.id)}


def _change_user(simulator: Simulator, request: Request) -> Response:
    change = read(request, UserChange)
    company = _tenant(simulator, change.company).company
    given = _given(change, without={"company", "id", "status"})
    _check_user(change)
    new = change.id not in company.users
    with company.atomically():
        user = company.add_user(change.id) if new else company.users[change.id]
        company.set_user(msgspec.structs.replace(user, **given))
        if change.status is not UNSET:
            company.set_user_status(change.id, change.status)
    return json_reply(201 if new else 200, _users(simulator, change.company))


def _check_user(change: UserChange) -> None:
    if not change.id or "@" in change.id or not change.id.isprintable():
        raise ControlError(f"{change.id!r} cannot be a user id: it is not empty and has no @.")
    if change.permissions is UNSET or change.permissions is None:
        return
    try:
        permissions.checked(change.permissions)
    except ValueError as error:
        raise ControlError(f"{error}.") from None


# --- clients and companies ----------------------------------------------------------------------------------------


def _clients(simulator: Simulator, _: str) -> dict[str, Any]:
    return {"clients": [_shown_client(client) for client in list(simulator.clients.values())]}


def _shown_client(client: Client) -> dict[str, Any]:
    shown = msgspec.to_builtins(client)
    del shown["secret"]
    return dict(shown)


def _change_client(simulator: Simulator, request: Request) -> Response:
    change = read(request, ClientChange)
    if not change.id or not change.id.isprintable():
        raise ControlError("A client needs an id.")
    if change.secret == "":
        raise ControlError("A client's secret is not empty; leave it out and one is made.")
    given = _given(change, without={"company", "id"})
    before = simulator.clients.get(change.id)
    if before is not None:
        simulator.set_client(msgspec.structs.replace(before, **given))
        return json_reply(200, _clients(simulator, ""))
    client = Client(**{"id": change.id, "secret": secrets.token_urlsafe(24), **given})
    simulator.set_client(client)
    made = {"secret": client.secret} if change.secret is UNSET else {}
    return json_reply(201, {**_clients(simulator, ""), **made})


def _access(simulator: Simulator, company: str) -> dict[str, Any]:
    return {"access": msgspec.to_builtins(_tenant(simulator, company).desk.grants.access)}


def _change_access(simulator: Simulator, request: Request) -> Response:
    change = read(request, AccessChange)
    grants = _tenant(simulator, change.company).desk.grants
    access: Access = msgspec.structs.replace(grants.access, **_given(change, without={"company"}))
    grants.set_access(access)
    return json_reply(200, _access(simulator, change.company))


# --- sessions -----------------------------------------------------------------------------------------------------


def _sessions(simulator: Simulator, company: str) -> dict[str, Any]:
    tenant = _tenant(simulator, company)
    return {"sessions": [_shown_session(tenant, session) for session in tenant.desk.grants.live()]}


def _shown_session(tenant: Tenant, session: Session) -> dict[str, Any]:
    grant = tenant.desk.grants.grant_of(session)
    return {
        "session": session.id[:PREFIX],
        "user": session.user_id,
        "client": session.client,
        "entity": session.entity_id,
        "grant_type": grant.kind,
        "issued": _stamp(session.issued),
        "expires": _stamp(session.expires),
        "refreshable": grant.offline and not grant.refresh_dead,
    }


def _end_sessions(simulator: Simulator, request: Request) -> Response:
    ending = read(request, Ending)
    grants = _tenant(simulator, ending.company).desk.grants
    if ending.session == "":
        raise ControlError("session is the beginning of a session's id, not empty.")
    if ending.as_ == "no_refresh":
        ended = grants.end_refresh(user_id=ending.user, session=ending.session)
    else:
        ended = grants.end(ending.as_, user_id=ending.user, session=ending.session)
    return json_reply(200, {"ended": ended, **_sessions(simulator, ending.company)})


# --- small things -------------------------------------------------------------------------------------------------


def _shown(show: Callable[[Simulator, str], dict[str, Any]]) -> Act:
    """A GET about the company `?company=` names."""
    return lambda simulator, request: json_reply(200, show(simulator, request.query.get("company", "demo")))


def _tenant(simulator: Simulator, name: str) -> Tenant:
    tenant = simulator.tenant(name)
    if tenant is None:
        raise ControlError(f"There is no company {name!r}.", 404)
    return tenant


def _given(change: _Body, *, without: set[str]) -> dict[str, Any]:
    fields = {name: getattr(change, name) for name in change.__struct_fields__ if name not in without}
    return {name: value for name, value in fields.items() if value is not UNSET}


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES: dict[tuple[str, int], dict[str, Act]] = {
    ("users", 0): {"GET": _shown(_users), "POST": _change_user},
    ("clients", 0): {"GET": _shown(_clients), "POST": _change_client},
    ("access", 0): {"GET": _shown(_access), "POST": _change_access},
    ("sessions", 0): {"GET": _shown(_sessions), "POST": _end_sessions},
}
"""As the routes of `control`."""
