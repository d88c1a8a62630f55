"""Finds the connections of a state database by owner and name, says what is wrong with one, forgets one.

Asks nothing of Intacct. Another owner's connections are not there.
"""

from __future__ import annotations

from collections.abc import Callable

from tieout.connections import audit, rows
from tieout.connections.grants import GrantRow
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.vault import Vault
from tieout.errors import NotAuthorisedError, UnknownNameError
from tieout.store import Store


class Lookup:
    """What there is. `Connections` adds to it."""

    store: Store
    vault: Vault
    _now: Callable[[], float]

    def names(self, owner: str = DEFAULT_OWNER) -> tuple[str, ...]:
        """Names of all connections, sorted."""
        return tuple(connection.name for connection in self.all(owner))

    def get(self, name: str, owner: str = DEFAULT_OWNER) -> Connection:
        """The connection called `name`. Raises NotAuthorisedError where there is none at all, UnknownNameError with
        the nearest names where there are others."""
        with self.store.read() as transaction:
            found = rows.find(transaction, owner, name=name)
        if found is not None:
            return found
        known = self.names(owner)
        if not known:
            raise NotAuthorisedError(f"There is no connection {name!r}.", advice=f"Run: {how_to_connect(name)}")
        from tieout.catalogue import nearest

        near = nearest(name, known)
        raise UnknownNameError("connection", name, nearest=near, advice=f"There are: {', '.join(known)}.")

    def by_id(self, id: str, owner: str = DEFAULT_OWNER) -> Connection:
        """The connection with this id. Raises UnknownNameError."""
        with self.store.read() as transaction:
            found = rows.find(transaction, owner, id=id)
        if found is None:
            raise UnknownNameError("connection", id)
        return found

    def all(self, owner: str = DEFAULT_OWNER) -> list[Connection]:
        """All connections, by name."""
        with self.store.read() as transaction:
            return rows.find_all(transaction, owner)

    def trouble(self, name: str, owner: str = DEFAULT_OWNER) -> str:
        """Why a connection gives no new token and what to do about it; '' where nothing is wrong. Raises as `get`."""
        connection = self.get(name, owner)
        if connection.state == "unconnected":
            return str(unconnected(connection))
        if connection.state == "connected":
            return ""
        return str(GrantRow(self.store, self.vault, connection.grant_id, now=self._now).why_not())

    def remove(self, name: str, owner: str = DEFAULT_OWNER) -> Connection:
        """Forgets a connection, and its credentials and tokens where no other one borrows them. What was pulled and
        posted over it, and the ledger, stay. Raises as `get` does."""
        from sqlalchemy import delete

        from tieout.store.access_tables import connections

        gone = self.get(name, owner)
        with self.store.begin() as transaction:
            transaction.execute(delete(connections).where(connections.c.id == gone.id))
            forgotten = rows.drop_unused_grant(transaction, gone.grant_id)
            subjects = {"connection": gone.id, "grant": gone.grant_id}
            facts = {"name": name, "grant forgotten": forgotten}
            audit.append(self.store, transaction, "removed", owner=owner, subjects=subjects, facts=facts)
        return gone


def how_to_connect(name: str = "NAME") -> str:
    """The command that makes a connection."""
    return f"tieout connect {name}"


def unconnected(connection: Connection) -> NotAuthorisedError:
    return NotAuthorisedError(
        f"The connection {connection.name!r} is not connected: {connection.why}".rstrip(),
        advice=f"Run: {how_to_connect(connection.name)}",
    )
