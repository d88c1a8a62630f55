"""Rows handed over as they came are the rows that the careful way makes of the same page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pull.reading.test_decode import COLUMNS, GOOD, page
from tieout.pull.destinations.plain_batch import PlainBatch
from tieout.pull.reading.decode import Decoder

PLAIN = tuple(column for column in COLUMNS if column.path != "extra")
odd = st.sampled_from([None, "", "x", 5, 2**63, 1.5, True, [], "\0", "\ud800"])
SOME: dict[str, st.SearchStrategy[Any]] = {
    "key": st.text(min_size=1, max_size=3),
    "name": st.text(max_size=3) | odd,
    "total": st.decimals(-100, 100, places=2).map(str)
    | st.sampled_from(["0.00", "-0.00", "-0.01", "00.10", "+1.00", "7", "-12.5", "1e2", "1.234", "9" * 37]) | odd,
    "rate": st.integers() | st.floats(allow_nan=False, allow_infinity=False) | odd,
    "days": st.integers(-(2**64), 2**64) | odd,
    "flag": st.booleans() | odd,
    "due": st.dates().map(str) | st.sampled_from(["2026-02-30", "2026-2-3", "20260203"]) | odd,
    "audit.modifiedDateTime": st.datetimes().map(lambda at: f"{at.isoformat()}Z")
    | st.sampled_from(["2026-01-02 03:04:05Z", "2026-01-02T03:04:05+02:00", "2026-01-02", "2026-01-02T03:04:05.250Z"])
    | odd,
}  # fmt: skip


@given(st.lists(st.fixed_dictionaries(SOME), max_size=4))
@example([GOOD | {"total": "-0.00"}, GOOD])
@example([GOOD | {"audit.modifiedDateTime": "2026-01-02 03:04:05Z"}])
def test_they_are_what_the_careful_way_makes(rows: list[dict[str, Any]]) -> None:
    body = page(*rows)
    quick, careful = Decoder(PLAIN, tuples=True).read(body), Decoder(PLAIN).read(body)
    assert quick.batch.tuples() == careful.batch.tuples()
    assert (quick.batch.keys, quick.misfits, quick.rows) == (careful.batch.keys, careful.misfits, careful.rows)
    assert quick.batch.arrow().equals(careful.batch.arrow())
    for column in PLAIN:
        assert quick.batch.nulls(column.name) == careful.batch.nulls(column.name)


@pytest.mark.parametrize(
    ("row", "kept"),
    [(GOOD, True), (GOOD | {"days": None, "total": "-0.00", "due": None}, True), (GOOD | {"total": 5}, False)],
)
def test_only_a_page_that_fits_is_handed_over_as_it_came(row: dict[str, Any], kept: bool) -> None:
    assert isinstance(Decoder(PLAIN, tuples=True).read(page(row)).batch, PlainBatch) is kept


def test_after_a_misfit_the_other_columns_are_still_read_whole() -> None:
    decoder = Decoder(PLAIN, tuples=True)
    found = decoder.read(page(GOOD, GOOD | {"key": "2", "days": "many"}))
    assert [misfit.field for misfit in found.misfits] == ["days"]
    assert [row[0] for row in found.batch.tuples()] == ["1", "2"]
    assert decoder.read(json.dumps(json.loads(page(GOOD))).encode()).misfits == []
