"""What the vendor's webhook shall be told, written in the transaction of the fact itself. Sends nothing (`webhooks`).

Where no webhook is set nothing is written. An event holds no secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections import rows
from tieout.connections.rows import Connection
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

EventType = Literal["connection.connected", "connection.failed", "connection.died"]

WEBHOOK = "webhook"
"""The name of its settings in the table `installation`."""

REPAIRS = {
    "superseded": "Connect again as another Sage user, or let both connections share one sign-in.",
    "interrupted": "Connect again: a program was cut off while it renewed the token.",
    "other_owner": "Connect again as another Sage user.",
    "wrong_user": "Connect again as the Sage user that was named.",
    "wrong_company": "Connect again, to the company that this connection is to.",
    "denied": "Connect again, and allow the access.",
    "company_not_authorised": "Ask an administrator of the company to authorise the application, and connect again.",
    "no_refresh_token": "Connect again. If it stays so, ask for the support of this application.",
    "client_refused": "Give the application its client secret anew.",
    "unreachable": "Connect again later: Intacct did not answer.",
}
"""What to do, by reason. Everything else: connect again."""
_AGAIN = "Connect again."


def tell(
    store: Store,
    transaction: Transaction,
    type: EventType,
    connection: Connection,
    *,
    reason: str = "",
    repair: str | None = None,
) -> None:
    """Write one event about a connection. `reason` is a word such as `superseded`, never what a server said."""
    from sqlalchemy import insert, select

    from tieout.store.connect_tables import installation, webhook_events

    if transaction.execute(select(installation.c.name).where(installation.c.name == WEBHOOK)).first() is None:
        return
    happened = rows.now_text()
    if repair is None:
        repair = "" if type == "connection.connected" else REPAIRS.get(reason, _AGAIN)
    data: dict[str, Any] = {
        "id": connection.id,
        "owner": connection.owner,
        "name": connection.name,
        "company": connection.company,
        "environment": connection.environment,
        "entity": connection.entity,
        "reason": reason,
        "repair": repair,
    }
    row = {
        "id": f"msg_{rows.new_id()}",
        "owner": connection.owner,
        "connection_id": connection.id,
        "type": type,
        "body": msgspec.json.encode({"type": type, "timestamp": happened, "data": data}).decode(),
        "state": "waiting",
        "tries": 0,
        "due": store.clock(transaction),
        "error": "",
        "created_at": happened,
    }
    transaction.execute(insert(webhook_events).values(row))


def tell_of_landing(store: Store, transaction: Transaction, connection: Connection, reason: str = "") -> None:
    """One event about a sign-in: it connected, or failed for a `reason`."""
    tell(store, transaction, "connection.failed" if reason else "connection.connected", connection, reason=reason)


def tell_of_death(store: Store, transaction: Transaction, grant_id: str, reason: str) -> None:
    """One event for each connection that borrows a grant which gives no token any more."""
    for connection in rows.borrowers(transaction, grant_id):
        tell(store, transaction, "connection.died", connection, reason=reason)
