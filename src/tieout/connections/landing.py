"""Puts what a sign-in gave where it belongs: the credentials of client credentials, or the answer to a code.

Decides whose grant it is (DESIGN rule 3), writes grant, token, connection and audit row in one transaction, and asks
nothing of Intacct. It never revokes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections import audit, outbox, rows
from tieout.connections.grants import grant_context, keep_token
from tieout.connections.rows import Connection
from tieout.connections.vault import Vault
from tieout.errors import ConfigurationError, NotAuthorisedError
from tieout.rest.tokens import Token
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction


Mismatch = Literal["wrong_company", "other_owner", "wrong_user"]


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in gave. The repr shows no secret."""

    kind: str
    """client_credentials, authorization_code."""
    environment: str
    company: str
    user: str
    base_url: str
    client_id: str
    token: Token
    level: str = ""
    """Of the token."""
    client_secret: str | None = None
    """None where the application is registered here: `app_id`."""
    app_id: str | None = None
    refresh_token: str | None = None
    top_level: bool | None = None
    """Whether the user has one; None: not known."""
    proven: bool = True
    """Whether Intacct said who signed in. Else somebody said so, who may have named the user of another owner."""

    def __repr__(self) -> str:
        return f"SignIn({self.kind}, {self.user}@{self.company})"


class Promise(msgspec.Struct, frozen=True):
    """What was said before the browser opened; '' where nothing was."""

    user: str = ""
    company: str = ""
    entity: str | None = None
    """To work in; None: what the connection says."""


class Landed(msgspec.Struct, frozen=True):
    """What became of a sign-in by browser."""

    connection: Connection
    """As it is now. `state` is `unconnected` where somebody else signed in than was promised, and `why` says so."""
    user: str
    company: str
    """Who signed in, and where."""
    also: tuple[str, ...] = ()
    """The owner's other connections that go on with this sign-in: they borrow the same grant."""
    reason: Mismatch | Literal[""] = ""
    """Why it did not connect; `connection.why` says it in words."""


def keep_grant(
    store: Store, vault: Vault, transaction: Transaction, sign_in: SignIn, owner: str, now: float, *, meant: bool = True
) -> tuple[str, str]:
    """Store a sign-in with the one grant of its user -> (id, owner) of that grant, which may be another owner's.

    A dead grant of the same user and owner lives again, with all that borrow it. A living one by client credentials
    loses nothing by a sign-in. It is left as it is where it is another owner's, and where this user was not `meant`:
    unattended work must not hang on a refresh token because somebody mistook the user. Another owner's is left as it
    is, too, where nothing but words says that this is its user: else whoever names that user would put tokens of a
    company of theirs under the other owner's work."""
    from sqlalchemy import delete, insert, update

    from tieout.store.access_tables import grants, tokens

    found = rows.living_grant(transaction, sign_in.environment, sign_in.company, sign_in.user, sign_in.base_url)
    if found is not None and found.kind == "client_credentials" and not meant:
        return found.id, found.owner
    found = found or _dead_grant(transaction, sign_in, owner)
    if found is not None and found.owner != owner and (found.kind == "client_credentials" or not sign_in.proven):
        return found.id, found.owner
    _refuse_another_address(found, sign_in, owner)
    grant_id: str = found.id if found else rows.new_id()
    whose: str = found.owner if found else owner
    rows.keep_owner(transaction, whose)
    values = _values(vault, grant_id, sign_in, now, whose) | {"version": found.version + 1 if found else 1}
    if found:
        if sign_in.top_level is None:
            values.pop("top_level")
        transaction.execute(update(grants).where(grants.c.id == grant_id).values(values))
        if (found.kind, sign_in.kind) != ("client_credentials", "client_credentials"):
            transaction.execute(delete(tokens).where(tokens.c.grant_id == grant_id))
    else:
        key = rows.identity(sign_in.environment, sign_in.company, sign_in.user, sign_in.base_url)
        first = {"id": grant_id, "owner": whose, "company": sign_in.company, "base_url": sign_in.base_url}
        transaction.execute(insert(grants).values(key | values | first))
    keep_token(store, vault, transaction, grant_id, sign_in.level, sign_in.token, now, whose)
    return grant_id, whose


