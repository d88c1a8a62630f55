"""Changes keys while everything goes on: data keys under another master key, secrets under other data keys.

Each step is a compare-and-set of what was read, so that a token stored meanwhile is never overwritten. Whoever is
interrupted runs it again. What a column is, and what binds its secrets, is `sealed`'s business.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections import audit, rows, sealed
from tieout.connections.rows import DEFAULT_OWNER
from tieout.connections.vault import DIRECT, KEYED, Vault
from tieout.errors import ConfigurationError, TieoutError
from tieout.store import Store
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    from tieout.connections.sealed import SealedColumn

BATCH = 50
"""Secrets that are encrypted anew in one transaction."""
PASSES = 3
"""How often to look for secrets that another program stored under the old key meanwhile."""
GRACE = 3600.0
"""Seconds for which a retired key stays, for whoever took it right before: then it goes, if nothing needs it."""
_HEAD = 17
_UNFINISHED = "vault rotation"


class Rotated(msgspec.Struct, kw_only=True):
    """What a rotation did."""

    master: str
    """The name of the master key that wraps all data keys now."""
    rewrapped: int = 0
    """Data keys that another master key had wrapped."""
    made: int = 0
    """New data keys."""
    resealed: int = 0
    """Secrets that were encrypted anew."""
    erased: int = 0
    """Retired data keys that nothing needed any more."""
    unreadable: list[str] = msgspec.field(default_factory=list)
    """What could not be opened, and so stayed as it was: table, row, column."""


class Standing(msgspec.Struct, kw_only=True):
    """How the vault of a state database is."""

    master: str
    """Name of the master key that encrypts; '' where there is none."""
    source: str
    """Where it came from."""
    own: bool
    """False: the simulators' key file."""
    owners: int
    keys: int
    retired: int
    wrappers: list[Wrapper]
    secrets: int
    direct: int
    """Secrets that a master key encrypted by itself, as the first versions did."""


class Wrapper(msgspec.Struct, kw_only=True):
    """One master key that wraps data keys, at hand or not."""

    name: str
    keys: int
    opens: bool
    why_not: str = ""


def rotate(store: Store, vault: Vault, *, owner: str | None = None, data_keys: bool = False) -> Rotated:
    """Wrap data keys, of one owner or of all, under the master key that encrypts now; with `data_keys` make new ones
    and encrypt every secret anew. Other programs may go on meanwhile.

    Secrets that a master key had encrypted by itself get a data key in any case, so that the old master key is not
    needed any more. Raises as `Vault.encrypt`; what was done by then stands, and another run does the rest."""
    from sqlalchemy import delete

    from tieout.store.tables import meta

    vault = vault.over(store)
    done = Rotated(master=_name(vault))
    facts: dict[str, Any] = {"data keys": data_keys}
    with store.begin() as transaction:
        audit.append(store, transaction, "rotation begun", owner=owner or DEFAULT_OWNER, facts=facts)
    if data_keys:
        _make_keys(store, vault, owner, done)
    _rewrap(store, vault, owner, done)
    for _ in range(PASSES):
        before = done.resealed
        used = _reseal(store, vault, owner, data_keys, done)
        if done.resealed == before:
            break
    done.erased = _erase(store, owner, used)
    counts = {name: getattr(done, name) for name in ("rewrapped", "made", "resealed", "erased")}
    facts |= counts | {"unreadable": len(done.unreadable), "wrapped by": done.master}
    with store.begin() as transaction:
        if data_keys:
            transaction.execute(delete(meta).where(meta.c.name == _UNFINISHED))
        audit.append(store, transaction, "keys rotated", owner=owner or DEFAULT_OWNER, facts=facts)
    return done


def standing(store: Store, vault: Vault) -> Standing:
    """How the vault is. Asks each master key to open one data key, and shows none."""
    from sqlalchemy import func, select

    from tieout.store.access_tables import data_keys

    vault = vault.over(store)
    with store.read() as transaction:
        found = transaction.execute(select(data_keys).order_by(data_keys.c.created_at, data_keys.c.id)).all()
        direct = secrets = 0
        for each in sealed.columns():
            first = func.substr(each.column, 1, 1)
            query = select(func.count(), func.count().filter(first == DIRECT)).where(each.column.is_not(None))
            total, old = transaction.execute(query).one()
            secrets, direct = secrets + total, direct + old
    by_name: dict[str, list[Any]] = {}
    for row in found:
        by_name.setdefault(row.wrapped_by, []).append(row)
    try:
        first_master = vault.keys.first()
        master, source, own = _name(vault), first_master.source, first_master.own
    except ConfigurationError:
        master, source, own = "", "", False
    return Standing(
        master=master,
        source=source,
        own=own,
        owners=len({row.owner for row in found}),
        keys=len(found),
        retired=sum(row.retired_at is not None for row in found),
        wrappers=[_wrapper(vault, name, found) for name, found in by_name.items()],
        secrets=secrets,
        direct=direct,
    )


def _wrapper(vault: Vault, name: str, found: list[Any]) -> Wrapper:
    try:
        vault.data_keys.unwrap(found[0])
    except TieoutError as error:
        return Wrapper(name=name, keys=len(found), opens=False, why_not=error.message)
    return Wrapper(name=name, keys=len(found), opens=True)


def _name(vault: Vault) -> str:
    """What the master key that encrypts calls itself now: a service may have given it another version."""
    return vault.keys.first().wrapper.wrap(os.urandom(48))[0]


