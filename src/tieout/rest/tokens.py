"""Where a valid access token comes from. The rest room asks a TokenSource; who stores tokens implements one.

A source is asked in an exchange, so that one rule serves threads and tasks. It is asked with `refused` when
Intacct did not accept the last one, and must then not serve that one again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec

from tieout.errors import DeadlineError, ReplyError
from tieout.rest.call import Call, Repeat, Reply
from tieout.rest.effects import Exchange, NoPlace, Slot, Work
from tieout.rest.limiter import Limiter

if TYPE_CHECKING:
    from tieout.rest.session import Session

T = TypeVar("T")

MARGIN = 120.0
"""Seconds before its expiry at which a token counts as spent; a tenth of a shorter life."""
LIFETIME = 43200.0
"""Seconds, where the token endpoint does not say (REST reference 1.4)."""

SECRETS = ("client_secret", "refresh_token", "code", "code_verifier", "token")
"""Fields of a request for a token, or for its end, that nobody may see (REST reference 1.1 to 1.4)."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token. Its repr shows no part of it."""

    value: str
    expires_at: float
    """Unix time in seconds, by our clock when it was received plus `expires_in`."""

    margin: float = MARGIN

    def fresh(self, now: float) -> bool:
        return now < self.expires_at - self.margin

    def __repr__(self) -> str:
        return f"Token(…, expires_at={self.expires_at:.0f})"


class TokenSource(Protocol):
    """Asked before every call. `token()` -> a token that is valid now, or raises TokenRefusedError,
    NotAuthorisedError or UnreachableError."""

    def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]: ...


class Grant(msgspec.Struct, frozen=True):
    """What the token endpoint answered (REST reference 1.3, 1.4). The repr shows no secret."""

    access_token: str
    expires_in: float | str | None = LIFETIME
    refresh_token: str | None = None

    @property
    def lifetime(self) -> float:
        """Seconds. A text of digits counts; nothing, or nonsense, is the documented lifetime."""
        try:
            seconds = float(self.expires_in or 0)
        except ValueError:
            return LIFETIME
        return seconds if 0 < seconds < float("inf") else LIFETIME

    def as_token(self, now: float) -> Token:
        return Token(self.access_token, now + self.lifetime, min(MARGIN, self.lifetime / 10))

    def __repr__(self) -> str:
        return f"Grant(…, expires_in={self.lifetime:.0f})"


def token_call(form: Mapping[str, str]) -> Call[Grant]:
    """POST /oauth2/token, form-encoded as recorded (REST reference 1.4).

    Not repeated after an unanswered try: a refresh token may rotate (DESIGN rule 4)."""
    repeat = Repeat.FREE if form.get("grant_type") == "client_credentials" else Repeat.NEVER
    return _oauth("token", form, _parse_grant, repeat)


def revoke_call(client_id: str, client_secret: str, token: str) -> Call[None]:
    """POST /oauth2/revoke: ends a refresh or access token, and with it all tokens of its user in the company, those of
    client credentials too (REST reference 1.1, 1.7). May be sent again: what has ended stays ended."""
    form = {"client_id": client_id, "client_secret": client_secret, "token": token}
    return _oauth("revoke", form, lambda _: None, Repeat.FREE)


def _oauth(endpoint: str, form: Mapping[str, str], parse: Callable[[Reply], T], repeat: Repeat) -> Call[T]:
    return Call(
        method="POST",
        path=f"/oauth2/{endpoint}",
        parse=parse,
        repeat=repeat,
        body=urlencode(form).encode(),
        content_type="application/x-www-form-urlencoded",
        authorised=False,
        secrets=tuple(form[name] for name in SECRETS if form.get(name)),
        transactions=0,
    )


def _parse_grant(reply: Reply) -> Grant:
    try:
        return msgspec.json.decode(reply.body, type=Grant)
    except msgspec.MsgspecError:
        raise ReplyError(
            "The token endpoint answered without an access token.", advice="Check the base URL, then try again."
        ) from None


class _Held:
    """A token in memory, renewed before its expiry, one renewal at a time however many ask."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._token: Token | None = None
        self._turn = Limiter(1)

    def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]:
        """-> a token that is valid now and is not `refused`."""
        if (token := self._valid(refused)) is not None:
            return token
        try:
            turn = yield Slot(self._turn, session.patience())
        except NoPlace:
            raise DeadlineError(
                "The access token could not be renewed in time: another call was renewing it.",
                advice="Look whether the token endpoint answers, then try again.",
            ) from None
        try:
            if (token := self._valid(refused)) is None:
                grant = yield from self.fetch(session)
                yield from self._received(grant)
                token = self._token = grant.as_token(self._now())
            return token
        finally:
            turn.release()

    def fetch(self, session: Session) -> Exchange[Grant]:
        """Ask the token endpoint now, whatever is in memory. Whoever calls this stores what comes back."""
        from tieout.rest.perform import perform

        return (yield from perform(session, token_call(self._form())))

    def _form(self) -> dict[str, str]:
        raise NotImplementedError

    def _received(self, grant: Grant) -> Exchange[None]:
        yield from ()

    def _valid(self, refused: Token | None) -> Token | None:
        token = self._token
        if token is None or token == refused or not token.fresh(self._now()):
            return None
        return token


class ClientCredentials(_Held):
    """Grant type client_credentials: `user@company`, or `user@company|entity` for an entity-level token
    (REST reference 1.4). Nothing to lose: a new token can be had at any time."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        user: str,
        company: str,
        entity_level: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(now)
        self.client_id = client_id
        self.company = company
        self._client_secret = client_secret
        self.username = f"{user}@{company}" + (f"|{entity_level}" if entity_level else "")

    def _form(self) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self._client_secret,
            "username": self.username,
        }

    def __repr__(self) -> str:
        return f"ClientCredentials({self.username!r})"


class RefreshToken(_Held):
    """Grant type refresh_token. Every refresh may rotate the refresh token (REST reference 1.3): `rotated` is
    called with the new one before the new access token is used, so that it can be stored."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        entity_level: str | None = None,
        rotated: Callable[[str], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(now)
        self.client_id = client_id
        self._client_secret = client_secret
        self._refresh_token = refresh_token
        self._entity_level = entity_level
        self._rotated = rotated

    def _form(self) -> dict[str, str]:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self._client_secret,
            "refresh_token": self._refresh_token,
        }
        return form | ({"entity_id": self._entity_level} if self._entity_level else {})

    def _received(self, grant: Grant) -> Exchange[None]:
        if grant.refresh_token and grant.refresh_token != self._refresh_token:
            self._refresh_token = grant.refresh_token
            if self._rotated is not None:
                yield Work(partial(self._rotated, grant.refresh_token))

    def __repr__(self) -> str:
        return f"RefreshToken(client_id={self.client_id!r})"