def _values(vault: Vault, grant_id: str, sign_in: SignIn, now: float, owner: str) -> dict[str, Any]:
    def sealed(secret: str | None, field: str) -> bytes | None:
        return vault.encrypt(secret.encode(), grant_context(grant_id, field), owner) if secret else None

    return {
        "app_id": sign_in.app_id,
        "kind": sign_in.kind,
        "client_id": sign_in.client_id,
        "client_secret_sealed": sealed(sign_in.client_secret, "client_secret"),
        "refresh_token_sealed": sealed(sign_in.refresh_token, "refresh_token"),
        "previous_refresh_token_sealed": None,
        "top_level": sign_in.top_level,
        "state": "active",
        "reason": "",
        "error": "",
        "died_at": None,
        "superseded_by": None,
        "granted_at": rows.text_of(now),
        "last_used": now,
        "sent_at": None,
        "failures": 0,
        "retry_after": None,
        "lease_holder": None,
        "lease_until": None,
        "room": None,
    }


def _dead_grant(transaction: Transaction, sign_in: SignIn, owner: str) -> Any:
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    key = rows.identity(sign_in.environment, sign_in.company, sign_in.user, sign_in.base_url)
    query = select(grants).filter_by(**key, owner=owner, state="dead").order_by(grants.c.granted_at.desc()).limit(1)
    return transaction.execute(query.with_for_update()).first()


def _refuse_another_address(found: Any, sign_in: SignIn, owner: str) -> None:
    """A token goes to the address it came from only. Another owner's address is not told."""
    if found is not None and found.base_url != sign_in.base_url and found.owner != owner:
        raise ConfigurationError(
            f"{sign_in.user}@{sign_in.company} already works for another account here.",
            advice="Sign in as another Sage user.",
        )
    if found is not None and found.base_url != sign_in.base_url:
        raise ConfigurationError(
            f"{sign_in.user}@{sign_in.company} is connected at another address, {found.base_url}.",
            advice="Use that address here too, or another Sage user.",
        )


def land(
    store: Store,
    vault: Vault,
    connection: Connection,
    sign_in: SignIn,
    promised: Promise,
    now: float,
) -> Landed:
    """Store a sign-in by browser with its user's grant, and connect `connection` if it is the one that was meant.

    Raises ConfigurationError where the user is connected at another address, NotAuthorisedError where the connection
    was removed meanwhile: then nothing is kept but what the user's other connections go on with."""
    with store.read() as transaction:
        there = rows.find(transaction, connection.owner, id=connection.id) is not None
    if there:  # an owner who was let go meanwhile does not come back for a key
        vault.prepare(connection.owner)
    with store.begin() as transaction:
        # As it is now: while the code was redeemed another sign-in may have landed, in another company.
        if (now_is := rows.find_locked(transaction, connection)) is not None:
            return _land(store, vault, transaction, now_is, sign_in, promised, now)
        _keep_for_others(store, vault, transaction, sign_in, connection.owner, now)
    raise NotAuthorisedError(
        "The connection was removed while somebody signed in for it.", advice="Nothing was connected. Begin again."
    )


def _land(
    store: Store,
    vault: Vault,
    transaction: Transaction,
    connection: Connection,
    sign_in: SignIn,
    promised: Promise,
    now: float,
) -> Landed:
    meant = not _why_not(connection, sign_in, promised, connection.owner)[0]
    grant_id, grant_owner = keep_grant(store, vault, transaction, sign_in, connection.owner, now, meant=meant)
    reason, why = _why_not(connection, sign_in, promised, grant_owner)
    new = (
        msgspec.structs.replace(connection, why=why)
        if reason
        else _connected(connection, sign_in, grant_id, promised.entity)
    )
    rows.keep(transaction, new, new=False)
    if not reason and connection.grant_id not in ("", grant_id):
        rows.drop_unused_grant(transaction, connection.grant_id)
    _tell(store, transaction, connection, sign_in, (grant_id, grant_owner), reason)
    now_is = rows.find(transaction, connection.owner, id=connection.id) or new
    outbox.tell_of_landing(store, transaction, now_is, reason)
    others = rows.borrowers(transaction, grant_id) if grant_owner == connection.owner else []
    also = tuple(other.name for other in others if other.id != connection.id)
    shown = msgspec.structs.replace(now_is, why=why or now_is.why)
    return Landed(shown, sign_in.user, sign_in.company, also, reason)


