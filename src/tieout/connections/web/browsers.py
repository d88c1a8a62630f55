"""Browsers on the connect page: a row each, found by the hash of its cookie. Knows steps, not pages.

Every change of a step is a compare-and-set, so that two tabs, two callbacks or two servers cannot both take one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections import audit, rows
from tieout.connections.adding import LONGEST
from tieout.connections.links import LinkRow, hashed
from tieout.connections.rows import Connection
from tieout.connections.web.sessions import ConnectSession
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

LIFETIME = 3600.0
"""Seconds from the first page to the last one."""
KEPT = 86_400.0
MOST_SIGN_INS = 10
"""Of one browser: each is a row, and two in the audit log, which stay."""
Stage = Literal["asking", "same_user", "ready", "sent", "finishing", "choosing", "done", "failed"]


class Browser(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on the page, what was fixed for them, what they said, how far they are."""

    id: str
    owner: str
    connection_id: str | None
    again: int
    name: str
    label: str
    app: str
    environment: str | None
    company: str
    return_url: str
    said_company: str
    said_user: str
    said_environment: str
    stage: Stage
    sign_in_id: str
    reason: str
    facts: dict[str, Any]


def opened(session: ConnectSession | LinkRow, token_hash: str, app: str, before: Connection | None) -> dict[str, Any]:
    """The row of a browser that a session or a link has let in, but for cookie and times. `before` is the connection
    that is to be connected anew: its company and environment stay."""
    company = (before.company if before else "") or session.company
    environment = before.environment if before else session.environment
    return {
        "id": rows.new_id(),
        "owner": session.owner,
        "token_hash": token_hash,
        "connection_id": before.id if before else None,
        "again": int(before is not None and bool(before.company)),
        "name": session.name,
        "label": session.label,
        "app": app,
        "environment": environment,
        "company": company,
        "return_url": session.return_url,
        "said_company": company,
        "said_user": before.user if before else "",
        "said_environment": environment or "",
        "stage": "asking",
        "sign_in_id": "",
        "reason": "",
        "facts": "{}",
    }


def insert(store: Store, transaction: Transaction, row: Mapping[str, Any]) -> str:
    """Store a browser -> its new cookie, which is kept nowhere. Forgets those that ended a day ago.

    A token that has opened the page before violates a constraint."""
    from sqlalchemy import delete
    from sqlalchemy import insert as into

    from tieout.store.connect_tables import connect_sessions as table

    cookie = secrets.token_urlsafe(32)
    now = store.clock(transaction)
    transaction.execute(delete(table).where(table.c.expires < now - KEPT))
    rows.keep_owner(transaction, row["owner"])
    first = {"cookie_hash": hashed(cookie), "created_at": rows.text_of(now), "expires": now + LIFETIME}
    transaction.execute(into(table).values({**row, **first}))
    audit.append(store, transaction, "connect page opened", owner=row["owner"])
    return cookie


def find(store: Store, cookie: str) -> Browser | None:
    """The browser with this cookie, unless its hour is over."""
    from sqlalchemy import select

    from tieout.store.connect_tables import connect_sessions as table

    if not cookie:
        return None
    columns = [table.c[name] for name in Browser.__struct_fields__]
    with store.read() as transaction:
        wanted = (table.c.cookie_hash == hashed(cookie), table.c.expires > store.clock(transaction))
        row = transaction.execute(select(*columns).where(*wanted)).mappings().first()
    return Browser(**{**row, "facts": msgspec.json.decode(row["facts"])}) if row else None


def was_opened_by(store: Store, token_hash: str, cookie: str) -> bool:
    """Whether the browser with this cookie is the one that the token let in."""
    from sqlalchemy import select

    from tieout.store.connect_tables import connect_sessions as table

    with store.read() as transaction:
        query = select(table.c.id).where(table.c.token_hash == token_hash, table.c.cookie_hash == hashed(cookie))
        return transaction.execute(query).first() is not None


def move(store: Store, browser: Browser, *stages: Stage, **values: Any) -> bool:
    """Change a browser's row if it is still in one of `stages` and nobody sent it to another sign-in meanwhile."""
    from sqlalchemy import update

    from tieout.store.connect_tables import connect_sessions as table

    if "facts" in values:
        values["facts"] = msgspec.json.encode(values["facts"]).decode()
    wanted = (table.c.id == browser.id, table.c.stage.in_(stages), table.c.sign_in_id == browser.sign_in_id)
    with store.begin() as transaction:
        return transaction.execute(update(table).where(*wanted).values(values)).rowcount == 1


def may_sign_in(store: Store, browser: Browser) -> bool:
    """Count one more sign-in of this browser; not where it had `MOST_SIGN_INS`."""
    from sqlalchemy import select, update

    from tieout.store.connect_tables import connect_sessions as table

    with store.begin() as transaction:
        stored = transaction.execute(select(table.c.facts).where(table.c.id == browser.id).with_for_update()).scalar()
        facts = msgspec.json.decode(stored or "{}")
        count = facts.get("sign_ins", 0) + 1
        if count > MOST_SIGN_INS:
            return False
        counted = msgspec.json.encode(facts | {"sign_ins": count}).decode()
        transaction.execute(update(table).where(table.c.id == browser.id).values(facts=counted))
    return True


def claim_name(store: Store, browser: Browser, wanted: str, like: Connection) -> str:
    """A name for this browser's new connection, kept in its row so that no other browser of the owner takes it.

    One that somebody began under and never finished is taken up again; `like` has its environment and address."""
    from sqlalchemy import select, update

    from tieout.store.access_tables import owners
    from tieout.store.connect_tables import connect_sessions as table

    with store.begin() as transaction:
        transaction.execute(select(owners.c.id).where(owners.c.id == browser.owner).with_for_update())
        others = transaction.execute(
            select(table.c.name, table.c.connection_id)
            .where(table.c.owner == browser.owner, table.c.id != browser.id)
            .where(table.c.expires > store.clock(transaction))
        ).all()
        busy = {name for name, _ in others} | {id for _, id in others}
        here = (like.environment, like.base_url)
        taken = {
            one.name
            for one in rows.find_all(transaction, browser.owner)
            if one.company or one.id in busy or (one.environment, one.base_url) != here
        }
        name = free(wanted, taken | busy)
        transaction.execute(update(table).where(table.c.id == browser.id).values(name=name))
    return name


def free(wanted: str, taken: set[str]) -> str:
    """The name, or with a number after it; one that is longer than a name may be is cut before it."""
    wanted = wanted[:LONGEST]
    if wanted not in taken:
        return wanted
    numbers = (f"-{number}" for number in range(2, len(taken) + 3))
    return next(name for end in numbers if (name := wanted[: LONGEST - len(end)] + end) not in taken)


def new_cookie() -> str:
    """For a browser that is not let in yet."""
    return secrets.token_urlsafe(32)


def csrf(cookie: str) -> str:
    """What a form carries to prove that a page of ours made it: who does not hold the cookie cannot work it out."""
    return hashlib.sha256(b"tieout csrf\0" + cookie.encode(errors="replace")).hexdigest()


def is_ours(cookie: str, told: str) -> bool:
    """Whether a form was made for the browser with this cookie."""
    return bool(cookie) and hmac.compare_digest(csrf(cookie).encode(), told.encode(errors="replace"))
