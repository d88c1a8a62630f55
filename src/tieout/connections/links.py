"""Links that let somebody connect one company, once: made to be shown or mailed, looked at, used up. Serves no page.

Only the hash of what a link holds is stored. Looking does not use it up, since mail programs open links by themselves.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from tieout.connections import audit, rows
from tieout.connections.adding import refuse_another_company, refuse_blank, refuse_environment, refuse_unstorable
from tieout.connections.apps import Apps
from tieout.connections.settings import Environment, is_loopback
from tieout.errors import ConfigurationError, NotAuthorisedError, UnknownNameError
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

LIFETIME = timedelta(minutes=30)
LONGEST = timedelta(days=7)
KEPT = timedelta(days=30)
"""For which a link that has expired is remembered, so that its reader is told so."""
CALLBACK = "/callback"
"""What the redirect URI of a connect page ends with; what stands before is the page's address."""

Fault = Literal["unknown", "used", "expired"]


class LinkError(NotAuthorisedError):
    """A link that opens nothing. `reason` says why."""

    def __init__(self, reason: Fault) -> None:
        words = {
            "unknown": "There is no such link.",
            "used": "This link was used already.",
            "expired": "This link has expired.",
        }
        super().__init__(words[reason], advice="Ask for a new one.")
        self.reason: Fault = reason


class Link(msgspec.Struct, frozen=True):
    """A link as it is given away, once. The repr does not show it."""

    url: str
    token: str
    expires: float
    """Seconds since 1970."""

    def __repr__(self) -> str:
        return f"Link(expires={self.expires})"


class LinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a link says: who asks for what."""

    id: str
    owner: str
    label: str
    name: str
    environment: Environment
    company: str
    connection_id: str
    """Of the connection to connect anew, or ''."""
    return_url: str
    app: str
    """'' where it is the page's own."""
    expires: float


