"""OAuth applications as registered in Sage's developer console: drafted, submitted, approved. Asks nothing of Sage.

What the console takes and keeps is checked here first: whole https redirect URIs, origins without a path, a scope
that never changes, at most five production keys for a sender id (REST reference 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from tieout.connections import audit, rows
from tieout.connections.discreet import discreet
from tieout.connections.grants import app_context
from tieout.connections.settings import SIMULATOR_CLIENT, SIMULATOR_SENDER
from tieout.connections.vault import Vault
from tieout.errors import BusyError, CheckError, ConfigurationError, Problem, UnknownNameError
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

Scope = Literal["production", "non-production"]
SCOPES = ("production", "non-production")
PRODUCTION_KEYS = 5
"""Production applications that one sender id may have."""
LOOPBACK_REDIRECT = "https://127.0.0.1:8766/callback"
"""The redirect URI of this machine, to be registered as it stands: Sage compares to the letter (REST reference 1.2)."""


class App(msgspec.Struct, frozen=True, kw_only=True):
    """An application. Holds no secret; `has_secret` and `has_sender_password` say which are kept."""

    id: str
    name: str
    terms_url: str
    client_id: str | None
    sender_id: str
    redirect_uris: tuple[str, ...]
    origins: tuple[str, ...]
    scope: Scope | None
    state: Literal["draft", "submitted", "approved"]
    has_secret: bool
    has_sender_password: bool


class Apps:
    """The applications of an installation."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault

    def all(self) -> list[App]:
        """All applications, by name."""
        from sqlalchemy import select

        from tieout.store.access_tables import apps

        with self._store.read() as transaction:
            return [_app(row) for row in transaction.execute(select(apps).order_by(apps.c.name))]

    def get(self, name: str) -> App:
        """The application called `name`. Raises UnknownNameError with the nearest names."""
        with self._store.read() as transaction:
            return _app(self._row(transaction, name))

    @discreet
    def draft(
        self,
        name: str,
        *,
        redirect_uris: Sequence[str] = (),
        origins: Sequence[str] = (),
        terms_url: str = "",
        sender_id: str = "",
        sender_password: str | None = None,
        scope: Scope | None = None,
    ) -> App:
        """A new application, or what is known of one so far. It can be changed until it is submitted.

        Raises CheckError naming every value that the console would refuse, ConfigurationError for a name in use."""
        from sqlalchemy import insert
        from sqlalchemy.exc import IntegrityError

        from tieout.store.access_tables import apps

        given = {"redirect_uris": redirect_uris, "origins": origins, "terms_url": terms_url, "scope": scope}
        _check(name, given)
        if sender_password and sender_id != SIMULATOR_SENDER:
            self._vault.keys.require_own()
        id = rows.new_id()
        row: dict[str, Any] = {"id": id, "name": name, "sender_id": sender_id, "state": "draft"}
        row |= {
            "created_at": rows.now_text(),
            "sender_password_sealed": self._sealed(id, "sender_password", sender_password),
            **_written(given),
        }
        try:
            with self._store.begin() as transaction:
                transaction.execute(insert(apps).values(row))
                self._tell(transaction, "app drafted", id)
        except IntegrityError:
            raise ConfigurationError(f"There is an application {name!r} already.", advice="Change that one.") from None
        return self.get(name)

    @discreet
    def change(
        self,
        name: str,
        *,
        redirect_uris: Sequence[str] | None = None,
        origins: Sequence[str] | None = None,
        terms_url: str | None = None,
        sender_id: str | None = None,
        sender_password: str | None = None,
        scope: Scope | None = None,
    ) -> App:
        """Change what is given. The scope can be set once: Sage never changes it (REST reference 1.2).

        Raises as `draft`, and ConfigurationError for another scope than the one set."""
        given = {"redirect_uris": redirect_uris, "origins": origins, "terms_url": terms_url, "scope": scope}
        given = {what: value for what, value in given.items() if value is not None}
        _check(name, given)
        if sender_password is not None:
            self._vault.prepare()
        with self._store.begin() as transaction:
            row = self._row(transaction, name)
            values = _written(given)
            if sender_id is not None:
                values["sender_id"] = sender_id
            if sender_password is not None:
                if values.get("sender_id", row.sender_id) != SIMULATOR_SENDER:
                    self._vault.keys.require_own()
                values["sender_password_sealed"] = self._sealed(row.id, "sender_password", sender_password)
            self._update(transaction, row, values)
            self._tell(transaction, "app changed", row.id)
        return self.get(name)

    def submit(self, name: str) -> App:
        """It was handed in. Raises CheckError naming what is missing, ConfigurationError where the sender id has five
        production keys already."""
        with self._store.begin() as transaction:
            row = self._row(transaction, name)
            if row.state != "draft":
                raise ConfigurationError(f"The application {name!r} was submitted already ({row.state}).")
            kept = {
                "terms_url": row.terms_url,
                "sender_id": row.sender_id,
                "scope": row.scope,
                "redirect_uris": msgspec.json.decode(row.redirect_uris),
            }
            missing = [Problem(path=what, reason="is missing") for what, value in kept.items() if not value]
            if missing:
                raise CheckError(f"The application {name!r}", missing, advice="It was not marked as submitted.")
            self._count_key(transaction, row)
            self._update(transaction, row, {"state": "submitted", "submitted_at": rows.now_text()})
            self._tell(transaction, "app submitted", row.id)
        return self.get(name)

    @discreet
    def approve(self, name: str, client_id: str, client_secret: str) -> App:
        """The approval mail came, with the client id; `client_secret` is the console's. Also for one that was
        registered before it was known here. Raises ConfigurationError for a client id that another one has."""
        if not client_id.strip() or not client_secret.strip():
            raise ConfigurationError("An approved application has a client id and a client secret.")
        self._require_key(client_id)
        with self._store.begin() as transaction:
            row = self._row(transaction, name)
            if row.client_id not in (None, client_id):
                raise ConfigurationError(
                    f"The application {name!r} has another client id, {row.client_id}.",
                    advice="An application keeps its client id: draft a new one for this.",
                )
            if row.scope is None:
                raise CheckError(f"The application {name!r}", [Problem(path="scope", reason="is missing")])
            if row.state == "draft":
                self._count_key(transaction, row)
            values = {"state": "approved", "client_id": client_id, "approved_at": row.approved_at or rows.now_text()}
            self._update(transaction, row, values)
        return self.set_secret(name, client_secret)

    @discreet
    def set_secret(self, name: str, client_secret: str) -> App:
        """Another client secret. Grants that were refused for the old one go on."""
        from sqlalchemy import update

        from tieout.store.access_tables import grants

        self._vault.prepare()
        with self._store.begin() as transaction:
            row = self._row(transaction, name)
            self._require_key(row.client_id)
            self._update(
                transaction, row, {"client_secret_sealed": self._sealed(row.id, "client_secret", client_secret)}
            )
            waiting = {"state": "active", "reason": "", "error": "", "retry_after": None, "failures": 0}
            transaction.execute(
                update(grants)
                .where(grants.c.app_id == row.id, grants.c.reason.in_(["secret", ""]), grants.c.state != "dead")
                .values(waiting)
            )
            self._tell(transaction, "app secret set", row.id)
        return self.get(name)

    def credentials(self, name: str) -> tuple[str, str]:
        """Client id and client secret, for the token endpoint; the log says that they were read, and by whom. A
        refresh, which is logged as such, does not ask here. Raises ConfigurationError where the approval has not come
        yet."""
        with self._store.read() as transaction:
            row = self._row(transaction, name)
        if row.client_id is None or row.client_secret_sealed is None:
            raise ConfigurationError(
                f"The application {name!r} has no client id and secret yet ({row.state}).",
                advice="They come with Sage's approval mail and from the developer console.",
            )
        secret = self._vault.decrypt(row.client_secret_sealed, app_context(row.id, "client_secret"))
        with self._store.begin() as transaction:
            self._tell(transaction, "secret read", row.id)
        return row.client_id, secret.decode()

    def remove(self, name: str) -> App:
        """Forget an application. Raises BusyError while a grant is of it."""
        from sqlalchemy import delete, select

        from tieout.store.access_tables import apps, authorizations, grants

        with self._store.begin() as transaction:
            row = self._row(transaction, name)
            if transaction.execute(select(grants.c.id).where(grants.c.app_id == row.id).limit(1)).first():
                raise BusyError(
                    f"Connections were made with the application {name!r}.", advice="Remove or move them first."
                )
            transaction.execute(delete(authorizations).where(authorizations.c.app_id == row.id))
            transaction.execute(delete(apps).where(apps.c.id == row.id))
            self._tell(transaction, "app removed", row.id)
        return _app(row)

    def production_keys(self, sender_id: str) -> int:
        """How many production applications of a sender id were submitted or approved; Sage allows five."""
        with self._store.read() as transaction:
            return _production_keys(transaction, sender_id)

    def _count_key(self, transaction: Transaction, row: Any) -> None:
        if row.scope != "production" or not row.sender_id:
            return
        if self._store.dialect == "postgresql":
            transaction.exec_driver_sql("lock table apps in share row exclusive mode")  # two must not be the fifth
        if _production_keys(transaction, row.sender_id) >= PRODUCTION_KEYS:
            raise ConfigurationError(
                f"The sender id {row.sender_id!r} has {PRODUCTION_KEYS} production applications: Sage gives no more.",
                advice="Use one of them for more companies, or another sender id.",
            )

    def _row(self, transaction: Transaction, name: str) -> Any:
        from sqlalchemy import select

        from tieout.store.access_tables import apps

        row = transaction.execute(select(apps).where(apps.c.name == name).with_for_update()).first()
        if row is None:
            from tieout.catalogue import nearest

            known = list(transaction.execute(select(apps.c.name)).scalars())
            advice = f"There are: {', '.join(sorted(known))}." if known else "There is none yet."
            raise UnknownNameError("application", name, nearest=nearest(name, known), advice=advice)
        return row

    def _update(self, transaction: Transaction, row: Any, values: Mapping[str, Any]) -> None:
        from sqlalchemy import or_, update
        from sqlalchemy.exc import IntegrityError

        from tieout.store.access_tables import apps

        wanted = [apps.c.id == row.id]
        if scope := values.get("scope"):
            wanted.append(or_(apps.c.scope.is_(None), apps.c.scope == scope))
        try:
            changed = transaction.execute(update(apps).where(*wanted).values(dict(values)))
        except IntegrityError:
            raise ConfigurationError("Another application has this client id.") from None
        if changed.rowcount != 1:
            raise ConfigurationError(
                f"The scope of the application {row.name!r} is {row.scope} and cannot be changed.",
                advice="Sage sets it for good when the client is made: register another application.",
            )

    def _require_key(self, client_id: str | None) -> None:
        """A secret of Sage's is kept under a key of the user's own."""
        if client_id != SIMULATOR_CLIENT[0]:
            self._vault.keys.require_own()

    def _sealed(self, id: str, field: str, secret: str | None) -> bytes | None:
        return self._vault.encrypt(secret.encode(), app_context(id, field)) if secret else None

    def _tell(self, transaction: Transaction, what: str, id: str) -> None:
        audit.append(self._store, transaction, what, owner=rows.DEFAULT_OWNER, subjects={"app": id})


