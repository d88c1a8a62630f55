"""Signing in by browser: begun with an address to open, finished with what the browser brought back.

Knows no terminal and no web page: it makes the authorize URL, keeps what has to be checked, and says what came of it.
Only the hash of `state` is stored; it works once. Where a sign-in belongs is `landing`'s business.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode, urlsplit

import msgspec

from tieout.connections import audit, clashes, outbox, rows, scope_guard
from tieout.connections.adding import placed
from tieout.connections.answers import Answer, read_answer
from tieout.connections.apps import App
from tieout.connections.clashes import Clash
from tieout.connections.discreet import discreet
from tieout.connections.exchange import Exchange, Redeem, reason_of
from tieout.connections.landing import Landed
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.sign_in_errors import Reason, SignInError
from tieout.errors import ConfigurationError, NotAuthorisedError, StoreError, TieoutError, UnknownNameError
from tieout.rest import Grant, Transport

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

    from tieout.connections.registry import Connections

LIFETIME = 600.0
"""Seconds between opening the address and coming back, unless said otherwise."""
LONGEST_LIFETIME = 3600.0
KEPT = 86_400.0
"""Seconds for which a sign-in that is over is remembered, so that a late answer is told why it does not work."""
OFFLINE = ("offline_access",)
"""Without it there is no refresh token (REST reference 1.2)."""


class Begun(msgspec.Struct, frozen=True):
    """A sign-in under way. The repr does not show `url`, which holds `state`."""

    id: str
    url: str
    """To open in the browser of who signs in."""
    redirect_uri: str
    """Where Sage sends the browser back to."""
    expires: float
    """Seconds since 1970, on the database's clock."""
    connection: Connection
    clash: Clash | None = None
    """Who else works as the user that is to sign in."""

    def __repr__(self) -> str:
        return f"Begun({self.id!r}, {self.connection.name!r})"


class Finished(msgspec.Struct, frozen=True):
    """A sign-in that connected."""

    landed: Landed
    connection: Connection
    return_url: str | None
    id: str


