"""The one way in for everything that works with a company: from a project or environment variables to a client."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from tieout.connections.lookup import how_to_connect
from tieout.connections.permits import Permits, permits_of
from tieout.connections.registry import Connections
from tieout.connections.rows import Connection
from tieout.connections.settings import (
    SIMULATOR,
    ConnectionSettings,
    Place,
    credentials_in_environment,
    is_loopback,
    sqlite_file,
)
from tieout.connections.vault import open_vault
from tieout.errors import ConfigurationError, NotAuthorisedError, UnknownNameError
from tieout.rest import Budget, Intacct
from tieout.store import open_store


def connect(
    project: Place,
    name: str | None = None,
    entity: str | None = None,
    budget: Budget | None = None,
    concurrency: int | None = None,
) -> Intacct:
    """A client for the connection `name` of a project; close it when done.

    Without a name: the only connection; without any, the credentials in TIEOUT_CLIENT_ID, TIEOUT_CLIENT_SECRET,
    TIEOUT_USER, TIEOUT_COMPANY, TIEOUT_ENTITY and TIEOUT_BASE_URL, which come first where there is no project file.
    `entity` overrides the connection's; "" is the top level. `budget` is what it may spend, `concurrency`
    how many requests it wants under way at once, before what the project file says. Asks nothing of Intacct yet.

    Raises NotAuthorisedError where nothing is connected, UnknownNameError for a name that nothing answers to,
    ConfigurationError where a name is needed or the labels in the project file contradict the connection.
    """
    if name is None and credentials_in_environment(project):
        return _from_environment(entity, budget, concurrency)
    if not has_state(project):
        return _without_state(project, name, entity, budget, concurrency)
    store = open_store(project.state_url)
    try:
        connections = Connections(store, open_vault(project))
        connection = _choose(project, connections, name)
        if connection is None:
            store.close()
            return _without_state(project, name, entity, budget, concurrency)
        settings = _settings(project, connection)
        return connections.open(
            connection.name,
            entity=settings.entity if entity is None else entity,
            tier=settings.tier,
            concurrency=settings.concurrency if concurrency is None else concurrency,
            budget=budget,
            closing=store.close,
            permits=permits_of(connection.name, settings.read_only, settings.allow),
        )
    except BaseException:
        store.close()
        raise


def open_connections(project: Place) -> Connections:
    """The connections of a project, to add to them or list them. The caller closes `.store`."""
    return Connections(open_store(project.state_url), open_vault(project))


def find(project: Place, name: str | None = None, entity: str | None = None) -> Connection:
    """Which connection `connect` would open with the same arguments, without opening it. Raises as `connect` does.

    Credentials from the environment make a connection without id, name and grant, labelled `simulator` where they name
    this machine, else `production` or what TIEOUT_ENVIRONMENT says.
    """
    found = None
    if (name is not None or not credentials_in_environment(project)) and has_state(project):
        with open_store(project.state_url) as store:
            found = _choose(project, Connections(store, open_vault(project)), name)
    if found is None:
        with _without_state(project, name, entity) as client:
            local = is_loopback(client.base_url)
            return Connection(
                id="",
                name="",
                environment=SIMULATOR if local else os.environ.get("TIEOUT_ENVIRONMENT", "production"),
                company=os.environ["TIEOUT_COMPANY"],
                user=os.environ["TIEOUT_USER"],
                entity=client.entity,
                base_url=client.base_url,
                is_simulator=local,
                grant_id="",
            )
    label = _settings(project, found).entity
    level = next((value for value in (entity, label, found.entity) if value is not None), None)
    return msgspec.structs.replace(found, entity=level or None)


def _choose(project: Place, connections: Connections, name: str | None) -> Connection | None:
    names = connections.names()
    if name is not None:
        if name not in names and name in project.connection_names:
            raise _not_connected(name)
        return connections.get(name)
    # One that waits for its sign-in is meant only where it is the only one.
    names = tuple(one.name for one in connections.all() if one.state != "unconnected") or names
    if len(names) > 1:
        raise ConfigurationError(
            f"There are several connections: {', '.join(names)}.", advice="Say which one: --connection NAME."
        )
    return connections.get(names[0]) if names else None


def _without_state(
    project: Place,
    name: str | None,
    entity: str | None,
    budget: Budget | None = None,
    concurrency: int | None = None,
) -> Intacct:
    """Nothing is connected: the environment, or advice."""
    if name is None and os.environ.get("TIEOUT_CLIENT_ID"):
        return _from_environment(entity, budget, concurrency)
    labels = project.connection_names
    if name is None:
        raise _not_connected(labels[0] if len(labels) == 1 else None)
    if name in labels or not labels:
        raise _not_connected(name)
    from tieout.catalogue import nearest

    raise UnknownNameError("connection", name, nearest=nearest(name, labels), advice=f"Run: {how_to_connect(name)}")


def _not_connected(name: str | None) -> NotAuthorisedError:
    what = f"The connection {name!r} is not connected yet." if name else "Nothing is connected yet."
    command = how_to_connect(name or "NAME")
    return NotAuthorisedError(what, advice=f"Run `{command}`, or `{command} --simulator URL` for a local simulator.")


def _from_environment(entity: str | None, budget: Budget | None, concurrency: int | None = None) -> Intacct:
    options: dict[str, Any] = {} if entity is None else {"entity": entity or None}
    return Intacct.from_env(budget=budget, concurrency=concurrency, **options)


def has_state(project: Place) -> bool:
    """Whether there may be connections: looking must not make an empty database."""
    file = sqlite_file(project.state_url)
    return file is None or file.exists()


def permits(project: Place, name: str) -> Permits:
    """What the project file lets the connection of this name write."""
    settings = project.section("connections", name, ConnectionSettings) if name in project.connection_names else None
    return permits_of(name, settings.read_only, settings.allow) if settings is not None else Permits(name)


def _settings(project: Place, connection: Connection) -> ConnectionSettings:
    if connection.name not in project.connection_names:
        return ConnectionSettings()
    settings = project.section("connections", connection.name, ConnectionSettings)
    label = settings.environment
    if label not in (None, connection.environment) and not connection.is_simulator:
        raise ConfigurationError(
            f"[connections.{connection.name}] says {label}, but the connection was made as {connection.environment}.",
            advice=f"Correct the project file, or connect anew: {how_to_connect(connection.name)}",
        )
    return settings
