"""Whom a company has given tokens to: codes, grants, sessions and refresh tokens, and how each of them ends.

A grant is one sign-in; a session is one access token of it. Kept with the company's records, so that they survive a
restart of a company file; secrets are kept as hashes. It knows no HTTP and signs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import msgspec

from tieout.simulator.clients import Access
from tieout.simulator.company import Company

Kind = Literal["authorization_code", "client_credentials"]
State = Literal["live", "expired", "dead"]
PREFIX = 8
"""Characters of a session id that a list shows: enough to name it, too few to use it."""

_ACCESS = "grants/access"
_GRANT = "grants/of/"
_SESSION = "grants/session/"
_REFRESH = "grants/refresh/"
_CODE = "grants/code/"

_OPEN = Access()

T = TypeVar("T")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in of a user through a client."""

    id: str
    client: str
    user_id: str
    kind: Kind
    offline: bool
    """Whether it has a refresh token (`offline_access`)."""
    refresh_dead: bool = False
    access_dead: bool = False

    @property
    def name(self) -> str:
        return f"{_GRANT}{self.user_id}/{self.id}"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One access token: who, through which client, in which entity (None: top level). Times are unix seconds."""

    id: str
    grant: str
    client: str
    user_id: str
    entity_id: str | None
    issued: int
    expires: int
    fate: State = "live"
    """Other than `live` when it was ended before its time."""

    @property
    def name(self) -> str:
        return _SESSION + self.id


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """One refresh token. `spent` is when it was first used."""

    grant: str
    session: str
    entity_id: str | None
    issued: int
    spent: int | None = None


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """One authorization code, bound to what it was asked with. `grant` is what it was redeemed for."""

    client: str
    user_id: str
    entity_id: str | None
    redirect_uri: str
    challenge: str | None
    challenge_method: str
    offline: bool
    issued: int
    grant: str | None = None


class Issued(msgspec.Struct, frozen=True):
    """What a sign-in or a refresh gives."""

    session: Session
    refresh: str | None


class RefusedGrantError(Exception):
    """A code or a refresh token that is not accepted; the text says why, in the words of `invalid_grant`."""


class Grants:
    """The grants of one company. Threads may share it; of two that redeem the same thing, one wins."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._kept: dict[str, object] = {}

    # ---- what the company admits --------------------------------------------------------------------------------

    @property
    def access(self) -> Access:
        """A company that said nothing admits everyone."""
        found = self._get(_ACCESS, Access)
        if found is None:
            with self._company.atomically():  # noted, so that calls need not wait for a write to ask again
                found = self._get(_ACCESS, Access) or _OPEN
                self._kept[_ACCESS] = found
        return found

    def set_access(self, access: Access) -> None:
        with self._change():
            self._put(_ACCESS, access)

    # ---- tokens -------------------------------------------------------------------------------------------------

    def begin(self, client: str, user_id: str, entity_id: str | None, *, kind: Kind, offline: bool) -> Issued:
        """A new grant with its first tokens. One by authorization code ends the refresh tokens of the user's earlier
        ones, as the switches `second_authorization` and `grant_scope` say (REST reference 1.7)."""
        with self._change():
            if kind == "authorization_code":
                self._supersede(client, user_id)
            grant = Grant(id=secrets.token_urlsafe(12), client=client, user_id=user_id, kind=kind, offline=offline)
            self._put(grant.name, grant)
            return self._issue(grant, entity_id)

    def add_code(self, code: Code) -> str:
        """The code's text, to be given to the browser."""
        text = secrets.token_urlsafe(32)
        with self._change():
            self._put(_CODE + _digest(text), code)
        return text

    def code(self, text: str) -> Code | None:
        return self._get(_CODE + _digest(text), Code)

    def redeem(self, text: str, client: str, redirect_uri: str, verifier: str | None) -> Issued:
        """Tokens for a code, once. Raises RefusedGrantError; a failed try does not use the code up (INFERRED)."""
        with self._change():
            code = self.code(text)
            fault = self._code_fault(code, client, redirect_uri, verifier)
            if code is not None and fault is None:
                issued = self.begin(
                    client, code.user_id, code.entity_id, kind="authorization_code", offline=code.offline
                )
                spent = msgspec.structs.replace(code, grant=issued.session.grant)
                self._put(_CODE + _digest(text), spent)
                return issued
            if code is not None and code.grant is not None and self._company.settings.on("code_replay_kills"):
                self._end_grant(code.grant, access=True)
        raise RefusedGrantError(fault)

    def renewable(self, refresh: str, client: str) -> Session | None:
        """The session whose refresh token this is, if it is the client's. Whether it still works is `renew`'s."""
        token = self._get(_REFRESH + _digest(refresh), Refresh)
        session = None if token is None else self._get(_SESSION + token.session, Session)
        return session if session is not None and session.client == client else None

    def renew(self, refresh: str, entity_id: str | None) -> Issued:
        """A new session and a new refresh token. Raises RefusedGrantError (REST reference 1.3)."""
        settings = self._company.settings
        name = _REFRESH + _digest(refresh)
        with self._change():
            token = self._get(name, Refresh)
            grant = None if token is None else self._get(token.grant, Grant)
            if token is not None and grant is not None and self._renews(token, grant):
                self._put(name, msgspec.structs.replace(token, spent=token.spent or self._now()))
                if settings.on("refresh_ends_access"):
                    self._end_session(token.session, "dead")
                return self._issue(grant, entity_id)
            if grant is not None and token is not None and token.spent and settings.on("refresh_reuse_kills"):
                self._end_grant(grant.name, access=True)
        raise RefusedGrantError("The refresh token is invalid")

    def find(self, session_id: str) -> tuple[Session, State] | None:
        """A session and whether it lives. Does not wait for a write that is under way in the company."""
        session = self._get(_SESSION + session_id, Session)
        grant = None if session is None else self._get(session.grant, Grant)
        if session is None or grant is None:
            return None
        if session.expires <= self._now():
            return session, "expired"
        return session, "dead" if grant.access_dead else session.fate

    # ---- endings ------------------------------------------------------------------------------------------------

    def revoke(self, session: Session) -> None:
        """End a session's grant, and with the switch `revoke_pool` every grant of its user (REST reference 1.7)."""
        with self._change():
            pool = self._company.settings.on("revoke_pool")
            names = [grant.name for grant in self._grants(session.user_id)] if pool else [session.grant]
            for name in names:
                self._end_grant(name, access=True)

    def end(self, fate: State, *, user_id: str | None = None, session: str | None = None) -> int:
        """Make access tokens look expired or dead from now on; returns how many. All, a user's, or the session's
        whose id begins so."""
        with self._change():
            chosen = self.live(user_id=user_id, session=session)
            for each in chosen:
                self._end_session(each.id, fate)
            return len(chosen)

    def end_refresh(self, *, user_id: str | None = None, session: str | None = None) -> int:
        """Kill refresh tokens and leave the access tokens alone; returns how many grants were hit."""
        with self._change():
            every = [s for s in self._all(_SESSION, Session) if _chosen(s, user_id, session)]
            names = {each.grant for each in every if self._refreshes(each.grant)}
            for name in names:
                self._end_grant(name, access=False)
            return len(names)

    def live(self, *, user_id: str | None = None, session: str | None = None) -> list[Session]:
        """Sessions whose access token works, oldest first."""
        found = [s for s in self._all(_SESSION, Session) if _chosen(s, user_id, session)]
        alive = [each for each in found if (state := self.find(each.id)) is not None and state[1] == "live"]
        return sorted(alive, key=lambda each: each.issued)

    def grant_of(self, session: Session) -> Grant:
        """Raises KeyError where the session is not this company's."""
        grant = self._get(session.grant, Grant)
        if grant is None:
            raise KeyError(session.id)
        return grant

    # ---- inside -------------------------------------------------------------------------------------------------

    def _issue(self, grant: Grant, entity_id: str | None) -> Issued:
        now = self._now()
        session = Session(
            id=secrets.token_urlsafe(24),
            grant=grant.name,
            client=grant.client,
            user_id=grant.user_id,
            entity_id=entity_id,
            issued=now,
            expires=now + int(self._company.settings.number("token_lifetime")),
        )
        self._put(session.name, session)
        if not grant.offline:
            return Issued(session, None)
        refresh = secrets.token_urlsafe(48)
        kept = Refresh(grant=grant.name, session=session.id, entity_id=entity_id, issued=now)
        self._put(_REFRESH + _digest(refresh), kept)
        return Issued(session, refresh)

    def _renews(self, token: Refresh, grant: Grant) -> bool:
        settings, now = self._company.settings, self._now()
        lifetime = settings.number("refresh_token_lifetime")
        if grant.refresh_dead or (lifetime and now - token.issued >= lifetime):
            return False
        if token.spent is None or settings.word("rotation") == "lenient":
            return True
        return now - token.spent < settings.number("rotation_grace")

    def _code_fault(self, code: Code | None, client: str, redirect_uri: str, verifier: str | None) -> str | None:
        if code is None or code.client != client:
            return "The authorization code is invalid"
        if code.grant is not None:
            return "The authorization code was already used"
        if self._now() - code.issued >= self._company.settings.number("code_lifetime"):
            return "The authorization code has expired"
        if code.redirect_uri != redirect_uri:
            return "The redirect_uri does not match the one the code was asked with"
        if not _proves(code, verifier):
            return "The code_verifier does not match the code_challenge"
        return None

    def _supersede(self, client: str, user_id: str) -> None:
        settings = self._company.settings
        if settings.word("second_authorization") == "keeps":
            return
        per_client = settings.word("grant_scope") == "client"
        for grant in self._grants(user_id):
            if grant.kind == "authorization_code" and (grant.client == client or not per_client):
                self._end_grant(grant.name, access=settings.on("second_authorization_ends_access"))

    def _refreshes(self, name: str) -> bool:
        grant = self._get(name, Grant)
        return grant is not None and grant.offline and not grant.refresh_dead

    def _end_grant(self, name: str, *, access: bool) -> None:
        grant = self._get(name, Grant)
        if grant is not None:
            dead = grant.access_dead or access
            self._put(name, msgspec.structs.replace(grant, refresh_dead=True, access_dead=dead))

    def _end_session(self, session_id: str, fate: State) -> None:
        session = self._get(_SESSION + session_id, Session)
        if session is not None:
            self._put(session.name, msgspec.structs.replace(session, fate=fate))

    def _grants(self, user_id: str) -> list[Grant]:
        return [grant for grant in self._all(f"{_GRANT}{user_id}/", Grant) if grant.user_id == user_id]

    def _now(self) -> int:
        return int(self._company.clock.now().timestamp())

    # ---- keeping ------------------------------------------------------------------------------------------------

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One step for everyone: all of it is kept, or none."""
        try:
            with self._company.atomically():
                yield
        except BaseException:
            self._kept.clear()
            raise

    def _get(self, name: str, kind: type[T]) -> T | None:
        found = self._kept.get(name)
        if found is None:
            with self._company.atomically():  # so that no older value is noted after a newer one
                data = self._company.recall(name)
                if data is None:
                    return None
                found = self._kept[name] = msgspec.msgpack.decode(data, type=kind)
        return found if isinstance(found, kind) else None

    def _put(self, name: str, value: object) -> None:
        self._company.remember(name, msgspec.msgpack.encode(value))
        self._kept[name] = value

    def _all(self, prefix: str, kind: type[T]) -> list[T]:
        return [msgspec.msgpack.decode(data, type=kind) for data in self._company.recall_all(prefix)]


def _chosen(session: Session, user_id: str | None, prefix: str | None) -> bool:
    return (user_id is None or session.user_id == user_id) and (prefix is None or session.id.startswith(prefix))


def _proves(code: Code, verifier: str | None) -> bool:
    """PKCE (RFC 7636). A verifier for a code that was asked without challenge is refused (INFERRED)."""
    if code.challenge is None or verifier is None:
        return code.challenge is None and verifier is None
    shown = verifier.encode()
    if code.challenge_method == "S256":
        shown = base64.urlsafe_b64encode(hashlib.sha256(shown).digest()).rstrip(b"=")
    return secrets.compare_digest(shown, code.challenge.encode())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