class Links:
    """Connect links of a state database."""

    def __init__(self, store: Store, apps: Apps, *, now: Callable[[], float] = time.time) -> None:
        self._store, self._apps, self._now = store, apps, now

    def make(
        self,
        owner: str,
        return_url: str,
        expires: timedelta = LIFETIME,
        *,
        company: str | None = None,
        name: str = "",
        environment: Environment = "production",
        app: str | None = None,
        label: str = "",
        connection_id: str | None = None,
        page: str | None = None,
    ) -> Link:
        """A link for `owner`, good once and for `expires`, at most 7 days.

        `company` is the only one it connects; `connection_id` a connection of the owner's to connect anew. `label` is
        what the page calls the owner. `page` is the address of the connect page, else it is told by the redirect URI of
        `app`. Raises ConfigurationError for a time or address that will not do and for text of more than 255
        characters, UnknownNameError for an `app`, a connection or an environment that is not there."""
        from sqlalchemy import delete, insert

        from tieout.store.access_tables import connect_links

        refuse_blank({"owner": owner})
        refuse_unstorable({"owner": owner, "label": label, "name": name, "company": company, "application": app})
        refuse_environment(environment)
        if not timedelta(0) < expires <= LONGEST:
            raise ConfigurationError("A connect link is good for 7 days at most.")
        checked_return_url(return_url)
        address = page_of(page) if page is not None else self._page(app)
        token = secrets.token_urlsafe(32)
        until = self._now() + expires.total_seconds()
        row: dict[str, Any] = {
            "id": rows.new_id(),
            "owner": owner,
            "token_hash": hashed(token),
            "name": name,
            "environment": environment,
            "company": company,
            "return_url": return_url,
            "created_at": rows.text_of(self._now()),
            "expires": until,
            "app": app,
            "label": label,
        }
        with self._store.begin() as transaction:
            rows.keep_owner(transaction, owner)
            row |= _again(transaction, owner, connection_id, company) if connection_id else {}
            forgotten = connect_links.c.expires < self._now() - KEPT.total_seconds()
            transaction.execute(delete(connect_links).where(forgotten))
            transaction.execute(insert(connect_links).values(row))
            subjects = {"link": row["id"]} | ({"connection": connection_id} if connection_id else {})
            audit.append(self._store, transaction, "link made", owner=owner, subjects=subjects)
        return Link(f"{address}/link/{token}", token, until)

    def look(self, token: str) -> LinkRow:
        """What a link says, without using it up. Raises LinkError."""
        with self._store.read() as transaction:
            return self._read(transaction, token)

    def use(self, transaction: Transaction, token: str) -> LinkRow:
        """What a link says, and nobody else can use it once the transaction is through. Raises LinkError."""
        from sqlalchemy import update

        from tieout.store.access_tables import connect_links as table

        link = self._read(transaction, token)
        unused = (table.c.id == link.id, table.c.used_at.is_(None))
        used = {"used_at": rows.text_of(self._now())}
        if transaction.execute(update(table).where(*unused).values(used)).rowcount != 1:
            raise LinkError("used")
        audit.append(self._store, transaction, "link used", owner=link.owner, subjects={"link": link.id})
        return link

    def _read(self, transaction: Transaction, token: str) -> LinkRow:
        from sqlalchemy import select

        from tieout.store.access_tables import connect_links as table

        row = transaction.execute(select(table).where(table.c.token_hash == hashed(token))).first()
        if row is None:
            raise LinkError("unknown")
        if row.used_at is not None:
            raise LinkError("used")
        if row.expires <= self._now():
            raise LinkError("expired")
        return LinkRow(
            id=row.id,
            owner=row.owner,
            label=row.label or "",
            name=row.name,
            environment=row.environment,
            company=row.company or "",
            connection_id=row.connection_id or "",
            return_url=row.return_url or "",
            app=row.app or "",
            expires=row.expires,
        )

    def _page(self, app: str | None) -> str:
        """The address of the connect page, as the redirect URIs of an application tell it."""
        chosen = [self._apps.get(app)] if app else self._apps.all()
        uris = [uri for one in chosen for uri in one.redirect_uris if uri.endswith(CALLBACK)]
        public = [uri for uri in uris if not is_loopback(uri)] or uris
        if len(set(public)) != 1:
            what = "Several redirect URIs end" if public else "No redirect URI ends"
            raise ConfigurationError(
                f"{what} with {CALLBACK}: where the connect page is is not known.", advice="Give `page`, its address."
            )
        return public[0].removesuffix(CALLBACK)


def _again(transaction: Transaction, owner: str, connection_id: str, company: str | None) -> dict[str, Any]:
    """What a link to an owner's connection says besides."""
    before = rows.find(transaction, owner, id=connection_id)
    if before is None:
        raise UnknownNameError("connection", connection_id)
    refuse_another_company(before, before.name, company or "", before.environment)
    return {
        "connection_id": before.id,
        "name": before.name,
        "environment": before.environment,
        "company": before.company or company,
    }


def page_of(address: str) -> str:
    """The address of a connect page without what may stand at its end. Raises ConfigurationError."""
    checked_return_url(address)
    return address.removesuffix(CALLBACK).rstrip("/")


def checked_return_url(url: str) -> None:
    """Raises ConfigurationError for what is no whole https URL; http only to this machine."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or not url.isascii() or any(c <= " " or c in '\\"<>^`{|}' for c in url):
        raise ConfigurationError("The address to return to is not a URL.", advice="Give a whole one, with https://.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise ConfigurationError("The address to return to must begin with https://.")
    if "@" in parts.netloc or parts.fragment or len(url) > 1000:
        raise ConfigurationError("The address to return to holds a user or a fragment, or is too long.")


def hashed(token: str) -> str:
    """How a token is stored. It is random and long, so that a hash alone keeps it."""
    return hashlib.sha256(token.encode()).hexdigest()
