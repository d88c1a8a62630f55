"""Steps inside the company: a token, its level, whether the application is welcome, entities, objects, limits.

Tokens come as every program's do, so that an examination neither adds a sign-in nor refreshes twice. A write is never
tried: what only a write would show is said to be unknown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tieout.connections.claims import claims_of
from tieout.connections.entities import ENTITIES
from tieout.connections.examining import menus
from tieout.connections.examining.case import Case, Use
from tieout.connections.examining.findings import Finding, code_of, refused
from tieout.connections.opening import connect
from tieout.connections.settings import ConnectionSettings
from tieout.errors import (
    Exit,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotAuthorisedError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    TieoutError,
    Whose,
)
from tieout.rest import ClientCredentials, Intacct
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.rest.pace import TIERS
from tieout.rest.session import Session
from tieout.rest.transport import HttpTransport

ENTITY_LIST = f"/objects/{ENTITIES}"


def token(case: Case) -> Iterator[Finding]:
    """Whether there is a valid token, or Intacct gives one."""
    found = case.connection
    if case.connections is not None and found.grant_id:
        source: Any = case.connections.tokens(found, found.entity, transport=case.transport)
        case.client_opened = (
            connect(case.place, found.name, found.entity or "")
            if case.transport is None
            else case.connections.open(found.name, entity=found.entity or "", transport=case.transport)
        )
    else:
        source = ClientCredentials(
            client_id=os.environ["TIEOUT_CLIENT_ID"],
            client_secret=os.environ.get("TIEOUT_CLIENT_SECRET", ""),
            user=found.user,
            company=found.company,
        )
        case.client_opened = Intacct.from_env(tokens=source, entity=found.entity)
    transport = case.transport or HttpTransport()
    session = Session(
        base_url=case.client.base_url,
        tokens=source,
        meter=case.client.meter,
        timeout=case.timeout,
        deadline=2 * case.timeout,
    )
    try:
        case.token = SyncDriver(transport, Limiter(1)).run(source.token(session.bounded()))
    except (IntacctError, NotAuthorisedError) as error:
        yield _no_token(case, error)
        return
    finally:
        if case.transport is None:
            transport.close()
    case.claims = claims_of(case.token.value)
    left = max(0.0, case.token.expires_at - time.time())
    yield Finding(step="token", status="ok", said=f"valid for {_lasting(left)}")


def _no_token(case: Case, error: TieoutError) -> Finding:
    browser = case.connection.kind == "authorization_code"
    if browser and isinstance(error, NotAuthorisedError):
        return refused("token", error)
    where = menus.user(case.connection.user) if code_of(error).lower() == "invalid_grant" else ""
    if where:
        where = f"{where}; {menus.SUBSCRIPTIONS}"
    return refused("token", error, where=where)


def company(case: Case) -> Iterator[Finding]:
    """Whether the company lets the application in. Asks for the list of entities; who may not list them is in."""
    level = case.connection.level or None
    try:
        listed = case.ask("GET", ENTITY_LIST, entity=level)
    except (ForbiddenError, RefusedError, InvalidRequestError, NotFoundError) as error:
        if code_of(error).lower() in menus.NOT_WELCOME:
            yield refused("company", error)
            return
        yield Finding(
            step="company", status="ok", said=f"{case.connection.company} lets the application in", code=code_of(error)
        )
        return
    case.entities = _ids(listed)
    yield Finding(step="company", status="ok", said=f"{case.connection.company} lets the application in")


def level(case: Case) -> Iterator[Finding]:
    """Which level the token has, by its own word."""
    claims, found = case.claims, case.connection
    if claims is None or claims.company is None:
        yield Finding(step="level", status="ok", said="the token does not say; the entity step shows it")
        return
    has = claims.entity or ""
    if found.company and claims.company.casefold() != found.company.casefold():
        yield Finding(
            step="level",
            status="failed",
            said=f"the token is of the company {claims.company}, not of {found.company}",
            advice=f"Connect again: tieout connect {found.name}",
            whose=str(Whose.YOURS),
            exit_code=Exit.NOT_AUTHORISED,
        )
    elif has != found.level and not (has and has == found.entity):
        yield Finding(
            step="level",
            status="warning",
            said=f"the token is of {_level(has)}, the connection was made for {_level(found.level)}",
            advice="What is written without an entity lands there. Give the user a top level, or connect again.",
            whose=menus.ADMINISTRATOR,
            where=menus.entities(found.user),
        )
    else:
        yield Finding(step="level", status="ok", said=f"{_level(has)}, as user {claims.user or found.user}")


def entity(case: Case) -> Iterator[Finding]:
    """Whether the user may enter the entity, and whether Intacct heeds the header that names it."""
    found = case.connection
    seen = case.entities
    if not found.entity:
        count = "" if seen is None else f"; the user sees {len(seen)}{' or more' if len(seen) >= 100 else ''}"
        yield Finding(step="entity", status="ok", said=f"none: it works at the top level{count}")
        return
    where = menus.entities(found.user)
    if seen and len(seen) < 100 and found.entity not in seen and not found.level:
        yield Finding(
            step="entity",
            status="failed",
            said=f"{found.user} does not see the entity {found.entity}, only {', '.join(seen[:8])}",
            advice="Give the user this entity, or name another one.",
            whose=menus.ADMINISTRATOR,
            where=where,
            exit_code=Exit.NOT_AUTHORISED,
        )
        return
    try:
        inside = _ids(case.ask("GET", ENTITY_LIST, entity=found.entity))
    except (ForbiddenError, RefusedError, InvalidRequestError, NotFoundError) as error:
        if seen is None and code_of(error).lower() not in menus.NOT_WELCOME:
            said = f"{found.user} may not list entities, so {found.entity} cannot be looked up; reads below show it"
            yield Finding(step="entity", status="warning", said=said, code=code_of(error), where=where)
            return
        yield refused("entity", error, where=where, advice="Give the user this entity.", whose=menus.ADMINISTRATOR)
        return
    if seen is not None and len(seen) > 1 and set(inside) == set(seen) and not found.level:
        yield Finding(
            step="entity",
            status="warning",
            said=f"with and without {found.entity} the same {len(seen)} entities are listed: the header that names the "
            "entity seems to be lost on the way",
            advice="Look whether a proxy removes X-IA-API-Param-Entity: without it everything runs at the top level.",
            whose=str(Whose.NETWORK),
        )
        return
    yield Finding(step="entity", status="ok", said=f"{found.user} may enter {found.entity}")


def objects(case: Case) -> Iterator[Finding]:
    """Whether each object of the project can be read, and takes what is to be posted."""
    uses = case.list_uses(case.place, case.connection)
    if not uses:
        yield Finding(step="read", status="ok", said="the project names no object; --object names some")
    for use in uses:
        try:
            yield from _object(case, use)
        except TieoutError as error:
            yield refused("read", error, object=use.object)
            if isinstance(error, ThrottledError) or error.exit_code == Exit.UNREACHABLE:
                return


def _object(case: Case, use: Use) -> Iterator[Finding]:
    user = case.connection.user
    where = menus.permissions(user, menus.module(use.object))
    wanted: dict[str, Any] = {"object": use.object, "fields": ["key"], "size": 1, "orderBy": [{"key": "asc"}]}
    if not case.connection.entity:
        wanted["filterParameters"] = {"includePrivate": True}
    try:
        rows = case.ask("POST", "/services/core/query", entity=case.connection.entity, body=wanted)
    except (ForbiddenError, RefusedError, NotFoundError) as error:
        yield refused(
            "read",
            error,
            object=use.object,
            where=where,
            whose=menus.ADMINISTRATOR,
            advice=f"Let {user} list and view it{' and add it' if use.creates else ''}.",
        )
        return
    except InvalidRequestError as error:
        advice = "Without a subscription to its module, or misspelt, a company does not have it: `tieout model` lists."
        yield refused("read", error, object=use.object, advice=advice, where=menus.SUBSCRIPTIONS.rpartition(" > ")[0])
        return
    said = "can be read" if rows else "can be read; nothing is there, or nothing that this user may see"
    yield Finding(step="read", status="ok", said=said, object=use.object)
    if use.creates:
        yield _create(case, use, where)


def _create(case: Case, use: Use, where: str) -> Finding:
    model = case.client.within(2 * case.timeout).model(use.object)
    if "POST" not in model.methods:
        return Finding(
            step="create",
            status="failed",
            said=f"Intacct takes no new {use.object} over this API",
            object=use.object,
            advice="Post another object, such as the document it is a line of.",
            whose=str(Whose.YOURS),
            exit_code=Exit.USAGE,
        )
    return Finding(
        step="create",
        status="skipped",
        said=f"not tried: only a write would show whether {case.connection.user} may add one",
        object=use.object,
        where=where,
    )


def limits(case: Case) -> Iterator[Finding]:
    """What the last answer says of limits, and what the project says of the company's tier."""
    found = case.connection
    settings = ConnectionSettings()
    if found.name in case.place.connection_names:
        settings = case.place.section("connections", found.name, ConnectionSettings)
    most = settings.concurrency or (TIERS[settings.tier] if settings.tier else None)
    told = _told(case.headers)
    parts = [f"tier {settings.tier}" if settings.tier else "", f"{most} at once" if most else ""]
    parts += [f"{name} {value}" for name, value in told.items()]
    said = ", ".join(part for part in parts if part) or "Intacct says nothing of its limits"
    low = [name for name in ("minute", "hour") if told.get(name, "").startswith("0 of")]
    allowed = _number(_header(case.headers, "xiathrottlelimit"))
    if most is not None and allowed is not None and allowed < most:
        yield Finding(
            step="limits",
            status="warning",
            said=f"{said}: the project wants more at once than Intacct allows",
            advice="Correct `tier` or `concurrency` of the connection in tieout.toml.",
            whose=str(Whose.YOURS),
        )
    elif low:
        advice = "Other applications of the company use the same limit; a long run will have to wait."
        yield Finding(step="limits", status="warning", said=said, advice=advice, whose=str(Whose.SAGE))
    else:
        yield Finding(step="limits", status="ok", said=said)


_LIMITS = {
    "application": "xiathrottlelimit",
    "company": "xiatenantthrottlelimit",
    "minute": "xiaminuteratelimit",
    "hour": "xiahourratelimit",
}


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """`{"application": "5 of 6 free"}` from the answer's headers (REST reference 8.6)."""
    told = {}
    for name, stem in _LIMITS.items():
        most, left = _number(_header(headers, stem)), _number(_header(headers, f"{stem}remaining"))
        if most is not None:
            told[name] = f"{most} at most" if left is None else f"{left} of {most} free"
    return told


def _header(headers: Mapping[str, str], name: str) -> str:
    """By its name without hyphens: their spelling varies."""
    return next((value for key, value in headers.items() if key.lower().replace("-", "") == name), "")


def _number(text: str) -> int | None:
    digits = text.rpartition("-")[2] if text.lower().startswith("limit") else text
    return int(digits) if digits.isdigit() else None


def _ids(listed: Any) -> tuple[str, ...]:
    if not isinstance(listed, list):
        return ()
    return tuple(str(item["id"]) for item in listed if isinstance(item, dict) and item.get("id"))


def _level(name: str) -> str:
    return f"entity {name}" if name else "the top level"


def _lasting(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
