"""One refresh of a grant, under its lease: the protocol of docs/connections.md, and nothing but it (DESIGN rule 4).

It runs in a thread of its own, so that neither a cancelled task nor Ctrl-C loses an answer that is on its way. How a
refresh is asked for, and what a refusal means, is the REST room's business.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import msgspec

from tieout.connections.discreet import discreet
from tieout.connections.ending import is_client_error
from tieout.connections.grants import GrantRow, Reading, Secrets
from tieout.errors import IntacctError, NotAuthorisedError, ReplyError, ServerError, StoreError, TieoutError
from tieout.errors import TokenRefusedError as Refused
from tieout.rest import Reply, Request, Transport
from tieout.rest.drivers import SyncDriver
from tieout.rest.effects import NoAnswer
from tieout.rest.limiter import Limiter
from tieout.rest.session import Session
from tieout.rest.tokens import Grant, RefreshToken, Token
from tieout.rest.transport import HttpTransport
from tieout.store.crashpoints import reached

LOGGER = logging.getLogger("tieout.connections")
WAITS = 30.0
"""Seconds beyond one try that a refresh may take: its turn, a throttle."""
COMMIT_TRIES = 30
COMMIT_PAUSE = 2.0
"""Seconds between tries to store what a refresh gave: a database that is away for a minute does not cost the grant."""


class _LeaseLostError(Exception):
    """Another program has taken over, or the grant has moved on; nothing was sent."""


class Refresh:
    """A new access token of one level, stored. `begun` is set once it goes on whoever waits for it."""

    def __init__(
        self,
        grant: GrantRow,
        reading: Reading,
        level: str,
        holder: str,
        transport: Transport | None,
        session: Session,
        begun: threading.Event,
    ) -> None:
        """`holder` has the grant's lease, under which `reading` was made. `transport` stays its maker's; None: one
        for this refresh."""
        self._grant, self._reading, self._level, self._holder, self._begun = grant, reading, level, holder, begun
        self._own = HttpTransport() if transport is None else None
        self._transport = _Marking(transport or self._own or HttpTransport(), grant, holder)
        # The caller's patience is not the refresh's.
        self._session = msgspec.structs.replace(session, deadline=session.timeout + WAITS, ends_at=float("inf"))
        self._done: list[Token | None] = []
        self._failed: list[BaseException] = []
        self._over = threading.Event()

    @discreet
    def run(self) -> Token | None:
        """The token; None where another program has moved the grant on: look again.

        Blocks. Raises NotAuthorisedError where the grant has ended, TieoutError where no answer came that helps."""
        self._begun.set()
        # Not a daemon: an interpreter that ends waits for the answer.
        thread = threading.Thread(target=self._work, name="tieout-refresh")
        thread.start()
        # Not `join`: where Ctrl-C breaks that off, Python 3.11 takes the thread for ended and waits for it no more.
        self._over.wait()
        if self._failed:
            raise self._failed[0]
        return self._done[0]

    def _work(self) -> None:
        try:
            token = self._refresh()
            if token is None:
                self._grant.drop_lease(self._holder)
            self._done.append(token)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._failed.append(error)
            if not self._transport.under_way:
                with contextlib.suppress(StoreError):  # a lease that stays runs out
                    self._grant.drop_lease(self._holder)
        finally:
            self._over.set()
            if self._own is not None:
                self._own.close()

    def _refresh(self) -> Token | None:
        secrets = self._reading.secrets()
        if not secrets.refresh_token:
            raise NotAuthorisedError("This connection has no refresh token.", advice="Connect again.")
        candidates = [secrets.refresh_token]
        if secrets.previous_refresh_token and not secrets.interrupted:
            candidates.append(secrets.previous_refresh_token)
        refused: TieoutError = NotAuthorisedError("no refresh token was tried.")
        try:
            for candidate in candidates:
                answer = self._try(secrets, candidate)
                if isinstance(answer, Token):
                    return answer
                refused = answer
        except (_LeaseLostError, _MovedOnError):
            return None
        if self._level and not self._grant.knows(self._level):
            raise self._grant.keep_level_refused(refused, self._level, secrets)
        if not self._grant.end(refused, secrets.version, interrupted=secrets.interrupted):
            return None
        raise self._grant.why_not()

    def _try(self, secrets: Secrets, refresh_token: str) -> Token | Refused:
        """A token, or the refusal of this refresh token. Every other failure is kept and raised."""
        source = RefreshToken(
            client_id=secrets.client_id,
            client_secret=secrets.client_secret,
            refresh_token=refresh_token,
            entity_level=self._level or None,
        )
        self._transport.begin(secrets.version)
        driver = SyncDriver(self._transport, self._session.pace or Limiter(1))
        try:
            answer = driver.run(source.fetch(self._session))
        except Refused as refused:
            if not is_client_error(refused):
                return refused
            self._grant.keep_failure(refused, secrets.version, unanswered=False)
            raise
        except TieoutError as error:
            self._grant.keep_failure(error, secrets.version, unanswered=self._transport.may_have_acted(error))
            raise
        return self._keep(answer, secrets, refresh_token)

    def _keep(self, answer: Grant, secrets: Secrets, used: str) -> Token:
        """Store the answer, however long the database takes: until then nobody else knows the new refresh token."""
        token = answer.as_token(self._grant.now())
        new = answer.refresh_token
        for tries in range(COMMIT_TRIES):
            try:
                if self._grant.keep(self._level, token, secrets.version, used=used, new=new):
                    return token
                # Perhaps an earlier try was stored, and only its confirmation was lost: who looks again finds it.
                raise _MovedOnError
            except StoreError as error:
                who = f"{secrets.user}@{secrets.company}"
                if tries + 1 == COMMIT_TRIES:
                    LOGGER.error("What Intacct gave to renew the sign-in of %s is lost: %s", who, error.message)
                    raise StoreError(
                        f"The sign-in of {who} was renewed, and what Intacct gave could not be stored: {error.message}",
                        advice=f"{error.advice} If this connection is refused then, connect it again.".strip(),
                    ) from None
                if not tries:
                    LOGGER.warning("The renewed sign-in of %s cannot be stored yet: %s", who, error.message)
                time.sleep(COMMIT_PAUSE)
        raise AssertionError("the last try raises")


class _MovedOnError(Exception):
    """The grant changed while we asked: what came is not stored."""


class _Marking:
    """A transport that writes `sent_at` before each try and knows whether an answer came."""

    def __init__(self, inner: Transport, grant: GrantRow, holder: str) -> None:
        self._inner, self._grant, self._holder = inner, grant, holder
        self._version = 0
        self.under_way = False

    def begin(self, version: int) -> None:
        self._version, self.under_way = version, False

    def send(self, request: Request, timeout: float) -> Reply:
        reached("refresh.before")
        if not self._grant.mark_sent(self._holder, self._version, timeout):
            raise _LeaseLostError
        reached("refresh.marked")
        self.under_way = True
        try:
            reply = self._inner.send(request, timeout)
        except NoAnswer as silence:
            self.under_way = silence.sent
            raise
        reached("refresh.answered")
        return reply

    def may_have_acted(self, error: TieoutError) -> bool:
        """Whether Intacct may have replaced the refresh token although the call failed with `error`."""
        if not self.under_way:
            return False
        if isinstance(error, IntacctError) and not isinstance(error, ServerError):
            return error.status == 408
        return isinstance(error, ServerError | ReplyError) or not isinstance(error, IntacctError)

    def close(self) -> None:
        """The inner one stays its maker's."""
