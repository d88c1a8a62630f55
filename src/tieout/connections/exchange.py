"""A code becomes tokens, once: asked of the token endpoint and stored, whoever stops waiting for it.

It runs in a thread of its own: the answer may hold the only refresh token that works from now on, since a sign-in makes
the user's earlier one useless (REST reference 1.7). Whose it is, is `landing`'s matter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from tieout.connections.ending import is_client_error
from tieout.connections.landing import Landed
from tieout.connections.refreshing import COMMIT_PAUSE, COMMIT_TRIES
from tieout.connections.settings import is_loopback
from tieout.connections.sign_in_errors import Reason
from tieout.errors import ForbiddenError, IntacctError, ServerError, StoreError, ThrottledError, TieoutError
from tieout.rest import ClientCredentials, CountingMeter, Grant, Session, Transport
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.rest.perform import perform
from tieout.rest.tokens import token_call
from tieout.rest.transport import HttpTransport
from tieout.store.crashpoints import reached

TIMEOUT = 30.0
LOCAL_TIMEOUT = 5.0
"""Seconds for one try, and for one at a simulator on this machine."""
THREAD = "tieout-refresh"
"""The command line waits for threads of this name before it ends."""


class Redeem(msgspec.Struct, frozen=True):
    """What a code is redeemed with (REST reference 1.2). The repr shows no secret."""

    base_url: str
    code: str
    redirect_uri: str
    client_id: str
    client_secret: str
    verifier: str | None
    transport: Transport | None = None
    """Stays its maker's; None: one for this."""

    def __repr__(self) -> str:
        return "Redeem(…)"


class Exchange:
    """One redeeming of a code. `run` blocks until what came is stored."""

    def __init__(self, redeem: Redeem, store: Callable[[Grant], Landed]) -> None:
        """`store` puts the answer where it belongs; it is called again while the database is away."""
        self._redeem, self._store = redeem, store
        self._landed: list[Landed] = []
        self._failed: list[BaseException] = []

    def run(self) -> Landed:
        """Raises what the token endpoint, or storing, failed with."""
        thread = threading.Thread(target=self._work, name=THREAD)
        thread.start()
        thread.join()
        if self._failed:
            raise self._failed[0]
        return self._landed[0]

    def _work(self) -> None:
        try:
            answer = _ask(self._redeem)
            reached("signin.exchanged")
            self._landed.append(self._kept(answer))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._failed.append(error)

    def _kept(self, answer: Grant) -> Landed:
        for tries in range(COMMIT_TRIES):
            try:
                return self._store(answer)
            except StoreError:
                if tries + 1 == COMMIT_TRIES:
                    raise
                time.sleep(COMMIT_PAUSE)
        raise AssertionError("the last try raises")


def _ask(redeem: Redeem) -> Grant:
    form = {
        "grant_type": "authorization_code",
        "code": redeem.code,
        "redirect_uri": redeem.redirect_uri,
        "client_id": redeem.client_id,
        "client_secret": redeem.client_secret,
    }
    if redeem.verifier is not None:
        form["code_verifier"] = redeem.verifier
    nobody = ClientCredentials(client_id="", client_secret="", user="", company="")  # the call carries no token
    timeout = LOCAL_TIMEOUT if is_loopback(redeem.base_url) else TIMEOUT
    session = Session(
        base_url=redeem.base_url, tokens=nobody, meter=CountingMeter(), timeout=timeout, deadline=2 * timeout
    )
    transport = redeem.transport or HttpTransport()
    try:
        return SyncDriver(transport, Limiter(1)).run(perform(session, token_call(form)))
    finally:
        if redeem.transport is None:
            transport.close()


def reason_of(error: TieoutError) -> Reason:
    """Why a code gave no tokens, by codes first (REST reference 1.8)."""
    if is_client_error(error):
        return "client_refused"
    if isinstance(error, ForbiddenError):
        return "company_not_authorised"
    if isinstance(error, IntacctError) and not isinstance(error, ServerError | ThrottledError):
        return "code_refused"
    return "unreachable"
