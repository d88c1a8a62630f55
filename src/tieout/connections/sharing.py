"""A connection that borrows another one's grant: no sign-in, no token request, nothing that could end the other.

Knows rows. Asks nothing of Intacct: whether the user may enter the entity is for `entities` to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tieout.connections import audit, outbox, rows
from tieout.connections.adding import refuse_another_company, refuse_blank, refuse_unstorable
from tieout.connections.rows import Connection
from tieout.errors import ConfigurationError, NotAuthorisedError
from tieout.rest.call import checked_entity
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


def share(store: Store, name: str, with_: Connection, entity: str | None) -> Connection:
    """Store `name` as a connection over the grant of `with_`, of the same owner. Raises as `Connections.share`."""
    from sqlalchemy.exc import IntegrityError

    refuse_blank({"name": name})
    refuse_unstorable({"name": name})
    if entity is not None:
        checked_entity(entity)
    if with_.state != "connected":
        raise NotAuthorisedError(
            f"The connection {with_.name!r} gives no tokens that could be shared.",
            advice=f"Run `tieout connect {with_.name}` first.",
        )
    try:
        with store.begin() as transaction:
            return _share(store, transaction, name, with_, entity)
    except IntegrityError:
        raise ConfigurationError(
            f"The connection {name!r} was made, or {with_.name!r} removed, by another program meanwhile.",
            advice="Look at `tieout connections`, then try again.",
        ) from None


def _share(store: Store, transaction: Transaction, name: str, with_: Connection, entity: str | None) -> Connection:
    before = rows.find(transaction, with_.owner, name=name)
    refuse_another_company(before, name, with_.company, with_.environment)
    level = _level(transaction, with_, entity)
    made = msgspec.structs.replace(
        with_,
        id=before.id if before else rows.new_id(),
        name=name,
        company=rows.spelt(before, with_.company),
        entity=entity,
        level=level,
        why="",
    )
    rows.keep(transaction, made, new=before is None)
    if before is not None and before.grant_id not in ("", made.grant_id):
        rows.drop_unused_grant(transaction, before.grant_id)
    shared = {"shared with": with_.name} if made.id != with_.id else {"entity": made.entity or ""}  # it only moved
    audit.append(
        store,
        transaction,
        "connected",
        owner=made.owner,
        subjects={"connection": made.id, "grant": made.grant_id},
        facts={"kind": made.kind, "company": made.company, **shared},
    )
    outbox.tell_of_landing(store, transaction, made)
    return made


def _level(transaction: Transaction, with_: Connection, entity: str | None) -> str:
    """Of the new connection's token: the top level, or the entity where the user has no top level."""
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    query = select(grants.c.top_level).where(grants.c.id == with_.grant_id)
    if transaction.execute(query).scalar() is not False:
        return ""
    if entity is None:
        raise ConfigurationError(
            f"{with_.user}@{with_.company} has no top level: a connection of this user works in an entity.",
            advice="Name the entity.",
        )
    return entity
