"""Which level a token really has: the top level, or one entity. Told by its claims, else by one read; never assumed.

What Sage does with a write depends on it: at the top level a record is shared, in an entity it belongs to that entity.
Stores nothing, decides nothing about who may write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections.claims import claims_of
from tieout.connections.entities import ENTITIES
from tieout.connections.rows import Connection
from tieout.errors import ForbiddenError, NotFoundError, RefusedError, TieoutError
from tieout.rest.doubts import warn
from tieout.rest.effects import Exchange
from tieout.rest.operations import list_references
from tieout.rest.perform import perform

if TYPE_CHECKING:
    from tieout.connections.grants import GrantRow
    from tieout.rest import Intacct
    from tieout.rest.call import Call
    from tieout.rest.session import Session
    from tieout.rest.tokens import Token

WHERE = "in Sage under Company > Admin > Users > the user > User entities"


class Level(msgspec.Struct, frozen=True):
    """Where a token works when no header says otherwise."""

    entity: str | None
    """None: the top level. Where it is `unknown`, the only entity that is seen, if there is one."""
    known_from: Literal["claims", "read", "unknown"]

    def __str__(self) -> str:
        return f"entity {self.entity}" if self.entity else "the top level"


def claimed(token: str) -> Level | None:
    """What the claims of a token say; None where it carries none (REST reference 1.6)."""
    claims = claims_of(token)
    return None if claims is None or claims.company is None else Level(claims.entity or None, "claims")


def seen(entities: Sequence[str], asked: str) -> Level:
    """What a read of the entities without an entity header tells: in an entity only that one is answered, at the top
    level all that the user may enter (REST reference 2). One alone may be either, unless the token was `asked` for it.
    """
    if len(entities) > 1:
        return Level(None, "read")
    if entities:
        return Level(entities[0], "read" if entities[0] == asked else "unknown")
    return Level(asked or None, "unknown")


def level(row: GrantRow, client: Intacct, asked: str) -> Level:
    """Of the token that a grant has for the level `asked`. `client` names no entity; it is used where no valid token is
    stored, or the token does not say. Raises what it raises, but not for a user who may not list entities."""
    if (found := _stored(row, asked)) is not None:
        return found
    try:
        ids = [reference.id for reference in client.references(ENTITIES) if reference.id]
    except (ForbiddenError, RefusedError, NotFoundError):
        ids = []
    return _stored(row, asked) or seen(ids, asked)


def _stored(row: GrantRow, asked: str) -> Level | None:
    token = row.token(asked)
    return claimed(token.value) if token is not None and row.now() < token.expires_at else None


class LevelCheck:
    """Asked by a client before it writes: tells, once, that its token works elsewhere than what is written should go.
    Costs nothing where the token has claims, else one read for each token."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found: tuple[str, Level] | None = None
        self._told: set[str | None] = set()

    def __call__(self, session: Session, call: Call[Any], token: Token) -> Exchange[None]:
        wanted = (call.entity if call.entity is not None else session.entity) or None
        if wanted in self._told:
            return
        if self._found is None or self._found[0] != token.value:
            level = claimed(token.value)
            self._found = (token.value, level if level is not None else (yield from self._read(session, wanted)))
        level = self._found[1]
        if level.entity is not None and level.entity != wanted:
            self._told.add(wanted)
            warn(_words(self._connection, level, wanted))

    def _read(self, session: Session, wanted: str | None) -> Exchange[Level]:
        asked = (wanted or self._connection.level) if self._connection.level else ""
        call = msgspec.structs.replace(list_references(ENTITIES), entity="")
        try:
            found = yield from perform(session, call)
        except TieoutError:
            return Level(asked or None, "unknown")
        return seen([reference.id for reference in found if reference.id], asked)


def _words(connection: Connection, level: Level, wanted: str | None) -> str:
    place = f"entity {wanted}" if wanted else "the top level"
    works = "works in" if level.known_from != "unknown" else "sees nothing but"
    belongs = "belongs" if level.known_from != "unknown" else "may belong"
    text = (
        f"{connection.name}: this writes for {place}, but the token of {connection.user} {works} entity {level.entity}"
    )
    if wanted:
        return f"{text}; check where the records arrive, or give the user {place} ({WHERE})"
    return f"{text}: what it writes {belongs} there; let the user work at the top level ({WHERE}), or name the entity"
