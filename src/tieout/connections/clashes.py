"""Who works as a Sage user already: what a sign-in of that user would touch (DESIGN rule 3). Reads rows, changes none.

Of another owner's connections nothing is told but that there are some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tieout.connections import rows
from tieout.connections.rows import Connection

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


class Clash(msgspec.Struct, frozen=True):
    """The Sage user that is to sign in works already: a second sign-in takes the place of the first."""

    user: str
    company: str
    connections: tuple[str, ...]
    """The owner's own that work as this user, by name."""
    foreign: bool = False
    """It works for another owner, who would be disturbed: choose another user."""


def clash(transaction: Transaction, connection: Connection, company: str, user: str) -> Clash | None:
    """Who would notice if `user` signed in for `connection`; None where nobody would.

    Over all environments and applications: what Sage counts is company and user. Where the company is not known yet,
    only the owner's own are looked at."""
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    if not user:
        return None
    key = rows.identity(connection.environment, company, user, connection.base_url)
    query = select(grants).where(grants.c.user_id == user, grants.c.place == key["place"], grants.c.state != "dead")
    query = query.where(grants.c.company_key == key["company_key"] if company else grants.c.owner == connection.owner)
    found = [row for row in transaction.execute(query) if row.id != connection.grant_id]
    own = [row for row in found if row.owner == connection.owner]
    names = [other.name for row in own for other in rows.borrowers(transaction, row.id)]
    if not found:
        return None
    return Clash(user, company or found[0].company, tuple(sorted(names)), foreign=len(own) < len(found))
