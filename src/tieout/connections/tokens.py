"""Tokens in the state database, shared by every thread, process and machine that uses a grant: one fetch for all.

Who fetches holds the grant's lease; no transaction is open while Intacct is asked. How a token is asked for is the
REST room's business.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tieout.connections.vault import Vault
from tieout.errors import DeadlineError, NotAuthorisedError
from tieout.rest.effects import Exchange, Sleep, Work
from tieout.rest.session import Session
from tieout.rest.tokens import ClientCredentials, Grant, RefreshToken, Token
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

LEASE_MINTING = 10.0
"""Seconds a program may take to fetch a client-credentials token before another one tries: two cost nothing."""
LEASE_MARGIN = 15.0
"""Seconds by which the lease of a refresh outlives the request's timeout: two would cost the grant (DESIGN rule 4)."""
POLL = 0.05
"""Seconds between looks while another thread, task or program fetches."""


class Secrets(msgspec.Struct, frozen=True):
    """What a grant needs to ask for a token. The repr shows none of it."""

    kind: str
    client_id: str
    client_secret: str
    user: str
    company: str
    refresh_token: str | None

    def __repr__(self) -> str:
        return f"Secrets({self.kind}, {self.user}@{self.company})"


class StoreTokens:
    """The TokenSource of one grant at one level ('' is the top level, else an entity's id)."""

    def __init__(
        self, store: Store, vault: Vault, grant_id: str, level: str = "", *, now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._vault, self._grant_id, self._level = store, vault, grant_id, level
        self._now = now
        self._held: Token | None = None
        self._turn = threading.Lock()

    def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]:
        """-> a token that is valid now and is not `refused`: held, from the database, or fetched.

        Raises TokenRefusedError, NotAuthorisedError, UnreachableError, StoreError; DeadlineError where another program
        holds the lease for longer than the session's deadline.
        """
        if (held := self._usable(self._held, refused)) is not None:
            return held
        # Not a blocking wait: tasks that wait in threads would leave none for the one that fetches.
        while not self._turn.acquire(blocking=False):
            yield Sleep(POLL)
        try:
            if (held := self._usable(self._held, refused)) is None:
                held = self._held = yield from self._shared(session, refused)
            return held
        finally:
            self._turn.release()

    def _shared(self, session: Session, refused: Token | None) -> Exchange[Token]:
        started, holder = session.clock(), str(uuid.uuid4())
        while True:
            found: Token | None = yield Work(partial(self._look, refused))
            if found is not None:
                return found
            if (yield Work(partial(self._take_lease, holder, session.timeout))):
                return (yield from self._fetch(session, holder, refused))
            if session.clock() - started > session.deadline or session.remaining() <= 0:
                raise DeadlineError(
                    "Another program has been fetching the access token of this connection for too long.",
                    advice="Look whether one hangs, then run the command again.",
                )
            yield Sleep(POLL)

    def _fetch(self, session: Session, holder: str, refused: Token | None) -> Exchange[Token]:
        try:
            # Whoever held the lease before may have stored one between our look and our turn.
            token: Token | None = yield Work(partial(self._look, refused))
            if token is None:
                secrets: Secrets = yield Work(self._secrets)
                grant: Grant = yield from self._source(secrets).fetch(session)
                token = yield Work(partial(self._keep, grant, secrets))
            yield Work(partial(self._drop_lease, holder))
            return token
        except BaseException:
            self._drop_lease(holder)
            raise

    def _source(self, secrets: Secrets) -> ClientCredentials | RefreshToken:
        if secrets.kind == "client_credentials":
            return ClientCredentials(
                client_id=secrets.client_id,
                client_secret=secrets.client_secret,
                user=secrets.user,
                company=secrets.company,
                entity_level=self._level or None,
            )
        if secrets.refresh_token is None:
            raise NotAuthorisedError("This connection has no refresh token.", advice="Connect again.")
        return RefreshToken(
            client_id=secrets.client_id,
            client_secret=secrets.client_secret,
            refresh_token=secrets.refresh_token,
            entity_level=self._level or None,
        )

    def _usable(self, token: Token | None, refused: Token | None) -> Token | None:
        """By value: a token read again from the database is another object."""
        if token is None or not token.fresh(self._now()) or (refused is not None and token.value == refused.value):
            return None
        return token

    def _look(self, refused: Token | None) -> Token | None:
        from sqlalchemy import select

        from tieout.store.access_tables import tokens

        wanted = {"grant_id": self._grant_id, "level": self._level}
        with self._store.read() as connection:
            row = connection.execute(
                select(tokens.c.access_token_sealed, tokens.c.expires_at).filter_by(**wanted)
            ).first()
        if row is None:
            return None
        value = self._vault.decrypt(row.access_token_sealed, token_context(self._grant_id, self._level))
        return self._usable(Token(value.decode(), row.expires_at), refused)

    def _take_lease(self, holder: str, timeout: float) -> bool:
        from sqlalchemy import case, or_, select, update

        from tieout.store.access_tables import grants

        with self._store.begin() as connection:
            now = self._store.clock(connection)
            length = case((grants.c.kind == "client_credentials", LEASE_MINTING), else_=timeout + LEASE_MARGIN)
            taken = connection.execute(
                update(grants)
                .where(grants.c.id == self._grant_id)
                .where(or_(grants.c.lease_until.is_(None), grants.c.lease_until < now))
                .values(lease_holder=holder, lease_until=now + length)
            )
            if (
                taken.rowcount == 0
                and connection.execute(select(grants.c.id).filter_by(id=self._grant_id)).first() is None
            ):
                raise _removed()
            return taken.rowcount == 1

    def _drop_lease(self, holder: str) -> None:
        from sqlalchemy import update

        from tieout.store.access_tables import grants

        with self._store.begin() as connection:
            connection.execute(
                update(grants)
                .where(grants.c.id == self._grant_id, grants.c.lease_holder == holder)
                .values(lease_holder=None, lease_until=None)
            )

    def _secrets(self) -> Secrets:
        from sqlalchemy import select

        from tieout.store.access_tables import grants

        with self._store.read() as connection:
            row = connection.execute(select(grants).where(grants.c.id == self._grant_id)).first()
        if row is None:
            raise _removed()

        def opened(sealed: bytes | None, field: str) -> str | None:
            return self._vault.decrypt(sealed, grant_context(self._grant_id, field)).decode() if sealed else None

        return Secrets(
            kind=row.kind,
            client_id=row.client_id,
            client_secret=opened(row.client_secret_sealed, "client_secret") or "",
            user=row.user_id,
            company=row.company,
            refresh_token=opened(row.refresh_token_sealed, "refresh_token"),
        )

    def _keep(self, grant: Grant, secrets: Secrets) -> Token:
        token = grant.as_token(self._now())
        with self._store.begin() as connection:
            keep_token(self._store, self._vault, connection, self._grant_id, self._level, token)
            if secrets.kind == "authorization_code" and grant.refresh_token not in (None, secrets.refresh_token):
                self._rotate(connection, secrets.refresh_token or "", grant.refresh_token or "")
        return token

    def _rotate(self, connection: Transaction, used: str, new: str) -> None:
        """The new refresh token in, the one that bought it kept until the new one has worked (DESIGN rule 4).

        Compare-and-set: nothing is changed where another program has rotated it since.
        """
        from sqlalchemy import select, update

        from tieout.store.access_tables import grants

        mine = grants.c.id == self._grant_id
        context = grant_context(self._grant_id, "refresh_token")
        sealed = connection.execute(select(grants.c.refresh_token_sealed).where(mine).with_for_update()).scalar_one()
        if self._vault.decrypt(sealed, context).decode() != used:
            return
        values = {
            "refresh_token_sealed": self._vault.encrypt(new.encode(), context),
            "previous_refresh_token_sealed": self._vault.encrypt(
                used.encode(), grant_context(self._grant_id, "previous_refresh_token")
            ),
        }
        connection.execute(update(grants).where(mine).values(values))

    def __repr__(self) -> str:
        return f"StoreTokens(grant={self._grant_id!r}, level={self._level!r})"


def keep_token(store: Store, vault: Vault, connection: Transaction, grant_id: str, level: str, token: Token) -> None:
    """Store a grant's access token in a transaction, in place of the one before."""
    from sqlalchemy import select

    from tieout.store.access_tables import tokens

    key = {"grant_id": grant_id, "level": level}
    version = connection.execute(select(tokens.c.version).filter_by(**key).with_for_update()).scalar()
    sealed = vault.encrypt(token.value.encode(), token_context(grant_id, level))
    row = {"access_token_sealed": sealed, "expires_at": token.expires_at, "version": (version or 0) + 1}
    store.upsert(connection, tokens, key | row)


def grant_context(grant_id: str, field: str) -> str:
    """What binds a grant's secret to its row and column."""
    return f"grants/{grant_id}/{field}"


def token_context(grant_id: str, level: str) -> str:
    """What binds an access token to its row."""
    return f"tokens/{grant_id}/{level}/access_token"


def _removed() -> NotAuthorisedError:
    return NotAuthorisedError("This connection was removed from the state database.", advice="Connect again.")
