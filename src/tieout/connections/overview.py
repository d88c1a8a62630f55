"""How the connections of an owner stand: what they may be, until when, and what is wrong with each. Reads rows only:
looking asks nothing of Intacct and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections import ending, rows, scope_guard
from tieout.connections.lookup import unconnected
from tieout.connections.rows import Connection
from tieout.errors import ConfigurationError
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One connection. Holds no secret. Moments are ISO 8601 in UTC, None where there is none."""

    connection: Connection
    app: str
    """The registered application of its grant; '' where client id and secret were given alone."""
    trouble: str
    """What is wrong and what to do about it; '' where nothing is."""
    valid_until: str | None
    """When the access token of its level expires. It is renewed before, where nothing is wrong."""
    signed_in: str | None
    """When the Sage user let us in."""
    last_used: str | None
    """When the grant last gave a token."""


def overview(store: Store, owner: str) -> list[Standing]:
    """The connections of an owner, by name."""
    from sqlalchemy import select

    from tieout.store.access_tables import apps, connections, grants, tokens

    query = (
        select(connections.c.id.label("connection_id"), grants, apps.c.name.label("app"), tokens.c.expires_at)
        .join(grants, grants.c.id == connections.c.grant_id)
        .outerjoin(apps, apps.c.id == grants.c.app_id)
        .outerjoin(tokens, (tokens.c.grant_id == grants.c.id) & (tokens.c.level == connections.c.level))
        .where(connections.c.owner == owner)
    )
    with store.read() as transaction:
        found = {row.connection_id: row for row in transaction.execute(query)}
        clock = store.clock(transaction)
        return [
            _standing(transaction, connection, found.get(connection.id), clock)
            for connection in rows.find_all(transaction, owner)
        ]


def _standing(transaction: Transaction, connection: Connection, grant: Any, clock: float) -> Standing:
    if grant is None:
        trouble = str(unconnected(connection))
        return Standing(
            connection=connection, app="", trouble=trouble, valid_until=None, signed_in=None, last_used=None
        )
    return Standing(
        connection=connection,
        app=grant.app or "",
        trouble=_trouble(transaction, connection, grant, clock),
        valid_until=_moment(grant.expires_at),
        signed_in=grant.granted_at,
        last_used=_moment(grant.last_used),
    )


def _trouble(transaction: Transaction, connection: Connection, grant: Any, clock: float) -> str:
    """Ended, in doubt, or resting after a refusal; or an application that is not for this environment."""
    resting = grant.failures and grant.retry_after is not None and grant.retry_after > clock
    if connection.state != "connected" or resting:
        return str(ending.explained(transaction, grant, clock))
    try:
        scope_guard.refuse_scope_of(transaction, grant.id, connection.environment)
    except ConfigurationError as error:
        return str(error)
    return ""


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else rows.text_of(seconds)