class SignIns:
    """The sign-ins of an installation."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._store, self._vault = connections.store, connections.vault

    def begin(
        self,
        name: str,
        *,
        app: str,
        owner: str = DEFAULT_OWNER,
        company: str = "",
        promised_user: str = "",
        entity: str | None = None,
        environment: str = "production",
        base_url: str | None = None,
        redirect_uri: str | None = None,
        return_url: str | None = None,
        pkce: bool = True,
        scope: Sequence[str] = OFFLINE,
        lifetime: float = LIFETIME,
        connection_id: str | None = None,
    ) -> Begun:
        """An address to open, for the connection `name`, which is prepared, or goes on as it is until the sign-in
        came. With `connection_id` it is that connection, whose environment and address stay.

        `redirect_uri` is one of the application's, the first unless given. `promised_user` is who will sign in,
        `company` the only one that may be connected, or `acme|E110` with its entity. `lifetime` is seconds, an hour at
        most. Raises ConfigurationError for an application without client id or redirect URI, and as
        `Connections.prepare`; UnknownNameError for an application or a connection that is not there."""
        company, entity = placed(company, entity)
        registered = self._connections.apps.get(app)
        if not registered.client_id or not registered.has_secret:
            self._connections.apps.credentials(app)  # says what is missing
        back = _redirect_uri(registered, redirect_uri)
        _refuse_lifetime(lifetime)
        if connection_id is not None:
            known = self._connections.by_id(connection_id, owner)
            name, environment, base_url = known.name, known.environment, known.base_url
        connection = self._connections.prepare(name, owner=owner, environment=environment, base_url=base_url)
        scope_guard.refuse_scope(registered.scope, connection.environment, app)
        _refuse_company(connection, company)
        self._vault.prepare(owner)
        state, verifier, id = secrets.token_urlsafe(32), secrets.token_urlsafe(64) if pkce else None, rows.new_id()
        with self._store.begin() as transaction:
            now = self._store.clock(transaction)
            row = {
                "id": id,
                "owner": owner,
                "connection_id": connection.id,
                "app_id": registered.id,
                "state_hash": _hash(state),
                "verifier_sealed": self._sealed(verifier, id, owner),
                "promised_user": promised_user,
                "company": company or None,
                "entity": entity,
                "redirect_uri": back,
                "return_url": return_url,
                "created_at": rows.text_of(now),
                "expires": now + lifetime,
            }
            self._keep(transaction, row, now)
            clash = clashes.clash(transaction, connection, company or connection.company, promised_user)
        url = f"{connection.base_url}/oauth2/authorize?{_query(registered, back, state, scope, verifier)}"
        return Begun(id, url, back, now + lifetime, connection, clash)

    @discreet
    def finish(
        self,
        answer: str,
        *,
        owner: str | None = None,
        redirect_uri: str | None = None,
        state_cookie: str | None = None,
        transport: Transport | None = None,
    ) -> Finished:
        """Redeem what the browser came back with: the whole redirected URL, or its query string.

        `owner` is whose sign-in it must be, `redirect_uri` where the browser came back to, `state_cookie` the
        `Begun.id` of the sign-in that this browser began; what does not fit leaves the sign-in as it was. Raises
        SignInError: after an exchange its `landed` says who signed in, and where that is stored."""
        told = read_answer(answer)
        if told is None:
            raise SignInError("bad_answer")
        row = self._take(told, owner, redirect_uri, state_cookie)
        if told.error:
            self._fail(row, _told_reason(told.error))
        landed = self._redeem(row, told, transport)
        if landed.reason:
            self._fail(row, landed.reason, landed=landed, message=landed.connection.why)
        self._over(row, "connected", "sign-in finished", {"company": landed.company, "user": landed.user})
        return Finished(landed, landed.connection, row.return_url, row.id)

    def cancel(self, id: str, owner: str = DEFAULT_OWNER) -> None:
        """Nobody will come back. A connection that was prepared for this sign-in alone is forgotten with it. Raises
        UnknownNameError for a sign-in that is not under way."""
        from sqlalchemy import select, update

        from tieout.store.access_tables import authorizations as table

        with self._store.begin() as transaction:
            wanted = (table.c.id == id, table.c.owner == owner, table.c.used_at.is_(None))
            values = {"used_at": rows.now_text(), "outcome": "cancelled"}
            if transaction.execute(update(table).where(*wanted).values(values)).rowcount != 1:
                raise UnknownNameError("sign-in", id)
            meant = transaction.execute(select(table.c.connection_id).where(table.c.id == id)).scalar_one()
            forgotten = _forget_untouched(transaction, meant)
            subjects = {"sign-in": id, "connection": meant}
            facts = {"connection forgotten": forgotten}
            audit.append(self._store, transaction, "sign-in cancelled", owner=owner, subjects=subjects, facts=facts)

    def _sealed(self, verifier: str | None, id: str, owner: str) -> bytes | None:
        return self._vault.encrypt(verifier.encode(), verifier_context(id), owner) if verifier else None

    def _keep(self, transaction: Transaction, row: dict[str, Any], now: float) -> None:
        """Store a sign-in, and forget those that nobody will ask for any more."""
        from sqlalchemy import delete, insert

        from tieout.store.access_tables import authorizations

        transaction.execute(delete(authorizations).where(authorizations.c.expires < now - KEPT))
        transaction.execute(insert(authorizations).values(row))
        subjects = {"sign-in": row["id"], "connection": row["connection_id"], "app": row["app_id"]}
        facts = {"user": row["promised_user"], "pkce": row["verifier_sealed"] is not None}
        audit.append(self._store, transaction, "sign-in begun", owner=row["owner"], subjects=subjects, facts=facts)

    def _take(self, told: Answer, owner: str | None, redirect_uri: str | None, id: str | None) -> Any:
        """The sign-in that an answer belongs to, which is used from now on: of two callbacks one gets it."""
        from sqlalchemy import update

        from tieout.store.access_tables import authorizations as table

        with self._store.begin() as transaction:
            row = _find(transaction, told.state)
            if row is None or owner not in (None, row.owner) or id not in (None, row.id):
                raise SignInError("unknown_state")
            known = {"return_url": row.return_url, "connection_id": row.connection_id}
            if row.used_at is not None:
                message, advice = _USED.get(row.outcome or "", ("", ""))
                raise SignInError("used", message=message, advice=advice, **known)
            if row.expires <= self._store.clock(transaction):
                raise SignInError("expired", **known)
            if _address(redirect_uri or told.address or row.redirect_uri) != _address(row.redirect_uri):
                raise SignInError("wrong_redirect", **known)
            if told.issuer and _address(told.issuer)[0] != _address(row.base_url)[0]:
                raise SignInError("bad_answer", message=_ISSUER, **known)
            free = (table.c.id == row.id, table.c.used_at.is_(None))
            used = transaction.execute(update(table).where(*free).values(used_at=rows.now_text()))
            if used.rowcount != 1:
                raise SignInError("used", **known)
        return row

    def _redeem(self, row: Any, told: Answer, transport: Transport | None) -> Landed:
        """Exchange the code and store what came. Raises SignInError."""
        connection = self._connections.by_id(row.connection_id, row.owner)
        try:
            client_id, client_secret = self._connections.apps.credentials(row.app)
            sealed = row.verifier_sealed
            verifier = self._vault.decrypt(sealed, verifier_context(row.id)).decode() if sealed else None
            redeem = Redeem(
                connection.base_url, told.code, row.redirect_uri, client_id, client_secret, verifier, transport
            )
            return Exchange(redeem, partial(self._land, row, connection)).run()
        except SignInError as error:
            self._fail(row, error.reason, message=error.message, advice=error.advice)
        except StoreError:
            raise
        except (NotAuthorisedError, ConfigurationError) as error:
            self._fail(row, "bad_answer", message=error.message, advice=error.advice)
        except TieoutError as error:
            self._fail(row, reason_of(error), cause=error)

    def _land(self, row: Any, connection: Connection, answer: Grant) -> Landed:
        if not answer.refresh_token:
            raise SignInError("no_refresh_token")
        try:
            return self._connections.land(
                connection,
                answer,
                app=row.app,
                promised_user=row.promised_user,
                promised_company=row.company or "",
                entity=row.entity,
                user=row.promised_user or connection.user,
                company=row.company or connection.company,
            )
        except (NotAuthorisedError, ConfigurationError) as error:
            message, advice = f"{error.message} {_NOT_KEPT}", f"{error.advice} {_REPAIR}".strip()
            raise SignInError("bad_answer", message=message, advice=advice) from None

    def _fail(
        self,
        row: Any,
        reason: Reason,
        *,
        landed: Landed | None = None,
        message: str = "",
        advice: str = "",
        cause: TieoutError | None = None,
    ) -> NoReturn:
        """Write down that a sign-in failed, and raise it."""
        facts = {"reason": reason}
        code = str(getattr(cause, "error_id", "") or getattr(cause, "code", ""))[:64]
        self._over(row, reason, "sign-in failed", facts | ({"error": code} if code else {}), untold=landed is None)
        raise SignInError(
            reason,
            message=message,
            advice=advice,
            return_url=row.return_url,
            connection_id=row.connection_id,
            landed=landed,
        ) from None

    def _over(self, row: Any, outcome: str, what: str, facts: dict[str, str], *, untold: bool = False) -> None:
        """Write down how a sign-in ended. `untold`: the vendor's webhook has not heard of it from `landing`."""
        from sqlalchemy import update

        from tieout.store.access_tables import authorizations as table

        subjects = {"sign-in": row.id, "connection": row.connection_id}
        with self._store.begin() as transaction:
            values = {"outcome": outcome, "verifier_sealed": None}
            transaction.execute(update(table).where(table.c.id == row.id).values(values))
            audit.append(self._store, transaction, what, owner=row.owner, subjects=subjects, facts=facts)
            failed = rows.find(transaction, row.owner, id=row.connection_id) if untold else None
            if failed is not None:
                outbox.tell_of_landing(self._store, transaction, failed, outcome)


