"""One grant in the state database: its lease, its secrets, its access tokens, its failures. Asks nothing of Intacct.

Every change of what a grant may do is a compare-and-set on the grant's version (DESIGN rule 4).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections import audit, ending, outbox, rows
from tieout.connections.vault import Vault
from tieout.errors import NotAuthorisedError, TieoutError, Whose
from tieout.rest.tokens import MARGIN, Token
from tieout.store import Store
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

LEASE = 15.0
"""Seconds for which a program may hold a grant's lease before it sends a refresh, which makes it longer; and for which
it may fetch a client-credentials token, of which two cost nothing."""
LEASE_MARGIN = 15.0
"""Seconds by which the lease of a refresh outlives the request's timeout: two would cost the grant (DESIGN rule 4)."""
LATE = 5.0
"""Seconds after which a lease that was made longer is too old to send under: its commit waited for other writes."""
ROOM = 16_384
"""Bytes taken in a SQLite file before a refresh is sent and given back with its answer, which then finds room in a file
that has become full meanwhile."""
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 300.0
"""Seconds without another try after a failure; doubled with each."""
PAUSE_SECRET = 3600.0
"""Seconds after a refusal of the application itself, which only a person can mend."""

Turn = Literal["taken", "busy", "resting"]


class Secrets(msgspec.Struct, frozen=True):
    """What a grant needs to ask for a token. The repr shows none of it."""

    kind: str
    client_id: str
    client_secret: str
    user: str
    company: str
    refresh_token: str | None
    previous_refresh_token: str | None
    version: int
    interrupted: bool
    """A refresh was sent and its answer is not stored."""

    def __repr__(self) -> str:
        return f"Secrets({self.kind}, {self.user}@{self.company})"


