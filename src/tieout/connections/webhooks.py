"""Tells the vendor's server what became of connections: signed, later, until it was heard. `outbox` says what is told.

Signed as in the Standard Webhooks convention: `webhook-id`, `webhook-timestamp` and `webhook-signature`, which is `v1,`
and the base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import random
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tieout.connections import audit, installation, rows
from tieout.connections.discreet import discreet
from tieout.connections.outbox import WEBHOOK
from tieout.connections.vault import Vault
from tieout.errors import ConfigurationError, NotAuthorisedError
from tieout.rest.call import Request
from tieout.rest.effects import NoAnswer
from tieout.rest.public import PublicTransport, checked_url
from tieout.rest.transport import USER_AGENT, Transport
from tieout.store import Store

TIMEOUT = 10.0
"""Seconds for the vendor's server to answer."""
LEASE = 30.0
"""Seconds for which a program that took an event may be sending it."""
TRIES = 10
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 86_400.0
"""Seconds before the next try: four times the last, up to a day. Ten tries take about four days."""
KEPT = 30 * 86_400.0
"""Seconds for which a settled event stays to be looked at."""
TOLERANCE = 300.0
"""Seconds by which a receiver's clock and a signature may differ."""
_SHORTEST = 16
_PREFIX = "whsec_"


class Webhook(msgspec.Struct, frozen=True):
    """Where events go. The secret is not shown again."""

    url: str
    allow_local: bool


class Event(msgspec.Struct, frozen=True):
    """Something that became of a connection."""

    id: str
    type: str
    """`connection.connected`, `connection.failed`, `connection.died`."""
    owner: str
    connection_id: str
    created_at: str
    state: str
    """`waiting`, `delivered`, `failed` (given up after ten tries)."""
    tries: int
    error: str
    """Of the last try, or ''."""


class Delivered(msgspec.Struct, frozen=True):
    """What one call of `deliver` did."""

    delivered: int = 0
    put_off: int = 0
    """Refused or unanswered; tried again later."""
    failed: int = 0
    """Given up."""
    waiting: int = 0
    """Still to be delivered, now or later."""