def _make_keys(store: Store, vault: Vault, owner: str | None, done: Rotated) -> None:
    """A new data key in place of every one that encrypts; none twice, where an earlier run was interrupted."""
    for row in _to_replace(store, owner):
        made = vault.data_keys.make(row.owner, instead_of=row)
        done.made += made.id != row.id
        reached("rotate.made")


def _to_replace(store: Store, owner: str | None) -> list[Any]:
    """The data keys that a rotation replaces: those that encrypted when it began, also where this run goes on with
    one that was interrupted."""
    from sqlalchemy import select

    from tieout.store.access_tables import data_keys
    from tieout.store.tables import meta

    with store.begin() as transaction:
        wanted = [data_keys.c.retired_at.is_(None)] + ([data_keys.c.owner == owner] if owner is not None else [])
        found = transaction.execute(select(data_keys).where(*wanted).order_by(data_keys.c.owner)).all()
        text = transaction.execute(select(meta.c.value).where(meta.c.name == _UNFINISHED)).scalar()
        begun = msgspec.json.decode(text) if text else {}
        if not begun or begun["owner"] != owner:
            begun = {"owner": owner, "keys": [row.id for row in found]}
            store.upsert(transaction, meta, {"name": _UNFINISHED, "value": msgspec.json.encode(begun).decode()})
        replaced = set(begun["keys"])
    return [row for row in found if row.id in replaced]


def _rewrap(store: Store, vault: Vault, owner: str | None, done: Rotated) -> None:
    """Every data key under the master key that encrypts now."""
    from sqlalchemy import select, update

    from tieout.store.access_tables import data_keys

    query = select(data_keys).where(data_keys.c.wrapped_by != done.master)
    with store.read() as transaction:
        found = transaction.execute(query if owner is None else query.where(data_keys.c.owner == owner)).all()
    for row in found:
        try:
            name, blob = vault.data_keys.wrap(row)
        except ConfigurationError:
            done.unreadable.append(f"data_keys {row.id}")
            continue
        with store.begin() as transaction:
            same = (data_keys.c.id == row.id, data_keys.c.wrapped == row.wrapped)
            changed = transaction.execute(update(data_keys).where(*same).values(wrapped=blob, wrapped_by=name))
            done.rewrapped += changed.rowcount
        reached("rotate.wrapped")


def _reseal(store: Store, vault: Vault, owner: str | None, data_keys: bool, done: Rotated) -> set[str]:
    """Encrypt anew what is not under its owner's newest key -> ids of the data keys that secrets needed before."""
    owners, newest = _keys(store)
    used: set[str] = set()
    done.unreadable = [name for name in done.unreadable if name.startswith("data_keys ")]
    for each in sealed.columns():
        wanted = []
        for row in _heads(store, each):
            head = bytes(row.head)
            id = str(uuid.UUID(bytes=head[1:])) if head[:1] == KEYED else ""
            used.add(id)
            whose = owners.get(id, row.whose)
            if owner in (None, whose) and (not id or (data_keys and id not in newest)):
                wanted.append((row, whose))
        for start in range(0, len(wanted), BATCH):
            _reseal_batch(store, vault, each, wanted[start : start + BATCH], done)
            reached("rotate.batch")
    return used


def _reseal_batch(store: Store, vault: Vault, each: SealedColumn, batch: list[tuple[Any, str]], done: Rotated) -> None:
    from sqlalchemy import select, update

    for whose in {whose for _, whose in batch}:
        vault.prepare(whose)
    with store.begin() as transaction:
        for row, whose in batch:
            this = [column == getattr(row, column.name) for column in each.table.primary_key]
            old = transaction.execute(select(each.column).where(*this)).scalar()
            if old is None:
                continue
            try:
                new = vault.encrypt(vault.decrypt(old, each.context(row)), each.context(row), whose)
            except ConfigurationError:
                done.unreadable.append(each.named(row))
                continue
            # Of what another program stored since the line above, nothing is overwritten.
            changed = transaction.execute(
                update(each.table).where(*this, each.column == old).values({each.column: new})
            )
            done.resealed += changed.rowcount


def _erase(store: Store, owner: str | None, used: set[str]) -> int:
    """Forget retired data keys that nothing needs."""
    from sqlalchemy import delete, select

    from tieout.store.access_tables import data_keys

    wanted = [data_keys.c.retired_at < rows.text_of(time.time() - GRACE)]
    wanted += [data_keys.c.owner == owner] if owner is not None else []
    with store.begin() as transaction:
        found = transaction.execute(select(data_keys.c.id).where(*wanted)).scalars()
        unused = [id for id in found if id not in used]
        for id in unused:
            transaction.execute(delete(data_keys).where(data_keys.c.id == id))
    return len(unused)


def _keys(store: Store) -> tuple[dict[str, str], set[str]]:
    """Data key -> whose it is; and the ids of those that encrypt."""
    from sqlalchemy import select

    from tieout.store.access_tables import data_keys

    with store.read() as transaction:
        found = transaction.execute(select(data_keys.c.id, data_keys.c.owner, data_keys.c.retired_at)).all()
    return {row.id: row.owner for row in found}, {row.id for row in found if row.retired_at is None}


def _heads(store: Store, each: SealedColumn) -> list[Any]:
    """Key, owner and first bytes of each secret of a column."""
    from sqlalchemy import func, select

    columns = list(each.table.primary_key)
    head, whose = func.substr(each.column, 1, _HEAD).label("head"), each.owner.label("whose")
    with store.read() as transaction:
        return list(
            transaction.execute(select(*columns, head, whose).where(each.column.is_not(None)).order_by(*columns))
        )
