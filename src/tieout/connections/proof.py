"""Proves that credentials work before they are stored: a token, a look at the company's entities, and which level the
user has."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from tieout.connections.claims import claims_of
from tieout.connections.entities import ENTITIES, refuse_unseen
from tieout.connections.settings import is_loopback
from tieout.errors import ForbiddenError, InvalidRequestError, NotFoundError, TokenRefusedError
from tieout.rest import ClientCredentials, Intacct, Session, Token, Transport
from tieout.rest.effects import Exchange

DEADLINE = 30.0
LOCAL_DEADLINE = 5.0
"""Seconds to wait for Intacct, and for a simulator on this machine, which answers at once or does not run."""


class Proof(msgspec.Struct, frozen=True):
    """What a first sign-in gave. The repr shows no token."""

    token: Token
    entities: tuple[str, ...]
    """Ids of the entities the user sees (the first 100); empty where the user may not list them."""
    level: str = ""
    """Of the token: the top level, or an entity where the user has no top level."""
    top_level: bool | None = None
    """Whether the user has a top level; None where the token does not say."""


def prove(
    credentials: Callable[[str], ClientCredentials], base_url: str, entity: str | None, transport: Transport | None
) -> Proof:
    """Signs in and reads the entity list at the top level, where all are visible (REST reference 2). `credentials`
    makes them for a level.

    A user who may not list entities still proves the credentials. One without a top level is signed in to `entity`, or
    to the one that Intacct chooses. Raises TokenRefusedError, UnreachableError, UnknownNameError for an `entity` that
    is not in the list.
    """
    try:
        proof = _prove(credentials(""), base_url, transport)
    except TokenRefusedError:
        if not entity:
            raise
        # Perhaps the user has no top level, and Intacct does not choose an entity.
        return msgspec.structs.replace(_prove(credentials(entity), base_url, transport), level=entity, top_level=False)
    if entity and len(proof.entities) < 100:
        refuse_unseen(entity, proof.entities, "The user")
    if proof.top_level is False and entity and entity != proof.level:
        return msgspec.structs.replace(_prove(credentials(entity), base_url, transport), level=entity, top_level=False)
    return proof


def _prove(credentials: ClientCredentials, base_url: str, transport: Transport | None) -> Proof:
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
    token = tokens.taken()
    claims = claims_of(token.value)
    if claims is None or claims.company is None:
        return Proof(token, entities)
    return Proof(token, entities, claims.entity or "", not claims.entity)


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