def _keep_for_others(
    store: Store, vault: Vault, transaction: Transaction, sign_in: SignIn, owner: str, now: float
) -> None:
    """Nobody waits for this sign-in any more; what it ended, other connections of the user need."""
    whose = (sign_in.environment, sign_in.company, sign_in.user, sign_in.base_url)
    if rows.living_grant(transaction, *whose) is None:
        return
    _tell_elsewhere(store, transaction, sign_in, keep_grant(store, vault, transaction, sign_in, owner, now))


def _tell(
    store: Store,
    transaction: Transaction,
    connection: Connection,
    sign_in: SignIn,
    grant: tuple[str, str],
    reason: str,
) -> None:
    """Write down what became of a sign-in. An owner whose Sage user signed in for somebody else learns that it did,
    not for whom; who signed in learns nothing of that owner."""
    grant_id, grant_owner = grant
    own = grant_owner == connection.owner
    audit.append(
        store,
        transaction,
        "misdirected" if reason else "connected",
        owner=connection.owner,
        actor=sign_in.user,
        subjects={"connection": connection.id} | ({"grant": grant_id} if own else {}),
        facts={"kind": sign_in.kind, "company": sign_in.company}
        | ({"reason": reason} if reason else {})
        | ({} if sign_in.proven else {"proven": False}),  # only somebody's word says whose sign-in it is
    )
    if not own:
        _tell_elsewhere(store, transaction, sign_in, grant)


def _tell_elsewhere(store: Store, transaction: Transaction, sign_in: SignIn, grant: tuple[str, str]) -> None:
    grant_id, grant_owner = grant
    audit.append(
        store,
        transaction,
        "signed in elsewhere",
        owner=grant_owner,
        actor=sign_in.user,
        subjects={"grant": grant_id},
        facts={"company": sign_in.company},
    )


def _connected(connection: Connection, sign_in: SignIn, grant_id: str, wanted: str | None) -> Connection:
    entity = (connection.entity if wanted is None else wanted) or sign_in.level or None
    return msgspec.structs.replace(
        connection,
        company=rows.spelt(connection, sign_in.company),
        user=sign_in.user,
        entity=entity,
        level=(entity or "") if sign_in.top_level is False else "",
        grant_id=grant_id,
        kind=sign_in.kind,
        state="connected",
        why="",
    )


def _why_not(
    connection: Connection, sign_in: SignIn, promised: Promise, grant_owner: str
) -> tuple[Mismatch | Literal[""], str]:
    """Why a sign-in does not connect this connection, as a word and in a sentence; both '' where it does."""
    who = f"{sign_in.user}@{sign_in.company}"
    company = connection.company or promised.company
    if company and company.casefold() != sign_in.company.casefold():
        belongs = (
            ": what was pulled and posted over it belongs there." if connection.company else f"; {company} was meant."
        )
        said = f"{who} signed in, but this connection is to {company}" if connection.company else f"{who} signed in"
        return "wrong_company", said + belongs
    if grant_owner != connection.owner:
        return "other_owner", f"{who} already works for another account here; sign in as another Sage user."
    user = promised.user or connection.user
    if user and user != sign_in.user:
        return "wrong_user", (
            f"{sign_in.user} signed in, but {user} was meant. What works as {sign_in.user} goes on; sign in as {user}, "
            f"or connect the user {sign_in.user} under another name."
        )
    return "", ""
