"""Proves that credentials work before they are stored: one token, one look at the company's entities."""

from __future__ import annotations

import time

import msgspec

from tieout.connections.settings import is_loopback
from tieout.errors import ForbiddenError, InvalidRequestError, NotFoundError, UnknownNameError
from tieout.rest import ClientCredentials, Intacct, Session, Token, Transport
from tieout.rest.effects import Exchange

ENTITIES = "company-config/entity"
DEADLINE = 30.0
LOCAL_DEADLINE = 5.0
"""Seconds to wait for Intacct, and for a simulator on this machine, which answers at once or does not run."""


class Proof(msgspec.Struct, frozen=True):
    """What a first sign-in gave. The repr shows no token."""

    token: Token
    entities: tuple[str, ...]
    """Ids of the entities the user sees (the first 100); empty where the user may not list them."""


def prove(credentials: ClientCredentials, base_url: str, entity: str | None, transport: Transport | None) -> Proof:
    """Signs in and reads the entity list at the top level, where all are visible (REST reference 2).

    A user who may not list entities still proves the credentials. Raises TokenRefusedError, UnreachableError,
    UnknownNameError for an `entity` that is not in the list.
    """
    tokens = _FirstToken(credentials)
    client = Intacct(
        tokens=tokens,
        base_url=base_url,
        deadline=LOCAL_DEADLINE if is_loopback(base_url) else DEADLINE,
        transport=transport,
    )
    try:
        entities = tuple(reference.id for reference in client.references(ENTITIES) if reference.id)
    except (ForbiddenError, NotFoundError, InvalidRequestError):
        entities = ()
    finally:
        if transport is None:
            client.close()
    if entity and entities and len(entities) < 100 and entity not in entities:
        from tieout.catalogue import nearest

        near = nearest(entity, entities)
        raise UnknownNameError("entity", entity, nearest=near, advice=f"The user sees: {', '.join(entities)}.")
    return Proof(tokens.taken(), entities)


class _FirstToken:
    """A TokenSource that remembers the token it got, so that it can be stored."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials
        self._token: Token | None = None

    def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]:
        if self._token is None or self._token == refused:
            grant = yield from self._credentials.fetch(session)
            self._token = grant.as_token(time.time())
        return self._token

    def taken(self) -> Token:
        assert self._token is not None, "the proof's call asked for a token"
        return self._token
