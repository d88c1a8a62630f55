"""Ends a connection's sign-in at Intacct, and says first what else ends with it.

Tokens of one Sage user in one company are one pool: revoking one revokes all of them (REST reference 1.7). So a revoke
is never sent where the pool serves another owner too.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections import audit, outbox, rows
from tieout.connections.discreet import discreet
from tieout.connections.ending import is_client_error
from tieout.connections.grants import GrantRow, Secrets
from tieout.connections.rows import Connection
from tieout.connections.vault import Vault
from tieout.errors import (
    BusyError,
    ConfigurationError,
    IntacctError,
    OutcomeUnknownError,
    ServerError,
    TieoutError,
    Whose,
)
from tieout.rest import ClientCredentials, CountingMeter, Session, Transport
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.rest.perform import perform
from tieout.rest.tokens import revoke_call
from tieout.rest.transport import HttpTransport
from tieout.store import Store
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

TIMEOUT = 15.0
DEADLINE = 45.0
"""Seconds for one try of a revoke, and for all tries of one token."""
LEASE = 240.0
"""Seconds for which no refresh begins: longer than all tokens of a grant take."""
PATIENCE = 20.0
"""Seconds to wait for a refresh that is under way."""
_POLL = 0.05
_OVER = frozenset({"invalid_grant", "invalid_token"})
"""How a token that has ended already may be refused; the usual answer is 200 (RFC 7009)."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """What a revoke ends, or has ended: names of the owner's connections."""

    name: str
    user: str
    company: str
    ends: tuple[str, ...]
    """Work no more until somebody connects them again."""
    renews: tuple[str, ...] = ()
    """By client credentials of the same user under another label: their tokens end, and new ones are taken silently."""
    confirm: str = ""
    """What `confirm=` takes, so that exactly this is ended."""
    done: bool = False


def preview(store: Store, connection: Connection) -> Revocation:
    """What a revoke of `connection` would end. Sends nothing.

    Raises ConfigurationError where it would end something of another owner."""
    with store.read() as transaction:
        return _preview(transaction, connection, _pool(transaction, connection))


@discreet
def revoke(
    store: Store,
    vault: Vault,
    connection: Connection,
    wanted: Revocation,
    transport: Transport | None,
    now: Callable[[], float],
) -> Revocation:
    """End what `wanted`, a preview, says. Blocks, and waits for a refresh that is under way.

    Raises BusyError where the grant is in use for too long, was signed in anew meanwhile, or more would end than
    `wanted` says, ConfigurationError where that is another owner's; IntacctError where Intacct
    refuses, OutcomeUnknownError where it does not answer: then the revoke may be done or not, and may be repeated."""
    grant = GrantRow(store, vault, connection.grant_id, now=now)
    holder = rows.new_id()
    _take(grant, holder)
    try:
        secrets = grant.secrets()
        with store.begin() as transaction:
            if _preview(transaction, connection, _pool(transaction, connection)).confirm != wanted.confirm:
                raise BusyError(
                    "What this revoke would end has changed while it waited.", advice="Nothing was revoked: look again."
                )
            _tell(store, transaction, "revoke begun", connection.owner, grant.id, {})
        reached("revoke.begun")
        _send(grant, secrets, _living_tokens(store, grant), connection, transport)
        reached("revoke.answered")
        _end(store, connection, secrets.version, now())
    finally:
        grant.drop_lease(holder)
    return msgspec.structs.replace(wanted, confirm="", done=True)


def _pool(transaction: Transaction, connection: Connection) -> list[Any]:
    """The grants whose tokens Intacct ends together: of the same user, company and place, under any label."""
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    key = rows.identity(connection.environment, connection.company, connection.user, connection.base_url)
    key.pop("environment")
    query = select(grants).filter_by(**key).where((grants.c.state != "dead") | (grants.c.id == connection.grant_id))
    return list(transaction.execute(query.order_by(grants.c.id)))


def _preview(transaction: Transaction, connection: Connection, pool: list[Any]) -> Revocation:
    if any(grant.owner != connection.owner for grant in pool):
        raise ConfigurationError(
            f"{connection.user}@{connection.company} works for another account here too, and a revoke would end that.",
            advice="Remove the connection instead: its tokens are forgotten here, and nothing is revoked at Intacct.",
        )
    ends: list[Connection] = []
    renews: list[Connection] = []
    for grant in pool:
        again = grant.kind == "client_credentials" and grant.id != connection.grant_id
        (renews if again else ends).extend(rows.borrowers(transaction, grant.id))
    what = [f"{each.id} {each.grant_id}" for each in (*ends, *renews)]
    return Revocation(
        name=connection.name,
        user=connection.user,
        company=connection.company,
        ends=tuple(sorted(each.name for each in ends)),
        renews=tuple(sorted(each.name for each in renews)),
        confirm=hashlib.sha256("\n".join(sorted(what)).encode()).hexdigest()[:16],
    )


