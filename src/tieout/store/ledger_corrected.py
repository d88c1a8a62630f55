"""What a source said of records that people corrected outside it, and which records hold the corrections. Of one scope.

Written before such a record goes out and never taken back: whether it arrived is in the ledger. Knows hashes, no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import select

from tieout.store.bulk import among, insert_many
from tieout.store.ledger_facts import Scope, now_text
from tieout.store.ledger_tables import push_corrected

if TYPE_CHECKING:
    from tieout.store.engine import Store
    from tieout.store.leases import Lease

_CHUNK = 500


class Became(NamedTuple):
    """A record that holds corrected rows, or was to."""

    entity: str
    """As the ledger has it."""
    source_id: str
    payload_hash: str
    """Of the corrected document."""


_BECAME = msgspec.json.Decoder(tuple[Became, ...])

Saying: TypeAlias = tuple[str, str]
"""(Id of a record as the source has it, a hash of what its rows said there)."""


class Corrected:
    """The sayings of one scope. Every method is one transaction; the one that writes first assures the lease."""

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store, self._scope = store, scope

    def source_ids(self) -> set[str]:
        """Records of this push that were ever corrected, in any entity, by the ids that their sources give them."""
        columns, scope = push_corrected.c, self._scope.values()
        ours = [columns[name] == scope[name] for name in ("company", "environment", "push")]
        with self._store.read() as connection:
            return set(connection.scalars(select(columns.source_id).distinct().where(*ours)))

    def of(self, source_ids: Sequence[str]) -> dict[Saying, tuple[Became, ...]]:
        """What these records of this entity ever became by being corrected."""
        columns = push_corrected.c
        found: dict[Saying, tuple[Became, ...]] = {}
        with self._store.read() as connection:
            for start in range(0, len(source_ids), _CHUNK):
                chunk = source_ids[start : start + _CHUNK]
                mine = among(connection, push_corrected, self._scope.values(), "source_id", chunk)
                for row in connection.execute(select(columns.source_id, columns.said, columns.became).where(mine)):
                    found[row.source_id, row.said] = _BECAME.decode(row.became)
        return found

    def write(self, lease: Lease, run_id: str, became: Mapping[Saying, Sequence[Became]]) -> None:
        """Write down what records of this entity become, in place of what the same saying became before."""
        rows = [(*saying, msgspec.json.encode(records).decode()) for saying, records in became.items()]
        same = self._scope.values() | {"run_id": run_id, "at": now_text()}
        key = ", ".join(column.name for column in push_corrected.primary_key.columns)
        fresh = ", ".join(f'"{name}" = excluded."{name}"' for name in ("became", "run_id", "at"))
        with self._store.begin() as connection:
            lease.assure(connection)
            conflict = f"on conflict ({key}) do update set {fresh}"
            insert_many(connection, push_corrected, same, ("source_id", "said", "became"), rows, conflict)
