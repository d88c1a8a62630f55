"""Signing in by browser: a login page, a consent page, and the way back to the application (REST reference 1.2).

It needs no cookies: each page carries a ticket that is good for its own step. It gives codes, never tokens. How the
pages look is `pages`'s.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from tieout.simulator import pages
from tieout.simulator.clients import Client
from tieout.simulator.grants import Code
from tieout.simulator.http import Request, Response
from tieout.simulator.refusal import Refusal

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator, Tenant

PATIENCE = 600
"""Seconds on the simulated clock that a page may lie open before its ticket is void."""
_PKCE = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_WRONG = "Company, user ID or password is not correct. User IDs are case-sensitive."


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the application asked for, checked."""

    client: str
    redirect_uri: str
    state: str | None
    offline: bool
    challenge: str | None
    challenge_method: str


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One browser on its way. `company` and `user_id` are set once it has signed in."""

    asked: Asked
    since: float
    company: str | None = None
    user_id: str | None = None
    entity_id: str | None = None
    approves: bool = False
    """Allowing also authorises the application for the company."""


class Lobby:
    """The browsers on their way, by the ticket of the page they are looking at. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._visits: dict[str, Visit] = {}

    def enter(self, visit: Visit) -> str:
        """A new ticket."""
        ticket = secrets.token_urlsafe(32)
        with self._lock:
            self._visits = {t: v for t, v in self._visits.items() if 0 <= visit.since - v.since < PATIENCE}
            self._visits[ticket] = visit
        return ticket

    def take(self, ticket: str, now: float) -> Visit | None:
        """The visit of a ticket, which is then used up; None if it is not there or too old."""
        with self._lock:
            visit = self._visits.pop(ticket, None)
        return visit if visit is not None and now - visit.since < PATIENCE else None

    def clear(self) -> None:
        with self._lock:
            self._visits.clear()


class _BackError(Exception):
    """The application is told by redirect what is wrong with its request (RFC 6749 4.1.2.1)."""

    def __init__(self, asked: Asked, error: str, description: str) -> None:
        self.reply = _back(asked, error=error, error_description=description)


def answer(simulator: Simulator, request: Request) -> Response:
    """`GET` shows the login page, `POST` takes the pages' forms. Errors are pages, never a redirect to an address that
    is not registered."""
    if request.method not in ("GET", "POST"):
        raise Refusal.method_not_allowed(request.method, request.path, ("GET", "POST"))
    try:
        if request.method == "GET":
            visit = Visit(asked=_asked(simulator, request.query), since=_now(simulator))
            return _login_page(simulator, request, visit)
        return _step(simulator, request)
    except pages.FaultError as fault:
        return pages.fault(fault)
    except _BackError as back:
        return back.reply


# --- what the application asks ------------------------------------------------------------------------------------


def _asked(simulator: Simulator, query: Mapping[str, str]) -> Asked:
    client = simulator.clients.get(query.get("client_id", ""))
    if client is None:
        raise pages.FaultError(
            "The application is not known",
            "The client_id of this request is not registered. This simulator knows "
            f"{', '.join(sorted(simulator.clients))}; POST /_simulator/clients registers another.",
        )
    redirect_uri = query.get("redirect_uri", "")
    if not client.accepts(redirect_uri):
        raise pages.FaultError(
            "The application cannot be returned to",
            f"The redirect_uri of this request is not registered for {client.title}. "
            "POST /_simulator/clients registers it.",
        )
    challenge = query.get("code_challenge") or None
    asked = Asked(
        client=client.id,
        redirect_uri=redirect_uri,
        state=query.get("state"),
        offline="offline_access" in query.get("scope", "").split(),
        challenge=challenge,
        challenge_method=query.get("code_challenge_method") or "plain",
    )
    _check(asked, query)
    return asked


def _check(asked: Asked, query: Mapping[str, str]) -> None:
    kind = query.get("response_type", "")
    if not kind:
        raise _BackError(asked, "invalid_request", "The response_type parameter is required")
    if kind != "code":
        raise _BackError(asked, "unsupported_response_type", f"The response type {kind!r} is not supported")
    if asked.challenge is None:
        if query.get("code_challenge_method"):
            raise _BackError(asked, "invalid_request", "The code_challenge parameter is required")
        return
    if asked.challenge_method not in ("S256", "plain"):
        raise _BackError(asked, "invalid_request", "The code_challenge_method must be S256 or plain")
    if not _PKCE.fullmatch(asked.challenge):
        raise _BackError(asked, "invalid_request", "The code_challenge must be 43 to 128 unreserved characters")


# --- the pages' forms ---------------------------------------------------------------------------------------------


def _step(simulator: Simulator, request: Request) -> Response:
    form = _form(request)
    visit = simulator.lobby.take(form.get("ticket", ""), _now(simulator))
    if visit is None:
        raise pages.FaultError(
            "This page is no longer valid",
            "It was already used, or it was open for too long. Start again from the application.",
        )
    if visit.user_id is None:
        return _sign_in(simulator, request, visit, form)
    return _decide(simulator, visit, form.get("decision", ""))