class Webhooks:
    """The webhook of an installation."""

    def __init__(self, store: Store, vault: Vault, *, now: Callable[[], float] = time.time) -> None:
        self._store, self._vault, self._now = store, vault, now

    @discreet
    def set(self, url: str, secret: str, *, allow_local: bool = False) -> Webhook:
        """Tell this URL from now on. `secret` signs: `whsec_` and base64, or any text of 16 bytes or more (`new_secret`
        makes one). Plain http and private addresses only where `allow_local`.

        Raises ConfigurationError for a URL where nothing is sent, a short secret, and without a master key."""
        checked_url(url, allow_local=allow_local)
        _key(secret)
        sealed = self._vault.encrypt(secret.encode(), installation.setting_context(WEBHOOK))
        webhook = Webhook(url, allow_local)
        with self._store.begin() as transaction:
            installation.keep(self._store, transaction, WEBHOOK, webhook, sealed)
            audit.append(self._store, transaction, "webhook set", owner=rows.DEFAULT_OWNER)
        return webhook

    def get(self) -> Webhook | None:
        """The webhook that is set."""
        found = installation.read(self._store, self._vault, WEBHOOK)
        return msgspec.convert(found.value, Webhook) if found else None

    def clear(self) -> bool:
        """Tell nobody any more, also not of what waits. Whether there was one."""
        from sqlalchemy import delete

        from tieout.store.connect_tables import webhook_events

        with self._store.begin() as transaction:
            gone = installation.forget(transaction, WEBHOOK)
            transaction.execute(delete(webhook_events).where(webhook_events.c.state == "waiting"))
            if gone:
                audit.append(self._store, transaction, "webhook cleared", owner=rows.DEFAULT_OWNER)
        return gone

    def events(self, owner: str | None = None, *, state: str | None = None, limit: int = 1000) -> list[Event]:
        """Events, newest first, of one owner or of all: those that wait, and 30 days of the others."""
        from sqlalchemy import select

        from tieout.store.connect_tables import webhook_events as table

        wanted = [table.c.owner == owner] if owner is not None else []
        wanted += [table.c.state == state] if state is not None else []
        columns = [table.c[name] for name in Event.__struct_fields__]
        query = select(*columns).where(*wanted).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
        with self._store.read() as transaction:
            return [Event(**row) for row in transaction.execute(query).mappings()]

    def again(self, id: str) -> bool:
        """Try an event anew that was given up. Whether there is such a one."""
        from sqlalchemy import update

        from tieout.store.connect_tables import webhook_events as table

        with self._store.begin() as transaction:
            values = {"state": "waiting", "tries": 0, "due": self._store.clock(transaction), "settled_at": None}
            failed = (table.c.id == id, table.c.state == "failed")
            return transaction.execute(update(table).where(*failed).values(values)).rowcount == 1

    def deliver(self, limit: int = 100, *, transport: Transport | None = None) -> Delivered:
        """Send what is due, at most `limit` events, one after another -> what became of them.

        Any number of programs may do so: each event is sent by one of them at a time. It stops early where the server
        cannot be reached. An event may arrive twice (the answer was lost): its `webhook-id` is then the same."""
        found = installation.read(self._store, self._vault, WEBHOOK)
        if found is None or found.secret is None:
            return Delivered()
        webhook = msgspec.convert(found.value, Webhook)
        sender = transport or PublicTransport(allow_local=webhook.allow_local)
        counts = {"delivered": 0, "put_off": 0, "failed": 0}
        for _ in range(limit):
            taken = self._take()
            if taken is None:
                break
            error, silent = self._send(sender, webhook.url, found.secret.decode(), taken)
            counts[self._settle(taken, error)] += 1
            if silent:
                break
        return Delivered(**counts, waiting=self._tidy())

    def _take(self) -> Any:
        """The event that is due longest, as ours for half a minute; None where none is."""
        from sqlalchemy import or_, select, update

        from tieout.store.connect_tables import webhook_events as table

        with self._store.begin() as transaction:
            now = self._store.clock(transaction)
            query = (
                select(table)
                .where(table.c.state == "waiting", table.c.due <= now)
                .where(or_(table.c.lease_until.is_(None), table.c.lease_until < now))
                .order_by(table.c.due, table.c.id)
                .limit(1)
            )
            row = transaction.execute(query.with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            ours = {"lease_holder": str(uuid.uuid4()), "lease_until": now + LEASE, "tries": row["tries"] + 1}
            transaction.execute(update(table).where(table.c.id == row["id"]).values(ours))
            return {**row, **ours}

    def _send(self, sender: Transport, url: str, secret: str, event: Any) -> tuple[str, bool]:
        """-> (what went wrong or '', whether there was no answer at all)."""
        body = event["body"].encode()
        headers = signed(event["id"], body, secret, self._now()) | {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
        }
        try:
            reply = sender.send(Request("POST", url, headers, body), TIMEOUT)
        except NoAnswer as silence:
            return silence.reason[:255], True
        return ("" if 200 <= reply.status < 300 else f"the server answered {reply.status}"), False

    def _settle(self, event: Any, error: str) -> str:
        """Write down how a try ended; nothing where another program has taken the event over."""
        from sqlalchemy import update

        from tieout.store.connect_tables import webhook_events as table

        state = "delivered" if not error else "failed" if event["tries"] >= TRIES else "waiting"
        with self._store.begin() as transaction:
            now = self._store.clock(transaction)
            values: dict[str, Any] = {"state": state, "error": error, "lease_holder": None, "lease_until": None}
            values |= {"due": now + pause(event["tries"])} if state == "waiting" else {"settled_at": now}
            ours = (table.c.id == event["id"], table.c.lease_holder == event["lease_holder"])
            transaction.execute(update(table).where(*ours).values(values))
        return "put_off" if state == "waiting" else state

    def _tidy(self) -> int:
        """Forget what was settled long ago -> how many wait."""
        from sqlalchemy import delete, func, select

        from tieout.store.connect_tables import webhook_events as table

        with self._store.read() as transaction:
            old = table.c.settled_at < self._store.clock(transaction) - KEPT
            waiting = select(func.count()).select_from(table)
            count = int(transaction.execute(waiting.where(table.c.state == "waiting")).scalar_one())
            stale = transaction.execute(select(table.c.id).where(old).limit(1)).first()
        if stale is not None:
            with self._store.begin() as transaction:
                transaction.execute(delete(table).where(old))
        return count


def pause(tries: int) -> float:
    """Seconds until the next try after so many, spread by a tenth so that many events do not come at once."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 4.0 ** (tries - 1)) * random.uniform(0.9, 1.1)  # noqa: S311 - no secret


def new_secret() -> str:
    """A secret for a webhook."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signed(id: str, body: bytes, secret: str, now: float) -> dict[str, str]:
    """The three headers of an event."""
    moment = str(int(now))
    return {"webhook-id": id, "webhook-timestamp": moment, "webhook-signature": _signature(id, moment, body, secret)}


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secret: str, *, now: Callable[[], float] = time.time
) -> dict[str, Any]:
    """For the receiver: the event in `body`, if it was signed with `secret` in the last five minutes.

    `body` is the request's body, byte for byte. Remember `webhook-id` to notice an event that comes twice. Raises
    NotAuthorisedError for anything else: answer it with 400 and do nothing."""
    given = {name.lower(): value for name, value in headers.items()}
    id, moment = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    offered = given.get("webhook-signature", "").split()
    try:
        age = abs(now() - int(moment)) if moment.isascii() and moment.isdigit() else float("inf")
    except (ValueError, OverflowError):
        age = float("inf")
    right = _signature(id, moment, body, secret).encode()
    fits = [hmac.compare_digest(one.encode(), right) for one in offered]
    if not id or not any(fits):
        raise NotAuthorisedError("The signature of the webhook does not fit.", advice="Do nothing; check the secret.")
    if age > TOLERANCE:
        raise NotAuthorisedError("The webhook was signed more than five minutes ago.", advice="Check both clocks.")
    event: dict[str, Any] = msgspec.json.decode(body)
    return event


def _signature(id: str, moment: str, body: bytes, secret: str) -> str:
    told = f"{id}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), told, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """The bytes of a secret. Raises ConfigurationError for one that is too short."""
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError("A webhook secret that begins with whsec_ goes on in base64.") from None
    if len(key) < _SHORTEST:
        raise ConfigurationError(f"A webhook secret has {_SHORTEST} bytes at least.")
    return key