class GrantRow:
    """One grant of a state database."""

    def __init__(self, store: Store, vault: Vault, id: str, *, now: Callable[[], float]) -> None:
        self.store, self.vault, self.id, self.now = store, vault, id, now

    def token(self, level: str, *, living_at: float | None = None) -> Token | None:
        """The stored access token of a level, expired or not. One that is over at the moment `living_at` is left
        sealed: None."""
        from tieout.connections import grant_statements as statements

        with self.store.read() as connection:
            row = connection.execute(statements.TOKEN, {"grant": self.id, "level": level}).first()
        return _token(self.vault, self.id, level, row, living_at)

    def read(self, level: str) -> Reading:
        """All that asking for a token of a level needs, from one transaction, still sealed.

        Raises NotAuthorisedError where the grant was removed."""
        from tieout.connections import grant_statements as statements

        with self.store.read() as connection:
            row = connection.execute(statements.READ, {"grant": self.id}).first()
            if row is None:
                raise removed()
            token = connection.execute(statements.TOKEN, {"grant": self.id, "level": level}).first()
            sealed = [row.client_secret_sealed, row.app_secret_sealed, row.refresh_token_sealed]
            sealed += [row.previous_refresh_token_sealed, token.access_token_sealed if token else None]
            vault = self.vault.as_seen(connection, row.owner, *sealed)
        return Reading(vault, self.id, level, row, token)

    def take_lease(self, holder: str) -> Turn:
        """Try to become the one who asks for tokens. `resting`: nobody may ask now; `why_not` says why.

        Raises NotAuthorisedError where the grant was removed."""
        from tieout.connections import grant_statements as statements

        def take(connection: Transaction) -> Turn:
            now = self.store.clock(connection)
            values = {"lease_holder": holder, "lease_until": now + LEASE}
            taken = connection.execute(statements.LEASE, {"grant": self.id, "now": now, **values})
            if taken.rowcount == 1:
                return "taken"
            row = connection.execute(statements.WHOLE, {"grant": self.id}).first()
            if row is None:
                raise removed()
            leased = row.lease_until is not None and row.lease_until >= now
            return "busy" if leased and row.state == "active" else "resting" if rests(row, now) else "busy"

        return self.store.write(take)

    def drop_lease(self, holder: str) -> None:
        from tieout.connections import grant_statements as statements

        with self.store.begin() as connection:
            values = {"lease_holder": None, "lease_until": None}
            connection.execute(statements.HELD, {"grant": self.id, "holder": holder, **values})

    def mark_sent(self, holder: str, version: int, timeout: float) -> bool:
        """Say that a refresh goes out now, with a lease that outlives its timeout; whether it may go out.

        Raises StoreError where the database has no room for the answer: then nothing may be sent."""
        from tieout.connections import grant_statements as statements

        began = 0.0

        def mark(connection: Transaction) -> bool:
            nonlocal began
            began, now = time.monotonic(), self.store.clock(connection)
            room = bytes(ROOM) if self.store.dialect == "sqlite" else None
            values = {"sent_at": now, "lease_until": now + timeout + LEASE_MARGIN, "room": room}
            ours = {"grant": self.id, "holder": holder, "as_read": version}
            return connection.execute(statements.SENT, ours | values).rowcount == 1

        while self.store.write(mark):
            if time.monotonic() - began < LATE:
                return True
        return False

    def secrets(self) -> Secrets:
        """Raises NotAuthorisedError where the grant was removed, ConfigurationError where the key is missing."""
        return self.read("").secrets()

    def keep(self, level: str, token: Token, version: int, *, used: str = "", new: str | None = None) -> bool:
        """Store a token, and where a refresh token was `used` the `new` one that came; the lease is over with it.

        False where the grant has moved on since `version`: then nothing is stored."""
        from tieout.connections import grant_statements as statements

        def store(connection: Transaction) -> bool:
            owner = connection.execute(statements.OWNER, {"grant": self.id}).scalar()
            if owner is None:
                return False
            vault = self.vault.as_seen(connection, owner)
            values: dict[str, object] = {}
            if used and new and new != used:
                sealed = {"refresh_token": new, "previous_refresh_token": used}
                values = {
                    f"{name}_sealed": vault.encrypt(value.encode(), grant_context(self.id, name), owner)
                    for name, value in sealed.items()
                }
            if used:
                values |= {"version": version + 1, "sent_at": None}
            if not self._change(connection, version, values | _WORKS | {"last_used": self.now()}):
                return False
            keep_token(self.store, vault, connection, self.id, level, token, self.now(), owner)
            self._tell(connection, "refreshed" if used else "fetched", {"level": level}, owner)
            reached("refresh.commit")
            return True

        return self.store.write(store)

    def keep_failure(self, error: TieoutError, version: int, *, unanswered: bool) -> None:
        """Nobody asks again for a while. `unanswered`: a refresh may have been done all the same."""
        refused = _code(error)
        app = ending.is_client_error(error)
        with self.store.begin() as connection:
            row = self._locked(connection)
            if row is None:
                return
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(row.failures, 10))
            values: dict[str, object] = {
                "failures": row.failures + 1,
                "error": refused,
                "retry_after": self.store.clock(connection) + (PAUSE_SECRET if app and not unanswered else pause),
                "lease_holder": None,
                "lease_until": None,
                "room": None,
            }
            if not unanswered:
                values["sent_at"] = None
            if app and row.kind == "authorization_code":
                values |= {"state": "doubt", "reason": "secret"}
            elif app:
                values["retry_after"] = self.store.clock(connection) + pause
            if self._change(connection, version, values):
                self._tell(connection, "failed", {"error": refused or type(error).__name__}, row.owner)

    def end(self, error: TieoutError, version: int, *, interrupted: bool) -> bool:
        """The refresh token is refused for good. False where the grant has moved on since `version`.

        After an `interrupted` refresh that nothing else explains, the grant is in doubt: the answer that was lost may
        come yet, with a program that was slow."""
        with self.store.begin() as connection:
            row = self._locked(connection)
            if row is None or row.version != version:
                return False
            found = ending.cause(connection, row, self.now())
            reason = "interrupted" if interrupted and found.reason in ("refused", "expired") else found.reason
            state = "doubt" if reason == "interrupted" else "dead"
            values: dict[str, object] = {
                "state": state,
                "reason": reason,
                "superseded_by": found.superseded_by,
                "error": _code(error),
                "died_at": rows.text_of(self.now()),
                "sent_at": None,
                "lease_holder": None,
                "lease_until": None,
                "room": None,
            }
            self._change(connection, version, values)
            self._tell(connection, "died" if state == "dead" else "doubted", {"reason": reason}, row.owner)
            outbox.tell_of_death(self.store, connection, self.id, reason)
        return True

    def knows(self, level: str) -> bool:
        """Whether Intacct has given a token of this level over this grant."""
        from tieout.connections import grant_statements as statements

        with self.store.read() as connection:
            row = connection.execute(statements.TOKEN_VERSION, {"grant": self.id, "level": level}).first()
        return row is not None

    def keep_level_refused(self, error: TieoutError, level: str, secrets: Secrets) -> TieoutError:
        """Intacct refused a token of an entity that never had one: that says nothing of the grant, which goes on.

        Whether an `interrupted` refresh had used the refresh token up stays to be seen at another level."""
        with self.store.begin() as connection:
            values: dict[str, object] = {"lease_holder": None, "lease_until": None}
            if not secrets.interrupted:
                values["sent_at"] = None
            if self._change(connection, secrets.version, values):
                owner = self._locked(connection).owner
                self._tell(connection, "failed", {"error": _code(error), "level": level}, owner)
        return NotAuthorisedError(
            f"Intacct gave {secrets.user}@{secrets.company} no token of entity {level!r} ({_code(error)}).",
            advice="Check the entity's id, and whether the user may enter it: in Sage under Company > Admin > Users > "
            "the user > User entities.",
            whose=Whose.ADMINISTRATOR,
        )

    def why_not(self) -> TieoutError:
        """Why there is no new token now."""
        from tieout.connections import grant_statements as statements

        with self.store.read() as connection:
            row = connection.execute(statements.WHOLE, {"grant": self.id}).first()
            if row is None:
                return removed()
            return ending.explained(connection, row, self.store.clock(connection))

    def _change(self, connection: Transaction, version: int, values: dict[str, object]) -> bool:
        from tieout.connections import grant_statements as statements

        as_read = {"grant": self.id, "as_read": version}
        return connection.execute(statements.CHANGE, as_read | values).rowcount == 1

    def _tell(self, connection: Transaction, what: str, facts: dict[str, object], owner: str) -> None:
        audit.append(self.store, connection, what, owner=owner, subjects={"grant": self.id}, facts=facts)

    def _locked(self, connection: Transaction) -> Any:
        from tieout.connections import grant_statements as statements

        return connection.execute(statements.LOCKED, {"grant": self.id}).first()

    def __repr__(self) -> str:
        return f"GrantRow({self.id!r})"


