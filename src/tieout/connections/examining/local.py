"""Steps on this machine: project file, state database, connection, master key, application, sign-in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tieout.connections import scope_guard
from tieout.connections.examining.case import Case
from tieout.connections.examining.findings import Finding, refused
from tieout.connections.examining.menus import CONSOLE
from tieout.connections.grants import GrantRow
from tieout.connections.opening import find, has_state
from tieout.connections.registry import Connections
from tieout.connections.settings import credentials_in_environment
from tieout.connections.vault import open_vault
from tieout.errors import ConfigurationError, Exit, NotAuthorisedError
from tieout.store import open_store

_ENVIRONMENT = "in the environment"


def project(case: Case) -> Iterator[Finding]:
    """Whether the project file can be read, with every section that names an object."""
    case.place_found = case.load()
    uses = case.list_uses(case.place, None)
    sections = [section for use in uses for section in use.sections]
    if not case.place.exists:
        said = "no tieout.toml here: one connection, in this folder"
    else:
        said = f"tieout.toml can be read, {_counted(len(set(sections)), 'section')} to pull or push"
    yield Finding(step="project", status="ok", said=said)


def state(case: Case) -> Iterator[Finding]:
    """Whether the state database is there and as this version needs it."""
    if not has_state(case.place):
        if not credentials_in_environment(case.place):
            raise NotAuthorisedError("Nothing is connected yet.", advice=f"Run: tieout connect {case.name or 'NAME'}")
        yield Finding(step="state", status="ok", said="none is needed: the credentials are in the environment")
        return
    store = open_store(case.place.state_url)
    case.connections = Connections(store, open_vault(case.place))
    yield Finding(step="state", status="ok", said=f"{store.url}, up to date")


def connection(case: Case) -> Iterator[Finding]:
    """Which connection is meant, and whether the labels of the project file fit it."""
    try:
        found = case.connection_found = find(case.place, case.name, case.entity)
    except ConfigurationError as error:
        error.advice = error.advice.replace("--connection NAME", "tieout doctor NAME")  # which takes it as an argument
        raise
    if not found.id:
        yield Finding(step="connection", status="ok", said=f"{found.user}@{found.company}, {_ENVIRONMENT}")
        return
    who = f"{found.user}@{found.company}" if found.company else "nobody yet"
    place = f", entity {found.entity}" if found.entity else ""
    if found.state == "unconnected":
        raise NotAuthorisedError(
            f"The connection {found.name!r} waits for a sign-in. {found.why}".strip(),
            advice=f"Run: tieout connect {found.name}",
        )
    yield Finding(step="connection", status="ok", said=f"{found.name}: {who}{place} ({found.environment})")


def key(case: Case) -> Iterator[Finding]:
    """Whether the master key at hand opens the secrets of the connection."""
    if not (grant := _grant(case)):
        yield Finding(step="key", status="ok", said=f"none is needed: the secrets are {_ENVIRONMENT}")
        return
    grant.secrets()
    yield Finding(step="key", status="ok", said="opens the secrets of this connection")


def application(case: Case) -> Iterator[Finding]:
    """Whether the application is known, approved, complete, and of the right scope."""
    grant = _grant(case)
    name = _application_of(case)
    if grant is None or case.connections is None or name is None:
        where = _ENVIRONMENT if grant is None else "with the connection"
        yield Finding(step="application", status="ok", said=f"client id and secret stand {where}")
        return
    app = case.connections.apps.get(name)
    if app.client_id is None or not app.has_secret:
        yield Finding(
            step="application",
            status="failed",
            said=f"{name} has no client id and secret yet ({app.state})",
            advice=f"Go on with: tieout app new {shlex.quote(name)}",
            whose="yours",
            where=CONSOLE,
            exit_code=Exit.USAGE,
        )
        return
    scope_guard.refuse_scope(app.scope, case.connection.environment, name)
    yield Finding(step="application", status="ok", said=f"{name}, client id {app.client_id}, {app.scope}, {app.state}")


def sign_in(case: Case) -> Iterator[Finding]:
    """Whether the grant lives, as far as this installation knows."""
    found = case.connection
    if case.connections is None or not found.grant_id:
        yield Finding(step="sign-in", status="ok", said=f"by client credentials {_ENVIRONMENT}")
        return
    if case.connections.trouble(found.name):
        error = GrantRow(case.connections.store, case.connections.vault, found.grant_id, now=_now).why_not()
        yield refused("sign-in", error)
        return
    how = "client credentials: nothing to renew" if found.kind == "client_credentials" else "by browser, renewed by use"
    yield Finding(step="sign-in", status="ok", said=how)


def _grant(case: Case) -> GrantRow | None:
    if case.connections is None or not case.connection.grant_id:
        return None
    return GrantRow(case.connections.store, case.connections.vault, case.connection.grant_id, now=_now)


def _now() -> float:
    import time

    return time.time()


def _application_of(case: Case) -> str | None:
    """Name of the registered application that the grant is of."""
    if case.connections is None:
        return None
    from sqlalchemy import select

    from tieout.store.access_tables import apps, grants

    query = (
        select(apps.c.name).join(grants, grants.c.app_id == apps.c.id).where(grants.c.id == case.connection.grant_id)
    )
    with case.connections.store.read() as transaction:
        name = transaction.execute(query).scalar()
    return None if name is None else str(name)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
