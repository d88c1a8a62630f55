"""The records of a request, or of a part of a run, and the names that Intacct gave them, as values of one row:
compressed JSON, no bodies.

What may never come to be a record of its own, or only later, is not worth a row each at once.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from tieout.store.ledger_facts import Entry, Posted

_ENTRIES = msgspec.json.Decoder(list[tuple[str, str, str, str, tuple[str, ...], int, str | None]])
_POSTED = msgspec.json.Decoder(Posted)
_encode = msgspec.json.Encoder().encode


def pack(records: Sequence[Entry]) -> bytes:
    """Records in their order; what is wrong with them (`error`) is not kept."""
    facts = [(r.source_id, r.payload_hash, r.rows, r.totals, r.entries, r.attempt, r.facts) for r in records]
    return zlib.compress(_encode(facts), 1)


def unpack(packed: bytes) -> list[Entry]:
    return [
        Entry(source_id, payload_hash, rows, totals, entries, attempt, facts=facts)
        for source_id, payload_hash, rows, totals, entries, attempt, facts in _ENTRIES.decode(zlib.decompress(packed))
    ]


def columns(packed: bytes) -> list[tuple[Any, ...]]:
    """The same column by column: source ids, hashes, rows, totals, row ids, epochs, facts."""
    return list(zip(*_ENTRIES.decode(zlib.decompress(packed)), strict=True))


def pack_posted(posted: Posted) -> bytes:
    return zlib.compress(_encode(posted), 1)


def unpack_posted(packed: bytes) -> Posted:
    return _POSTED.decode(zlib.decompress(packed))