class Reading:
    """What one transaction found of a grant and its token at a level. Opens what it is asked for, with the keys that
    were there: not to be kept."""

    def __init__(self, vault: Vault, grant_id: str, level: str, row: Any, token: Any) -> None:
        self._vault, self._id, self._level, self._row, self._token = vault, grant_id, level, row, token
        self.kind = str(row.kind)

    def token(self, *, living_at: float | None = None) -> Token | None:
        """As GrantRow.token."""
        return _token(self._vault, self._id, self._level, self._token, living_at)

    def secrets(self) -> Secrets:
        """Raises ConfigurationError where the key is missing, StoreError where a service that holds it is away."""
        row = self._row
        self._vault.prepare(row.owner)  # what comes back has to be stored, whatever becomes of the master key
        if row.app_id is None:
            client_id, client_secret = row.client_id, self._opened("client_secret")
        else:
            client_id, sealed = row.app_client_id, row.app_secret_sealed
            context = app_context(row.app_id, "client_secret")
            client_secret = self._vault.decrypt(sealed, context).decode() if sealed else ""
        return Secrets(
            kind=row.kind,
            client_id=client_id,
            client_secret=client_secret or "",
            user=row.user_id,
            company=row.company,
            refresh_token=self._opened("refresh_token"),
            previous_refresh_token=self._opened("previous_refresh_token"),
            version=row.version,
            interrupted=row.sent_at is not None,
        )

    def _opened(self, field: str) -> str | None:
        sealed = getattr(self._row, f"{field}_sealed")
        return self._vault.decrypt(sealed, grant_context(self._id, field)).decode() if sealed else None

    def __repr__(self) -> str:
        return f"Reading({self._id!r})"


_WORKS: dict[str, object] = {
    "state": "active",
    "reason": "",
    "error": "",
    "died_at": None,
    "superseded_by": None,
    "failures": 0,
    "retry_after": None,
    "lease_holder": None,
    "lease_until": None,
    "room": None,
}
"""What a grant is that has just given a token."""


def _token(vault: Vault, grant_id: str, level: str, row: Any, living_at: float | None) -> Token | None:
    if row is None or (living_at is not None and row.expires_at <= living_at):
        return None
    value = vault.decrypt(row.access_token_sealed, token_context(grant_id, level)).decode()
    life = row.expires_at - row.minted_at if row.minted_at is not None else 10 * MARGIN
    return Token(value, row.expires_at, min(MARGIN, life / 10))


def _code(error: TieoutError) -> str:
    return str(getattr(error, "error_id", "") or getattr(error, "code", ""))[:255]


def rests(row: Any, now: float) -> bool:
    """Whether nobody may ask for a token over this grant now: it has ended, is in doubt, or something went wrong."""
    asked_again = row.state == "active" or row.reason == "secret"
    return not asked_again or (row.retry_after is not None and row.retry_after > now)


def keep_token(
    store: Store,
    vault: Vault,
    connection: Transaction,
    grant_id: str,
    level: str,
    token: Token,
    now: float,
    owner: str = rows.DEFAULT_OWNER,
) -> None:
    """Store the access token of an owner's grant in a transaction, in place of the one before."""
    from tieout.connections import grant_statements as statements
    from tieout.store.access_tables import tokens

    version = connection.execute(statements.TOKEN_LOCKED, {"grant": grant_id, "level": level}).scalar()
    row: dict[str, object] = {
        "grant_id": grant_id,
        "level": level,
        "access_token_sealed": vault.encrypt(token.value.encode(), token_context(grant_id, level), owner),
        "expires_at": token.expires_at,
        "minted_at": now,
        "version": (version or 0) + 1,
    }
    store.upsert(connection, tokens, row)


def grant_context(grant_id: str, field: str) -> str:
    """What binds a grant's secret to its row and column."""
    return f"grants/{grant_id}/{field}"


def app_context(app_id: str, field: str) -> str:
    """What binds an app's secret to its row and column."""
    return f"apps/{app_id}/{field}"


def token_context(grant_id: str, level: str) -> str:
    """What binds an access token to its row."""
    return f"tokens/{grant_id}/{level}/access_token"


def removed() -> NotAuthorisedError:
    return NotAuthorisedError("This connection was removed from the state database.", advice="Connect again.")