def _sign_in(simulator: Simulator, request: Request, visit: Visit, form: Mapping[str, str]) -> Response:
    company, user_id = form.get("company", "").strip(), form.get("user", "").strip()
    tenant = simulator.tenant(company)
    user = None if tenant is None else tenant.company.users.get(user_id)
    given = form.get("password", "").encode(errors="surrogatepass")
    if tenant is None or user is None or not secrets.compare_digest(user.password.encode(), given):
        return _login_page(simulator, request, visit, company, user_id, _WRONG)
    status = tenant.company.user_status(user_id)
    if status != "active":
        why = "locked out" if status == "lockedOut" else "inactive"
        return _login_page(
            simulator, request, visit, company, user_id, f"User {user_id} is {why}. Ask your administrator."
        )
    return _consent_page(simulator, request, visit, tenant, user_id)


def _login_page(
    simulator: Simulator, request: Request, visit: Visit, company: str = "", user_id: str = "", mistake: str = ""
) -> Response:
    return pages.login(
        action=request.path,
        ticket=simulator.lobby.enter(visit),
        application=_client(simulator, visit).title,
        company=company,
        user=user_id,
        mistake=mistake,
    )


def _consent_page(simulator: Simulator, request: Request, visit: Visit, tenant: Tenant, user_id: str) -> Response:
    client, user = _client(simulator, visit), tenant.company.users[user_id]
    hindrance, approves = _hindrance(client, tenant, admin=user.admin)
    entity_id = None
    if not user.top_level and user.entities:
        if tenant.company.settings.word("no_top_level") == "refused":
            hindrance = hindrance or f"User {user_id} has no access to the top level of {tenant.company.name}."
        entity_id = user.entities[0]
    signed_in = msgspec.structs.replace(
        visit,
        since=_now(simulator),
        company=tenant.company.name,
        user_id=user_id,
        entity_id=entity_id,
        approves=approves,
    )
    return pages.consent(
        action=request.path,
        ticket=simulator.lobby.enter(signed_in),
        application=client.title,
        company=tenant.company.name,
        user=user_id,
        entity=entity_id,
        offline=visit.asked.offline,
        hindrance=hindrance,
        approves=approves,
    )


def _hindrance(client: Client, tenant: Tenant, *, admin: bool) -> tuple[str, bool]:
    """Why the application may not come in ('' if it may), and whether this user's consent lets it in for all."""
    access, settings = tenant.desk.grants.access, tenant.company.settings
    if not access.fits(client) and settings.word("scope_mismatch") == "authorize":
        return (
            f"{client.title} is a {client.scope} application, {tenant.company.name} a {access.environment} company.",
            False,
        )
    if access.admits(client):
        return "", False
    if admin and settings.word("unauthorised_client") == "admin_approves":
        return "", True
    return (
        f"{client.title} is not authorised for {tenant.company.name}. An administrator must authorise it first.",
        False,
    )


def _decide(simulator: Simulator, visit: Visit, decision: str) -> Response:
    client = _client(simulator, visit)
    tenant = simulator.tenant(visit.company or "")
    if decision != "allow" or tenant is None or visit.user_id is None:
        return _back(visit.asked, error="access_denied", error_description="The user denied the request")
    grants = tenant.desk.grants
    if not visit.approves and _hindrance(client, tenant, admin=False)[0]:
        return _back(visit.asked, error="access_denied", error_description="The application is not authorised")
    if visit.approves and grants.access.clients is not None:
        approved = tuple(dict.fromkeys((*grants.access.clients, client.id)))
        grants.set_access(msgspec.structs.replace(grants.access, clients=approved))
    code = Code(
        client=client.id,
        user_id=visit.user_id,
        entity_id=visit.entity_id,
        redirect_uri=visit.asked.redirect_uri,
        challenge=visit.asked.challenge,
        challenge_method=visit.asked.challenge_method,
        offline=visit.asked.offline,
        issued=int(tenant.company.clock.now().timestamp()),
    )
    return _back(visit.asked, code=grants.add_code(code))


# --- small things -------------------------------------------------------------------------------------------------


def _client(simulator: Simulator, visit: Visit) -> Client:
    client = simulator.clients.get(visit.asked.client)
    if client is None:
        raise pages.FaultError("The application is not known", "It was removed in the meantime.")
    return client


def _back(asked: Asked, **told: str) -> Response:
    """To the registered address, whose own query stays, with `state` as it came."""
    parts = urlsplit(asked.redirect_uri)
    if asked.state is not None:
        told["state"] = asked.state
    query = "&".join(filter(None, (parts.query, urlencode(told))))
    return Response(302, {"location": urlunsplit(parts._replace(query=query)), "cache-control": "no-store"})


def _form(request: Request) -> dict[str, str]:
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except ValueError:
        return {}


def _now(simulator: Simulator) -> float:
    return simulator.clock.now().timestamp()
