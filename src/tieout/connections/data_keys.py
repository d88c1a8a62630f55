"""The keys that encrypt: one an owner, kept in the state database under a master key. Knows no secret they encrypt.

A key is unwrapped once and then held for at most LIFE seconds; each use looks whether its row is still there, so that
erasing an owner's keys works in every program at once. Uses within one transaction look together (`as_seen`).
"""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from tieout.connections import audit, rows
from tieout.connections.keys import Keys
from tieout.connections.wrapping import KmsUnreachableError
from tieout.errors import ConfigurationError
from tieout.store import Store
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction
    from sqlalchemy import Select

KEY_BYTES = 32
LIFE = 3600.0
"""Seconds for which an unwrapped key is used before the master key is asked again."""
FRESH = LIFE / 2
"""Seconds after which it is asked again where that is possible: a service that is away for less is not noticed."""
AHEAD = 300.0
"""Seconds that a key must still have before something begins that must not fail for want of it."""
PAUSE = 30.0
"""Seconds without another try after the service did not answer."""


class _Held:
    """An unwrapped key, and until when. The repr shows none of it."""

    def __init__(self, value: bytes, now: float) -> None:
        self.value, self.ask, self.ends = value, now + FRESH, now + LIFE


class DataKeys:
    """The data keys of a state database."""

    def __init__(self, store: Store, keys: Keys, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._keys, self._clock = store, keys, clock
        self._held: dict[str, _Held] = {}
        self._seen: dict[str, Any] = {}
        """By id: rows that need not be looked for again."""

    def as_seen(self, transaction: Transaction, owner: str, ids: Collection[uuid.UUID]) -> DataKeys:
        """These keys as a transaction finds them: an owner's, and those of some ids."""
        found = copy.copy(self)
        row = _current(transaction, owner)
        found._seen = {} if row is None else {row.id: row}
        for id in {str(id) for id in ids} - found._seen.keys():
            row = transaction.execute(_by_id(), {"key": id}).first()
            found._seen |= {} if row is None else {id: row}
        return found

    def current(self, owner: str, *, lasting: float = 0.0) -> tuple[uuid.UUID, bytes]:
        """The key that encrypts for an owner, made where there is none; in the transaction of this thread, if it is in
        one. `lasting` is for how many seconds it has to be good.

        Raises ConfigurationError where the master key is missing, wrong or refused, KmsUnreachableError where it does
        not answer."""
        row = next((row for row in self._seen.values() if row.owner == owner and row.retired_at is None), None)
        if row is None:
            with self._store.joined(reading=True) as transaction:
                row = _current(transaction, owner)
        if row is None or self._exposed(row.wrapped_by):
            row = self.make(owner, instead_of=row)
        return uuid.UUID(row.id), self._unwrapped(row, lasting)

    def get(self, id: uuid.UUID) -> bytes:
        """A key by its id. Raises as `current`, and ConfigurationError where it was erased."""
        row = self._seen.get(str(id))
        if row is None:
            with self._store.joined(reading=True) as transaction:
                row = transaction.execute(_by_id(), {"key": str(id)}).first()
        if row is None:
            self._held.pop(str(id), None)
            raise ConfigurationError(
                "A secret cannot be opened: the data key that encrypted it was erased.",
                advice="Its owner was removed, or the state database was restored in part: connect again.",
            )
        return self._unwrapped(row, 0.0)

    def make(self, owner: str, *, instead_of: Any = None) -> Any:
        """A new key for an owner -> its row, or the row that another program was faster with. `instead_of` is the row
        of the one that it replaces, which then only opens."""
        from sqlalchemy import insert, update

        from tieout.store.access_tables import data_keys

        id, value, now = str(uuid.uuid4()), os.urandom(KEY_BYTES), rows.now_text()
        name, blob = self._keys.first().wrapper.wrap(value + _binding(id, owner))
        row = {"id": id, "owner": owner, "wrapped": blob, "wrapped_by": name, "created_at": now}
        with self._store.joined() as transaction:
            rows.hold_owner(self._store, transaction, owner)
            audit.lock(self._store, transaction)  # one at a time, over all programs
            found = _current(transaction, owner)
            if found is not None and (instead_of is None or found.id != instead_of.id):
                return found
            if found is not None:
                transaction.execute(update(data_keys).where(data_keys.c.id == found.id).values(retired_at=now))
            transaction.execute(insert(data_keys).values(row))
            audit.append(
                self._store,
                transaction,
                "key made",
                owner=owner,
                subjects={"data_key": id},
                facts={"wrapped by": name},
            )
            made = _current(transaction, owner)
        self._held[id] = _Held(value, self._clock())
        reached("vault.key")
        return made

    def forget(self, owner: str) -> int:
        """Erase an owner's keys -> how many. Nothing that they encrypted opens again, in any program. Takes part in
        the transaction of this thread, if it is in one."""
        from sqlalchemy import delete, select

        from tieout.store.access_tables import data_keys

        with self._store.joined() as transaction:
            audit.lock(self._store, transaction)
            gone = list(transaction.execute(select(data_keys.c.id).where(data_keys.c.owner == owner)).scalars())
            transaction.execute(delete(data_keys).where(data_keys.c.owner == owner))
            if gone:
                audit.append(self._store, transaction, "keys erased", owner=owner, facts={"keys": len(gone)})
        for id in gone:
            self._held.pop(id, None)
        return len(gone)

    def unwrap(self, row: Any) -> bytes:
        """A row's key, from the master key, whatever is held. Raises as `current`."""
        for master in self._keys.masters():
            try:
                found = master.wrapper.unwrap(row.wrapped_by, row.wrapped)
            except LookupError:
                continue
            if found[KEY_BYTES:] != _binding(row.id, row.owner):
                raise ConfigurationError(
                    "A data key in the state database was moved from another owner.",
                    advice="Restore the state database from a backup.",
                )
            return found[:KEY_BYTES]
        raise self._keys.not_at_hand(row.wrapped_by)

    def wrap(self, row: Any) -> tuple[str, bytes]:
        """A row's key under the master key that encrypts now -> its name, and what came of it."""
        return self._keys.first().wrapper.wrap(self.unwrap(row) + _binding(row.id, row.owner))

    def _exposed(self, name: str) -> bool:
        """Whether only the simulators' key file, which lies beside the database, guards a key, and a better one is
        wanted."""
        files = [master.wrapper for master in self._keys.masters() if not master.own]
        return any(getattr(key, "name", "") == name for key in files) and self._keys.first().wrapper not in files

    def _unwrapped(self, row: Any, lasting: float) -> bytes:
        now = self._clock()
        held = self._held.get(row.id)
        if held is not None and now < held.ask and now + lasting < held.ends:
            return held.value
        try:
            value = self.unwrap(row)
        except KmsUnreachableError:
            if held is None or now + lasting >= held.ends:
                raise
            held.ask = now + PAUSE
            return held.value
        except ConfigurationError:
            self._held.pop(row.id, None)
            raise
        self._held[row.id] = _Held(value, now)
        return value

    def __repr__(self) -> str:
        return "DataKeys()"


def _binding(id: str, owner: str) -> bytes:
    """What ties a wrapped key to its row, whatever the master key can bind."""
    return hashlib.sha256(f"tieout data key\0{id}\0{owner}".encode()).digest()[:16]


def _current(transaction: Transaction, owner: str) -> Any:
    return transaction.execute(_of_owner(), {"of": owner}).first()


@functools.cache
def _of_owner() -> Select[Any]:
    from sqlalchemy import bindparam, select

    from tieout.store.access_tables import data_keys

    return select(data_keys).where(data_keys.c.owner == bindparam("of"), data_keys.c.retired_at.is_(None))


@functools.cache
def _by_id() -> Select[Any]:
    from sqlalchemy import bindparam, select

    from tieout.store.access_tables import data_keys

    return select(data_keys).where(data_keys.c.id == bindparam("key"))
