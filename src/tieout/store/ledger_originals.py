"""The source rows of records that are not posted, and what people changed in them. Beside the ledger, of one scope.

Knows sealed bytes and who may open them, not what a row is.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, insert, select, update

from tieout.store.bulk import insert_many
from tieout.store.ledger_facts import Correction, Origin, Original, Scope, Seal, now_text
from tieout.store.ledger_tables import push_corrections, push_originals, push_records

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from tieout.store.engine import Store
    from tieout.store.leases import Lease

_CHUNK = 500
_decode_names = lru_cache(100)(msgspec.json.Decoder(tuple[str, ...]).decode)
"""The same columns stand with every record of a source."""
_decode_change = msgspec.json.Decoder(tuple[str | None, str | None]).decode
_decode_origins = msgspec.json.Decoder(tuple[tuple[Origin, ...], tuple[int, ...]]).decode


def _correction_id(scope: Scope, correction: Correction, sha256: str) -> str:
    """The same for the same cell of the same file, however often it comes back: a run may be killed and begun anew."""
    facts = [scope.company, scope.environment, correction.entity, scope.push, correction.source_id]
    facts += [str(correction.row), correction.column, sha256]
    return str(uuid.uuid5(uuid.NAMESPACE_OID, msgspec.json.encode(facts).decode()))


def original_id(scope: Scope, source_id: str) -> str:
    """What a record is called in files that go out and come back: the same each time, and meaning nothing."""
    facts = [scope.company, scope.environment, scope.entity, scope.push, source_id]
    return base64.b32encode(hashlib.sha256(msgspec.json.encode(facts)).digest()[:10]).decode().lower()


class Originals:
    """The kept rows of one scope. Every method is one transaction; those that write first assure the lease."""

    def __init__(self, store: Store, scope: Scope, seal: Seal, owner: str) -> None:
        self._store, self._scope, self._seal, self._owner = store, scope, seal, owner

    def keep(self, lease: Lease, originals: Sequence[Original]) -> None:
        """Write the rows of records, in place of what was kept of them before."""
        moment = now_text()
        rows: list[dict[str, Any]] = []
        seal = self._sealing()
        for original in originals:
            id = original_id(self._scope, original.source_id)
            sealed = seal.encrypt(zlib.compress(original.rows or b"", 1), rows_context(id), self._owner)
            rows.append(
                self._scope.values()
                | {
                    "id": id,
                    "source_id": original.source_id,
                    "generation": original.generation,
                    "columns": msgspec.json.encode(original.columns).decode(),
                    "rows_sealed": sealed,
                    "origins": _packed(original.origins),
                    "kept_at": moment,
                }
            )
        with self._store.begin() as connection:
            lease.assure(connection)
            for start in range(0, len(rows), _CHUNK):
                part = rows[start : start + _CHUNK]
                connection.execute(delete(push_originals).where(push_originals.c.id.in_([row["id"] for row in part])))
                connection.execute(insert(push_originals), part)

    def settle(self, lease: Lease) -> None:
        """Drop the rows of records that are posted as their source has them, dismissed, or in no ledger any more."""
        mine, records = push_originals.c, push_records.c
        kept = (self._mine(), mine.rows_sealed.is_not(None))
        # Asked once, not for each row: no index finds the lines of a record without their operation and step.
        waits = select(records.source_id).where(
            *(records[name] == value for name, value in self._scope.values().items()),
            (records.state != "posted") | records.error.is_not(None) | records.gone_at.is_not(None),
            records.dismissed_at.is_(None),
        )
        with self._store.begin() as connection:
            lease.assure(connection)
            if connection.execute(select(mine.id).where(*kept).limit(1)).first() is not None:
                gone = update(push_originals).where(*kept, mine.source_id.not_in(waits))
                connection.execute(gone.values(rows_sealed=None))

    def of(self, source_ids: Sequence[str]) -> dict[str, Original]:
        """What is kept of these records, by source id; those that are settled left out."""
        found = self.by_id([original_id(self._scope, source_id) for source_id in source_ids])
        return {original.source_id: original for original in found.values() if original.rows is not None}

    def by_id(self, ids: Iterable[str]) -> dict[str, Original]:
        """What is kept under these names, in any entity of this push; settled ones without their rows."""
        wanted = list(ids)
        columns = push_originals.c
        scope = self._scope.values()
        ours = [columns[name] == scope[name] for name in ("company", "environment", "push")]
        found: dict[str, Original] = {}
        with self._store.read() as connection:
            for start in range(0, len(wanted), _CHUNK):
                chosen = columns.id.in_(wanted[start : start + _CHUNK])
                rows = connection.execute(select(push_originals).where(*ours, chosen)).all()
                seal = self._seal.as_seen(connection, self._owner, *(row.rows_sealed for row in rows))
                for row in rows:
                    sealed = row.rows_sealed
                    found[row.id] = Original(
                        source_id=row.source_id,
                        generation=row.generation,
                        columns=_decode_names(row.columns),
                        rows=None if sealed is None else zlib.decompress(seal.decrypt(sealed, rows_context(row.id))),
                        entity=row.entity,
                        origins=_unpacked(row.origins),
                    )
        return found

    def kept(self, source_ids: Sequence[str]) -> set[str]:
        """Of which of these records something is kept and not settled."""
        names = {original_id(self._scope, source_id): source_id for source_id in source_ids}
        ids, columns = list(names), push_originals.c
        found: set[str] = set()
        with self._store.read() as connection:
            for start in range(0, len(ids), _CHUNK):
                chosen = (columns.id.in_(ids[start : start + _CHUNK]), columns.rows_sealed.is_not(None))
                found.update(names[id] for id in connection.scalars(select(columns.id).where(*chosen)))
        return found

    def columns(self) -> list[tuple[str, ...]]:
        """The columns of what is kept and not settled, as the sources have them."""
        kept = (self._mine(), push_originals.c.rows_sealed.is_not(None))
        query = select(push_originals.c.columns).distinct().where(*kept).order_by(push_originals.c.columns)
        with self._store.read() as connection:
            return [_decode_names(text) for text in connection.scalars(query)]

    # What people changed -------------------------------------------------------------------------------------------

    def record(self, lease: Lease, run_id: str, corrections: Sequence[Correction], sha256: str) -> None:
        """Write down what was changed in a file of this hash, for good; what is written down already stays as it is."""
        rows = []
        seal = self._sealing()
        for each in corrections:
            id = _correction_id(self._scope, each, sha256)
            change = msgspec.json.encode((each.before, each.after))
            sealed = seal.encrypt(change, change_context(id), self._owner)
            rows.append((id, each.entity, each.source_id, each.row, each.column, sealed, each.by, each.file, each.at))
        same = {**self._scope.values(), "run_id": run_id}
        del same["entity"]
        names = ("id", "entity", "source_id", "row", "column", "change_sealed", "by", "file", "at")
        with self._store.begin() as connection:
            lease.assure(connection)
            insert_many(connection, push_corrections, same, names, rows, "on conflict (id) do nothing")

    def corrections(self) -> Iterator[Correction]:
        """What was ever changed in rows of this push, in any entity, the earliest first; None for what was erased."""
        columns, scope = push_corrections.c, self._scope.values()
        ours = [columns[name] == scope[name] for name in ("company", "environment", "push")]
        query = select(push_corrections).where(*ours).order_by(columns.at, columns.row, columns.id)
        with self._store.read() as connection:
            for row in connection.execute(query):
                change: tuple[str | None, str | None] = (None, None)
                if row.change_sealed is not None:
                    change = _decode_change(self._seal.decrypt(row.change_sealed, change_context(row.id)))
                yield Correction(
                    source_id=row.source_id,
                    row=row.row,
                    column=row.column,
                    before=change[0],
                    after=change[1],
                    by=row.by,
                    at=row.at,
                    file=row.file,
                    entity=row.entity,
                )

    def _sealing(self) -> Seal:
        with self._store.read() as connection:
            return self._seal.as_seen(connection, self._owner)

    def _mine(self) -> ColumnElement[bool]:
        return and_(*(push_originals.c[name] == value for name, value in self._scope.values().items()))


def rows_context(id: str) -> str:
    return f"push_originals/{id}/rows"


def change_context(id: str) -> str:
    return f"push_corrections/{id}/change"


def _packed(origins: Sequence[Origin]) -> str | None:
    """Each origin once, and for each row which it is: most documents have one, some have thousands of rows."""
    if not origins:
        return None
    places = {origin: place for place, origin in enumerate(dict.fromkeys(origins))}
    return msgspec.json.encode((tuple(places), [places[origin] for origin in origins])).decode()


def _unpacked(text: str | None) -> tuple[Origin, ...]:
    if text is None:
        return ()
    origins, places = _decode_origins(text)
    return tuple(origins[place] for place in places)
