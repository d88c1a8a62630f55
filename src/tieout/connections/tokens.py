"""Tokens in the state database, shared by every thread, process and machine that uses a grant: one fetch for all.

Who fetches holds the grant's lease; no transaction is open while Intacct is asked. How a refresh goes is `refreshing`'s
business, what is stored `grants`', how a token is asked for the REST room's.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial

from tieout.connections import rows
from tieout.connections.ending import is_client_error
from tieout.connections.grants import GrantRow, Reading, Secrets
from tieout.connections.refreshing import Refresh
from tieout.connections.vault import Vault
from tieout.errors import DeadlineError, TieoutError, TokenRefusedError
from tieout.rest import Transport
from tieout.rest.effects import Exchange, Sleep, Work
from tieout.rest.session import Session
from tieout.rest.tokens import ClientCredentials, Grant, Token
from tieout.store import Store

POLL = 0.05
"""Seconds between looks while another thread, task or program fetches."""
LAST_MOMENT = 10.0
"""Seconds before its expiry from which a token is not used any more; a fiftieth of a shorter life."""
LOOK_AGAIN = 1.0
"""Seconds for which a token that is due, but valid, is used on while no new one is to be had."""


class StoreTokens:
    """The TokenSource of one grant at one level ('' is the top level, else an entity's id).

    `transport` sends refreshes, in a thread: a blocking one, also for a client of asyncio; None opens one for each. It
    must outlive them: not one that a client closes. `now` is seconds since 1970 on
    the clock that tokens expire by. A token is due so many seconds `ahead` of the usual moment."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        grant_id: str,
        level: str = "",
        *,
        transport: Transport | None = None,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        ahead: float = 0.0,
    ) -> None:
        self._grant = GrantRow(store, vault, grant_id, now=now)
        self._level, self._transport, self._now = level, transport, now
        self._early = 1 + jitter() / 2  # programs that share a grant do not all come at once
        self._ahead = ahead
        self.fetched = 0
        """Tokens that this source asked Intacct for and got."""
        self.covered: TieoutError | None = None
        """What went wrong the last time a new token was wanted, where a valid one was used on."""
        self._held: Token | None = None
        self._due = 0.0
        self._turn = threading.Lock()

    def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]:
        """-> a token that is valid now and is not `refused`: held, from the database, or fetched.

        Raises TokenRefusedError, NotAuthorisedError, UnreachableError, StoreError; DeadlineError where another program
        holds the lease for longer than the session's deadline.
        """
        held = self._held
        if held is not None and self._now() < self._due and (refused is None or held.value != refused.value):
            return held
        # Not a blocking wait: tasks that wait in threads would leave none for the one that fetches.
        while not self._turn.acquire(blocking=False):
            if (held := self._valid(self._held, refused)) is not None:
                return held
            yield Sleep(POLL)
        try:
            held = self._held
            if held is not None and self._now() < self._due and self._valid(held, refused) is not None:
                return held
            return (yield from self._shared(session, refused))
        finally:
            self._turn.release()

    def _shared(self, session: Session, refused: Token | None) -> Exchange[Token]:
        started, holder = session.clock(), rows.new_id()
        while True:
            found: Token | None = yield Work(partial(self._look, refused))
            if found is not None and self._now() < self._due:
                return found
            turn = yield Work(partial(self._grant.take_lease, holder))
            if turn == "taken":
                token: Token | None = yield from self._fetch(session, holder, refused, found)
                if token is not None:
                    return token
                continue
            if found is not None:
                self._due = min(self._now() + LOOK_AGAIN, found.expires_at)
                return found
            if turn == "resting":
                raise (yield Work(self._grant.why_not))
            if session.clock() - started > session.deadline or session.remaining() <= 0:
                raise DeadlineError(
                    "Another program has been fetching the access token of this connection for too long.",
                    advice="Look whether one hangs, then run the command again.",
                )
            yield Sleep(POLL)

    def _fetch(
        self, session: Session, holder: str, refused: Token | None, valid: Token | None
    ) -> Exchange[Token | None]:
        """Under the lease -> a token, None to look again. What is still valid covers a failure."""
        begun = threading.Event()
        try:
            # Whoever held the lease before may have stored one between our look and our turn.
            reading: Reading = yield Work(partial(self._grant.read, self._level))
            found: Token | None = yield Work(partial(self._look, refused, reading.token))
            if found is not None and self._now() < self._due:
                return found
            if reading.kind == "client_credentials":
                token = yield from self._mint(session, reading)
            else:
                work = Refresh(self._grant, reading, self._level, holder, self._transport, session, begun)
                token = yield Work(work.run)
            if token is None:
                return None
            self.fetched, self.covered = self.fetched + 1, None
            return self._hold(token)
        except TieoutError as error:
            if valid is None:
                raise
            self.covered = error
            self._due = min(self._now() + LOOK_AGAIN, valid.expires_at)
            return valid
        finally:
            # A refresh that has begun goes on, whoever stops waiting for it, and gives its lease back itself.
            if not begun.is_set():
                self._grant.drop_lease(holder)

    def _mint(self, session: Session, reading: Reading) -> Exchange[Token | None]:
        """By client credentials: nothing is lost where it goes wrong."""
        secrets: Secrets = yield Work(reading.secrets)
        source = ClientCredentials(
            client_id=secrets.client_id,
            client_secret=secrets.client_secret,
            user=secrets.user,
            company=secrets.company,
            entity_level=self._level or None,
        )
        try:
            answer: Grant = yield from source.fetch(session)
        except TokenRefusedError as error:
            if self._level and not is_client_error(error) and not (yield Work(partial(self._grant.knows, self._level))):
                raise (yield Work(partial(self._grant.keep_level_refused, error, self._level, secrets))) from None
            yield Work(partial(self._grant.keep_failure, error, secrets.version, unanswered=False))
            raise
        token = answer.as_token(self._now())
        kept = yield Work(partial(self._grant.keep, self._level, token, secrets.version))
        return token if kept else None

    def _look(self, refused: Token | None, stored: Callable[..., Token | None] | None = None) -> Token | None:
        """What the database has, if it is valid; from when on it is due is noted. `stored` has read it already."""
        stored = stored or partial(self._grant.token, self._level)
        found = stored(living_at=self._now())
        if found is None or self._valid(found, refused) is None:
            return None
        return self._hold(found)

    def _hold(self, token: Token) -> Token:
        self._held, self._due = token, token.expires_at - token.margin * self._early - self._ahead
        return token

    def _valid(self, token: Token | None, refused: Token | None) -> Token | None:
        """By value: a token read again from the database is another object."""
        if token is None or (refused is not None and token.value == refused.value):
            return None
        last = min(LAST_MOMENT, token.margin / 5)
        return token if self._now() < token.expires_at - last else None

    def __repr__(self) -> str:
        return f"StoreTokens(grant={self._grant.id!r}, level={self._level!r})"