def _take(grant: GrantRow, holder: str) -> None:
    """The grant's lease, also of a grant that is dead or rests: while it is held nobody refreshes."""
    from sqlalchemy import or_, update

    from tieout.store.access_tables import grants

    end = time.monotonic() + PATIENCE
    while True:
        with grant.store.begin() as transaction:
            now = grant.store.clock(transaction)
            taken = transaction.execute(
                update(grants)
                .where(grants.c.id == grant.id)
                .where(or_(grants.c.lease_until.is_(None), grants.c.lease_until < now))
                .values(lease_holder=holder, lease_until=now + LEASE)
            )
            if taken.rowcount == 1:
                return
        if time.monotonic() > end:
            raise BusyError("A token of this connection is being renewed.", advice="Nothing was revoked: try again.")
        time.sleep(_POLL)


def _living_tokens(store: Store, grant: GrantRow) -> list[str]:
    """The access tokens that have not expired."""
    from sqlalchemy import select

    from tieout.store.access_tables import tokens

    with store.read() as transaction:
        wanted = (tokens.c.grant_id == grant.id, tokens.c.expires_at > grant.now())
        levels = transaction.execute(select(tokens.c.level).where(*wanted).order_by(tokens.c.level)).scalars().all()
    found = [grant.token(level) for level in levels]
    return [token.value for token in found if token is not None]


def _send(
    grant: GrantRow, secrets: Secrets, access: list[str], connection: Connection, transport: Transport | None
) -> None:
    """Every token, though the first should end them all: that they are one pool is documented, and not seen."""
    wire = transport or HttpTransport()
    session = Session(
        base_url=connection.base_url,
        tokens=ClientCredentials(
            client_id=secrets.client_id, client_secret="", user=secrets.user, company=secrets.company
        ),  # never asked: these calls bear no token
        meter=CountingMeter(),
        timeout=TIMEOUT,
        deadline=DEADLINE,
    )
    refresh = [each for each in (secrets.refresh_token, secrets.previous_refresh_token) if each]
    try:
        for token in (*refresh, *access):
            call = revoke_call(secrets.client_id, secrets.client_secret, token)
            try:
                SyncDriver(wire, Limiter(1)).run(perform(session, call))
            except TieoutError as error:
                _judge(error, grant, connection)
    finally:
        if transport is None:
            wire.close()


def _judge(error: TieoutError, grant: GrantRow, connection: Connection) -> None:
    """Returns where the refusal says that the token has ended."""
    definite = isinstance(error, IntacctError) and not isinstance(error, ServerError) and error.status != 408
    if definite:
        codes = {str(getattr(error, name, "")).lower() for name in ("error_id", "code")}
        if codes & _OVER and not is_client_error(error):
            return
        with grant.store.begin() as transaction:
            facts = {"error": str(getattr(error, "error_id", "") or getattr(error, "code", ""))[:255]}
            _tell(grant.store, transaction, "revoke refused", connection.owner, grant.id, facts)
        raise error
    raise OutcomeUnknownError(
        f"Intacct gave no answer to the revoke of {connection.user}@{connection.company}: it may be done or not.",
        advice="Run it again: a token that has ended stays ended. Until then the connection counts as it was.",
        whose=Whose.NETWORK,
    ) from error


def _end(store: Store, connection: Connection, version: int, now: float) -> None:
    """What Intacct has ended, in one transaction. The version rises, so that no refresh stores anything after it."""
    from sqlalchemy import delete, select, update

    from tieout.store.access_tables import grants, tokens

    with store.begin() as transaction:
        mine = select(grants.c.version).where(grants.c.id == connection.grant_id).with_for_update()
        if transaction.execute(mine).scalar() != version:
            raise BusyError(
                "Somebody signed in or out of this connection while it was being revoked.",
                advice="Look at it, and revoke again if you still want to.",
            )
        for grant in _pool(transaction, connection):
            if grant.owner != connection.owner:
                continue
            transaction.execute(delete(tokens).where(tokens.c.grant_id == grant.id))
            if grant.kind == "client_credentials" and grant.id != connection.grant_id:
                continue
            values = ENDED | {"version": grant.version + 1, "died_at": rows.text_of(now), "reason": "revoked"}
            transaction.execute(update(grants).where(grants.c.id == grant.id).values(values))
            _tell(store, transaction, "revoked", grant.owner, grant.id, {"company": grant.company})
            outbox.tell_of_death(store, transaction, grant.id, "revoked")


ENDED: dict[str, object] = {
    "state": "dead",
    "error": "",
    "client_secret_sealed": None,
    "refresh_token_sealed": None,
    "previous_refresh_token_sealed": None,
    "superseded_by": None,
    "sent_at": None,
    "failures": 0,
    "retry_after": None,
    "lease_holder": None,
    "lease_until": None,
}
"""A grant that was ended on purpose keeps no secret."""


def _tell(
    store: Store, transaction: Transaction, what: str, owner: str, grant_id: str, facts: Mapping[str, object]
) -> None:
    audit.append(store, transaction, what, owner=owner, subjects={"grant": grant_id}, facts=facts)