def _production_keys(transaction: Transaction, sender_id: str) -> int:
    from sqlalchemy import func, select

    from tieout.store.access_tables import apps

    wanted = (apps.c.sender_id == sender_id, apps.c.scope == "production", apps.c.state != "draft")
    return int(transaction.execute(select(func.count()).select_from(apps).where(*wanted)).scalar_one())


def _app(row: Any) -> App:
    return App(
        id=row.id,
        name=row.name,
        terms_url=row.terms_url,
        client_id=row.client_id,
        sender_id=row.sender_id,
        redirect_uris=tuple(msgspec.json.decode(row.redirect_uris)),
        origins=tuple(msgspec.json.decode(row.origins)),
        scope=row.scope,
        state=row.state,
        has_secret=row.client_secret_sealed is not None,
        has_sender_password=row.sender_password_sealed is not None,
    )


def _written(given: Mapping[str, Any]) -> dict[str, Any]:
    lists = ("redirect_uris", "origins")
    return {
        name: msgspec.json.encode(list(value)).decode() if name in lists else value for name, value in given.items()
    }


def _check(name: str, given: Mapping[str, Any]) -> None:
    problems = [] if name.strip() else [Problem(path="name", reason="must not be blank")]
    for what, judge in (("redirect_uris", _redirect_fault), ("origins", _origin_fault)):
        value = given.get(what) or ()
        urls = [value] if isinstance(value, str) else value
        problems += [Problem(path=what, reason=fault, value=url[:100]) for url in urls if (fault := judge(url))]
    terms = given.get("terms_url")
    if terms and (fault := _fault(terms)):
        problems.append(Problem(path="terms_url", reason=fault, value=terms[:100]))
    scope = given.get("scope")
    if scope is not None and scope not in SCOPES:
        problems.append(Problem(path="scope", reason=f"is {' or '.join(SCOPES)}", value=str(scope)))
    if problems:
        raise CheckError(f"The application {name!r}", problems, advice="Nothing was stored.")


def _redirect_fault(url: str) -> str:
    """What is wrong with a redirect URI: it must be whole, and equal the registered one to the letter (REST reference
    1.2). Sage takes no `localhost`; 127.0.0.1 works."""
    if fault := _fault(url):
        return fault
    parts = urlsplit(url)
    if not parts.path:
        return "needs a path, `/callback` for example: it is compared to the letter"
    if parts.hostname == "localhost":
        return "cannot be `localhost`: use 127.0.0.1"
    if "*" in url:
        return "cannot hold a wildcard"
    return "cannot hold a query" if parts.query else ""


def _origin_fault(url: str) -> str:
    if fault := _fault(url):
        return fault
    parts = urlsplit(url)
    if parts.path or parts.query:
        return "is a scheme and a host only, without a path"
    return "cannot hold a wildcard" if "*" in url else ""


def _fault(url: str) -> str:
    parts = _split(url)
    if parts is None or not parts.hostname or any(character.isspace() or ord(character) < 32 for character in url):
        return "is not a whole URL such as https://example.com/callback"
    if parts.scheme != "https":
        return "must begin with https://"
    if "@" in parts.netloc:
        return "cannot hold a user or password"
    return "cannot hold a fragment (#)" if "#" in url else ""


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
