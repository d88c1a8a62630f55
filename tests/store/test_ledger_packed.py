"""Records as one value of one row are what they were, also as earlier versions packed them."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.store.ledger_facts import Entry
from tieout.store.ledger_packed import columns, pack, pack_columns, unpack

DIGITS = "0123456789abcdef"
ENTRIES = st.builds(
    Entry,
    source_id=st.text(),
    payload_hash=st.text(DIGITS, min_size=64, max_size=64) | st.sampled_from(["h", "AB" * 32, " " * 64]),
    rows=st.text(),
    totals=st.text(),
    entries=st.lists(st.text(), max_size=2).map(tuple),
    attempt=st.integers(0, 9),
    facts=st.none() | st.text(min_size=1),
)


@given(st.lists(ENTRIES, min_size=1, max_size=9))
def test_what_is_packed_is_unpacked(records: list[Entry]) -> None:
    assert unpack(pack(records).data) == records
    assert list(columns(pack(records).data)[0]) == pack(records).ids == [record.source_id for record in records]


@given(st.lists(ENTRIES, min_size=1, max_size=9))
def test_columns_are_packed_as_the_records_that_they_make(entries: list[Entry]) -> None:
    records = [Entry(each.source_id, each.payload_hash, each.rows, each.totals) for each in entries]
    of = [[getattr(r, name) for r in records] for name in ("source_id", "payload_hash", "rows", "totals")]
    assert pack_columns(*of) == pack(records)


@pytest.mark.parametrize("hashes", [("ab" * 32, "cd" * 32), ("ab" * 32, "h")])
def test_what_an_earlier_version_packed_is_unpacked(hashes: tuple[str, ...]) -> None:
    records = [Entry(f"S{n}", each, "[2]", "{}", (f"r{n}",), n, facts="{}") for n, each in enumerate(hashes)]
    facts = [(r.source_id, r.payload_hash, r.rows, r.totals, r.entries, r.attempt, r.facts) for r in records]
    assert unpack(zlib.compress(msgspec.json.encode(facts), 1)) == records
