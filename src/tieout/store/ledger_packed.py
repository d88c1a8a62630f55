"""The records of a request, or of a part of a run, and the names that Intacct gave them, as values of one row:
compressed JSON, no bodies.

What may never come to be a record of its own, or only later, is not worth a row each at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from tieout.store.ledger_facts import Entry, Packed, Posted

_EARLIER = msgspec.json.Decoder(list[tuple[str, str, str, str, tuple[str, ...], int, str | None]])
"""How records were packed before version 0021 of the state database: one after the other, nothing apart."""
_POSTED = msgspec.json.Decoder(Posted)
_encode = msgspec.json.Encoder().encode
_MARK = b"\x01"
"""Begins what is packed column by column; a zlib stream never begins so."""
_DIGITS = 64


class _Columns(msgspec.Struct, array_like=True, gc=False):
    source_ids: list[str]
    rows: list[str]
    totals: list[str]
    entries: list[tuple[str, ...]] | None
    attempts: list[int] | None
    facts: list[str | None] | None
    hashes: list[str] | None
    """None where they are hexadecimal, as they always are: kept apart as bytes, since nothing makes them shorter."""


_COLUMNS = msgspec.json.Decoder(_Columns)


def pack(records: Sequence[Entry]) -> Packed:
    """Records in their order; what is wrong with them (`error`) is not kept."""
    source_ids = [r.source_id for r in records]
    found = _Columns(
        source_ids,
        [r.rows for r in records],
        [r.totals for r in records],
        [tuple(r.entries) for r in records] if any(r.entries for r in records) else None,
        [r.attempt for r in records] if any(r.attempt for r in records) else None,
        [r.facts for r in records] if any(r.facts for r in records) else None,
        None,
    )
    return Packed(source_ids, _packed(found, [r.payload_hash for r in records]))


def pack_columns(source_ids: list[str], hashes: Sequence[str], rows: list[str], totals: list[str]) -> Packed:
    """The same for records of single rows that never went out."""
    return Packed(source_ids, _packed(_Columns(source_ids, rows, totals, None, None, None, None), hashes))


def _packed(found: _Columns, hashes: Sequence[str]) -> bytes:
    apart = _bytes_of(hashes)
    if apart is None:
        found.hashes = list(hashes)
    packed = zlib.compress(_encode(found), 1)
    return b"".join((_MARK, len(packed).to_bytes(4), packed, apart or b""))


def unpack(packed: bytes) -> list[Entry]:
    return [
        Entry(source_id, payload_hash, rows, totals, entries, attempt, facts=facts)
        for source_id, payload_hash, rows, totals, entries, attempt, facts in zip(*columns(packed), strict=True)
    ]


def columns(packed: bytes) -> tuple[Sequence[Any], ...]:
    """The same column by column: source ids, hashes, rows, totals, row ids, epochs, facts."""
    if not packed.startswith(_MARK):
        return tuple(zip(*_EARLIER.decode(zlib.decompress(packed)), strict=True))
    end = 5 + int.from_bytes(packed[1:5])
    found = _COLUMNS.decode(zlib.decompress(packed[5:end]))
    count = len(found.source_ids)
    hashes = found.hashes
    if hashes is None:
        digits = packed[end:].hex()
        hashes = [digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)]
    return (
        found.source_ids,
        hashes,
        found.rows,
        found.totals,
        found.entries or [()] * count,
        found.attempts or [0] * count,
        found.facts or [None] * count,
    )


def _bytes_of(hashes: Sequence[str]) -> bytes | None:
    """Hashes of 64 digits each, as bytes; None where they are anything else."""
    if any(len(each) != _DIGITS for each in hashes):
        return None
    digits = "".join(hashes)
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return None
    return found if found.hex() == digits else None


def pack_posted(posted: Posted) -> bytes:
    return zlib.compress(_encode(posted), 1)


def unpack_posted(packed: bytes) -> Posted:
    return _POSTED.decode(zlib.decompress(packed))
