"""The audit log: who connected, refreshed, failed, read a secret. Append-only, each row chained to the one before.

Knows no connection: subjects are ids, facts are what the caller says, and must hold no secret.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from tieout.connections.rows import DEFAULT_OWNER, now_text
from tieout.errors import ConfigurationError, StoreError
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction
    from sqlalchemy import Insert, Select

_LOCK = 0x61756469  # "audi": rows are chained one after another
_PAGE = 1000
ITSELF = "tieout"
"""The actor of what happens by itself."""
_actor: ContextVar[str] = ContextVar("tieout_actor", default=ITSELF)


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Whatever is done inside, in this thread or task, is logged as done by `actor`: a person's id in your product,
    at most 255 characters. A refresh stays `tieout`'s own: it runs in a thread of its own, for whoever needs it."""
    if not actor.strip() or len(actor) > 255:
        raise ConfigurationError("Who acts must have a name, of 255 characters at most.")
    before = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(before)


class Entry(msgspec.Struct, frozen=True):
    """Something that happened, and whose connection it was about."""

    seq: int
    time: str
    owner: str
    actor: str
    """Who did it: a person's id, `tieout` for what happens by itself."""
    what: str
    """`connected`, `refreshed`, `failed`, `died`, `removed`, `revoked` …"""
    subjects: dict[str, str]
    """Ids by kind: `{"grant": …, "connection": …}`."""
    facts: dict[str, Any]
    previous: str
    hash: str


class Chain(msgspec.Struct, frozen=True):
    """How far the log is whole. An export's last line names the same head."""

    length: int
    head: str


class Audit:
    """The audit log of a state database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def append(
        self,
        what: str,
        *,
        owner: str = DEFAULT_OWNER,
        actor: str | None = None,
        subjects: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one row in a transaction of its own, by `actor` or whoever is `acting_as`. Raises StoreError."""
        with self._store.begin() as transaction:
            append(self._store, transaction, what, owner=owner, actor=actor, subjects=subjects, facts=facts)

    def entries(self, owner: str | None = None, *, what: str | None = None) -> Iterator[Entry]:
        """Rows from the first to the last, of one owner or of all."""
        from sqlalchemy import select

        from tieout.store.access_tables import audit

        wanted = [audit.c.owner == owner] if owner is not None else []
        wanted += [audit.c.what == what] if what is not None else []
        last = 0
        while True:
            query = select(audit).where(audit.c.seq > last, *wanted).order_by(audit.c.seq).limit(_PAGE)
            with self._store.read() as transaction:
                found = transaction.execute(query).mappings().all()
            for row in found:
                parts = {name: msgspec.json.decode(row[name]) for name in ("subjects", "facts")}
                yield Entry(**{**row, **parts})
            if len(found) < _PAGE:
                return
            last = found[-1]["seq"]

    def verify(self, head: str | None = None) -> Chain:
        """Recompute every hash -> how many rows, and the last one's hash.

        `head` is a hash kept from an earlier export: it must still be there, which rows cut off at the end would undo.
        Raises StoreError naming the first row that does not fit.
        """
        previous, length, seen = "", 0, head is None
        for entry in self.entries():
            length += 1
            if entry.seq != length or entry.previous != previous or entry.hash != _hash(entry):
                raise StoreError(
                    f"The audit log was changed: row {length} does not follow from the one before.",
                    advice="Compare it with an export or a backup; what stands before that row is whole.",
                )
            previous = entry.hash
            seen = seen or entry.hash == head
        if not seen:
            raise StoreError(
                "The audit log was cut: the row that an earlier export ended with is not in it.",
                advice="Compare it with that export or a backup.",
            )
        return Chain(length, previous)

    def export(self, file: TextIO, owner: str | None = None, *, what: str | None = None) -> int:
        """Write JSON Lines, one row each -> how many."""
        count = 0
        for entry in self.entries(owner, what=what):
            file.write(msgspec.json.encode(entry).decode() + "\n")
            count += 1
        return count


def append(
    store: Store,
    transaction: Transaction,
    what: str,
    *,
    owner: str,
    actor: str | None = None,
    subjects: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write one row inside the caller's transaction, so that it is there if and only if what it tells of is."""
    lock(store, transaction)
    last = transaction.execute(_last()).first()
    entry = Entry(
        seq=last.seq + 1 if last else 1,
        time=now_text(),
        owner=owner,
        actor=actor or _actor.get(),
        what=what,
        subjects=dict(subjects or {}),
        facts=dict(facts or {}),
        previous=last.hash if last else "",
        hash="",
    )
    row = msgspec.structs.asdict(entry) | {
        "subjects": _text(entry.subjects),
        "facts": _text(entry.facts),
        "hash": _hash(entry),
    }
    transaction.execute(_insert(), row)


@functools.cache
def _last() -> Select[int, str]:
    from sqlalchemy import select

    from tieout.store.access_tables import audit

    return select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)


@functools.cache
def _insert() -> Insert:
    from sqlalchemy import insert

    from tieout.store.access_tables import audit

    return insert(audit)


def lock(store: Store, transaction: Transaction) -> None:
    """Wait for the turn to append, as `append` does by itself: for whoever takes other locks, which must come after."""
    if store.dialect == "postgresql":
        transaction.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")


def last_of(transaction: Transaction, whats: Sequence[str], grant_id: str, moment: str) -> str | None:
    """Which of some things happened to a grant last, at `moment` or after it; None where none did."""
    from sqlalchemy import select

    from tieout.store.access_tables import audit

    query = select(audit.c.what).where(
        audit.c.what.in_(whats),
        audit.c.time >= moment,
        audit.c.subjects.contains(f'"grant":"{grant_id}"', autoescape=True),
    )
    found: str | None = transaction.execute(query.order_by(audit.c.seq.desc()).limit(1)).scalar()
    return found


def last_moment(transaction: Transaction, what: str, owner: str) -> str:
    """When something happened to an owner last, in UTC to the second; '' where it never did."""
    from sqlalchemy import select

    from tieout.store.access_tables import audit

    query = select(audit.c.time).where(audit.c.owner == owner, audit.c.what == what)
    return transaction.execute(query.order_by(audit.c.seq.desc()).limit(1)).scalar() or ""


def _text(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _hash(entry: Entry) -> str:
    row = msgspec.structs.replace(entry, hash="")
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()