_USED = {
    "": (
        "This sign-in was cut off before it was stored, or is just being stored: the code is used up.",
        "If the connection does not work in a minute, start the sign-in again: an earlier one of the same Sage user "
        "may have ended with this one.",
    ),
    "connected": ("This answer was used already, and the connection was made.", ""),
    "cancelled": ("This sign-in was cancelled.", "Start the sign-in again."),
}
"""What happened and what to do, by what came of it."""
_NOT_KEPT = "This sign-in was not kept, and an earlier one of the same Sage user may have ended with it."
_REPAIR = "Then start the sign-in again, also for what works as that user and does not any more."
_ISSUER = "The answer comes from another server than the one this sign-in was begun with; its code was not used."
_TOLD: dict[str, Reason] = {
    "access_denied": "denied",
    "unauthorized_client": "company_not_authorised",
    "invalid_client": "client_refused",
    "server_error": "unreachable",
    "temporarily_unavailable": "unreachable",
    "redirect_uri_mismatch": "wrong_redirect",
}
"""Errors of RFC 6749 4.1.2.1."""


def _told_reason(error: str) -> Reason:
    return _TOLD.get(error, "code_refused")


def _find(transaction: Transaction, state: str) -> Any:
    from sqlalchemy import select

    from tieout.store.access_tables import apps, authorizations, connections

    query = (
        select(authorizations, apps.c.name.label("app"), connections.c.base_url)
        .join(apps, apps.c.id == authorizations.c.app_id)
        .join(connections, connections.c.id == authorizations.c.connection_id)
        .where(authorizations.c.state_hash == _hash(state))
    )
    return transaction.execute(query).first()


