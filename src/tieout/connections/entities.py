"""The entities of a company, as the user of a connection sees them. Reads through a client; stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tieout.connections.rows import Connection
from tieout.errors import ForbiddenError, NotFoundError, RefusedError, UnknownNameError, Whose
from tieout.rest import Intacct

ENTITIES = "company-config/entity"
SHOWN = 20
"""Ids that an error names."""
FIELDS = ("key", "id", "name", "status")


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A location entity of a company: what the `entity` of a connection names."""

    id: str
    key: str
    name: str = ""
    status: str = ""
    """Sage's own word; '' where the company does not tell."""


def listed(client: Intacct, connection: Connection) -> list[Entity]:
    """All entities that the user may enter, by id. `client` works without an entity: in one, only that one is seen
    (REST reference 2). One billable transaction a page.

    Raises ForbiddenError or RefusedError, saying whose move it is, where the user may not list them."""
    try:
        known = client.model(ENTITIES).paths()
        fields = [field for field in FIELDS if field in known or field in ("key", "id")]
        rows = client.query(ENTITIES, fields, private=True)
        found = [msgspec.convert({field: str(row[field] or "") for field in fields}, Entity) for row in rows]
    except (ForbiddenError, RefusedError, NotFoundError) as error:
        error.whose = Whose.ADMINISTRATOR
        error.advice = (
            f"{connection.user} may not list the entities of {connection.company}. In Sage, under Company > Admin > "
            "Users (or Roles), let the user list entities, or name the entity yourself."
        )
        raise
    return sorted(found, key=lambda entity: entity.id)


def refuse_unseen(entity: str, ids: Sequence[str], who: str) -> None:
    """Raises UnknownNameError that names what the user sees: an entity that there is may be another user's. No `ids`
    decide nothing: some companies answer an empty list to a user who may not list entities."""
    if not ids or entity in ids:
        return
    from tieout.catalogue import nearest

    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    error = UnknownNameError("entity", entity, nearest=nearest(entity, ids))
    error.advice = f"{who} sees: {', '.join(ids[:SHOWN])}{more}."
    raise error


def prove(client: Intacct, connection: Connection, entity: str) -> None:
    """Look whether the user of `connection` may enter `entity`; `client` works in it. Where Intacct lists nothing to
    this user, what cannot be seen is not refused.

    Raises UnknownNameError for an entity that the user does not see, NotAuthorisedError where the user has no top
    level and Intacct gives no token of the entity."""
    try:
        if connection.level:
            client.references(ENTITIES)  # takes a token of the entity, which is the proof
        else:
            ids = [each.id for each in listed(client.with_entity(None), connection)]
            refuse_unseen(entity, ids, connection.user)
    except (ForbiddenError, RefusedError, NotFoundError):
        return
