"""Rows of connections, grants and owners, read and written inside a caller's transaction. Asks nothing of Intacct."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections.settings import SIMULATOR, is_loopback

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy import Connection as Transaction

    from tieout.store import Store

DEFAULT_OWNER = "default"
"""Whose everything is in an installation with one user."""

State = Literal["connected", "unconnected", "doubt", "dead"]


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Who we may be in one company. Holds no secret."""

    id: str
    name: str
    environment: str
    company: str
    """'' until the first sign-in says."""
    user: str
    entity: str | None
    base_url: str
    is_simulator: bool
    grant_id: str
    """'' while it is unconnected."""
    owner: str = DEFAULT_OWNER
    level: str = ""
    """Of its token: the top level ('') with the entity as a header, or the entity itself."""
    kind: str = ""
    """Of its grant: client_credentials, authorization_code; '' without one."""
    state: State = "connected"
    """`doubt` and `dead` are its grant's."""
    why: str = ""
    """What is missing while it is unconnected."""


def find(transaction: Transaction, owner: str, *, name: str | None = None, id: str | None = None) -> Connection | None:
    """An owner's connection by name or id. Another owner's is not there."""
    from tieout.store.access_tables import connections

    wanted = connections.c.name == name if id is None else connections.c.id == id
    found = _read(transaction, connections.c.owner == owner, wanted)
    return found[0] if found else None


def find_locked(transaction: Transaction, connection: Connection) -> Connection | None:
    """A connection as it is now, and as it stays until the transaction ends; None where it is gone."""
    from sqlalchemy import select

    from tieout.store.access_tables import connections

    transaction.execute(select(connections.c.id).where(connections.c.id == connection.id).with_for_update())
    return find(transaction, connection.owner, id=connection.id)


def find_all(transaction: Transaction, owner: str) -> list[Connection]:
    """An owner's connections, by name."""
    from tieout.store.access_tables import connections

    return _read(transaction, connections.c.owner == owner)


def borrowers(transaction: Transaction, grant_id: str) -> list[Connection]:
    """The connections that borrow a grant, by name."""
    from tieout.store.access_tables import connections

    return _read(transaction, connections.c.grant_id == grant_id)


def _read(transaction: Transaction, *wanted: ColumnElement[bool]) -> list[Connection]:
    from sqlalchemy import select

    from tieout.store.access_tables import connections, grants

    query = (
        select(connections, grants.c.state.label("grant_state"), grants.c.kind.label("grant_kind"))
        .outerjoin(grants, grants.c.id == connections.c.grant_id)
        .where(*wanted)
        .order_by(connections.c.name)
    )
    return [
        Connection(
            id=row.id,
            name=row.name,
            environment=row.environment,
            company=row.company,
            user=row.user_id,
            entity=row.entity,
            base_url=row.base_url,
            is_simulator=bool(row.simulator),
            grant_id=row.grant_id or "",
            owner=row.owner,
            level=row.level,
            kind=row.grant_kind or "",
            state=row.grant_state if row.grant_state in ("doubt", "dead") else row.state,
            why=row.why,
        )
        for row in transaction.execute(query)
    ]


def keep(transaction: Transaction, connection: Connection, *, new: bool) -> None:
    """Store a connection. Its state follows from whether it has a grant."""
    from sqlalchemy import insert, update

    from tieout.store.access_tables import connections

    row: Mapping[str, object] = {
        "name": connection.name,
        "environment": connection.environment,
        "company": connection.company,
        "user_id": connection.user,
        "entity": connection.entity,
        "level": connection.level,
        "base_url": connection.base_url,
        "simulator": connection.is_simulator,
        "grant_id": connection.grant_id or None,
        "state": "connected" if connection.grant_id else "unconnected",
        "why": "" if connection.grant_id else connection.why,
    }
    if new:
        first = {"id": connection.id, "owner": connection.owner, "created_at": now_text()}
        transaction.execute(insert(connections).values({**row, **first}))
    else:
        transaction.execute(update(connections).where(connections.c.id == connection.id).values(dict(row)))


def keep_owner(transaction: Transaction, owner: str) -> None:
    """An owner exists from the first thing that is theirs."""
    from sqlalchemy import insert, select

    from tieout.store.access_tables import owners

    if transaction.execute(select(owners.c.id).where(owners.c.id == owner)).first() is None:
        transaction.execute(insert(owners).values(id=owner, created_at=now_text()))


def hold_owner(store: Store, transaction: Transaction, owner: str) -> None:
    """`keep_owner`, and nobody lets the owner go before the transaction is over: for what comes before other locks."""
    if store.dialect == "sqlite":
        keep_owner(transaction, owner)  # there is one writer
        return
    from sqlalchemy.dialects.postgresql import insert

    from tieout.store.access_tables import owners

    row = insert(owners).values(id=owner, created_at=now_text())
    same = {"created_at": owners.c.created_at}  # locks the row, and waits for who is letting the owner go
    transaction.execute(row.on_conflict_do_update(index_elements=["id"], set_=same))


def living_grant(transaction: Transaction, environment: str, company: str, user: str, base_url: str) -> Any:
    """The row of the one living grant of a Sage user, whoever owns it; None if there is none. Locks it."""
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    key = identity(environment, company, user, base_url)
    query = select(grants).filter_by(**key).where(grants.c.state != "dead").with_for_update()
    return transaction.execute(query).first()


def identity(environment: str, company: str, user: str, base_url: str) -> dict[str, str]:
    """What makes two grants one (DESIGN rule 3). User ids are case-sensitive (REST reference 1.4), company ids are
    taken not to be. Every address that is not this machine's leads to the same Sage."""
    elsewhere = environment == SIMULATOR or is_loopback(base_url)
    return {
        "environment": environment,
        "company_key": company.casefold(),
        "user_id": user,
        "place": base_url if elsewhere else "",
    }


def spelt(before: Connection | None, company: str) -> str:
    """A company as its connection has spelt it from the first: the ledger and tables go by that, to the letter."""
    return before.company if before is not None and before.grant_id and before.company else company


def drop_unused_grant(transaction: Transaction, grant_id: str) -> bool:
    """Forget a grant that no connection borrows any more; whether it was."""
    from sqlalchemy import delete, select

    from tieout.store.access_tables import connections, grants

    borrowed = select(connections.c.id).where(connections.c.grant_id == grant_id).exists()
    return transaction.execute(delete(grants).where(grants.c.id == grant_id).where(~borrowed)).rowcount > 0


def new_id() -> str:
    return str(uuid.uuid4())


def now_text() -> str:
    return text_of(time.time())


def text_of(moment: float) -> str:
    """Seconds since 1970 as the tables write a moment."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