def _forget_untouched(transaction: Transaction, connection_id: str) -> bool:
    """Forget a connection that nobody has signed in for, unless somebody still may; whether it was."""
    from sqlalchemy import delete, select

    from tieout.store.access_tables import authorizations, connect_links, connections
    from tieout.store.connect_tables import connect_sessions

    meant = connections.c.id
    others = select(authorizations.c.id).where(
        authorizations.c.connection_id == meant, authorizations.c.used_at.is_(None)
    )
    links = select(connect_links.c.id).where(connect_links.c.connection_id == meant)
    browsers = select(connect_sessions.c.id).where(connect_sessions.c.connection_id == meant)  # they would go with it
    mine = [~each.exists() for each in (others, links, browsers)]
    untouched = (connections.c.grant_id.is_(None), connections.c.company == "", *mine)
    return transaction.execute(delete(connections).where(meant == connection_id, *untouched)).rowcount > 0


def _redirect_uri(app: App, wanted: str | None) -> str:
    if not app.redirect_uris:
        raise ConfigurationError(
            f"The application {app.name!r} has no redirect URI.", advice="Add the one registered at Sage."
        )
    if wanted is not None and wanted not in app.redirect_uris:
        raise ConfigurationError(
            f"{wanted} is not a redirect URI of the application {app.name!r}.",
            advice=f"It has: {', '.join(app.redirect_uris)}. Sage compares them to the letter.",
        )
    return wanted or app.redirect_uris[0]


def _refuse_company(connection: Connection, company: str) -> None:
    if company and connection.company and company.casefold() != connection.company.casefold():
        raise ConfigurationError(
            f"The connection {connection.name!r} is to {connection.company}, not to {company}.",
            advice="Choose another name for the new one.",
        )


def _refuse_lifetime(seconds: float) -> None:
    if not 0 < seconds <= LONGEST_LIFETIME:
        raise ConfigurationError(f"A sign-in may take {LONGEST_LIFETIME:.0f} seconds at most.")


def _query(app: App, back: str, state: str, scope: Sequence[str], verifier: str | None) -> str:
    """Of an authorize address (REST reference 1.2)."""
    query = {"response_type": "code", "client_id": app.client_id or "", "redirect_uri": back, "state": state}
    query |= {"scope": " ".join(scope)} if scope else {}
    query |= {"code_challenge": _challenge(verifier), "code_challenge_method": "S256"} if verifier else {}
    return urlencode(query)


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode(errors="surrogatepass")).hexdigest()


def _challenge(verifier: str) -> str:
    """PKCE S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def verifier_context(id: str) -> str:
    """What binds a verifier to its row."""
    return f"authorizations/{id}/verifier"


def _address(url: str) -> tuple[str, str]:
    """Origin and path, the origin as browsers write it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", ""
    usual = port is None or (parts.scheme, port) in {("https", 443), ("http", 80)}
    return f"{parts.scheme}://{parts.hostname}{'' if usual else f':{port}'}", parts.path
