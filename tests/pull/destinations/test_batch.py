"""Rows as plain values: the same text wherever they go."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from tests.pull.destinations.ground import COLUMNS, batch, bill


def test_plain_values_have_one_spelling() -> None:
    stamps = [datetime(2026, 3, 20, 10, tzinfo=UTC), datetime(2026, 3, 20, 10, 0, 0, 5, tzinfo=UTC)]
    rows = [bill(i, **{COLUMNS[-1].name: stamp}) for i, stamp in enumerate(stamps)]
    rows[0] |= {"total": Decimal("0"), "day": None, "paid": None}
    rows[1] |= {"total": Decimal("-7"), "day": date(1, 2, 3)}
    assert batch(rows).columns() == [
        ["0", "1"],
        ["bill 0", "bill 1"],
        ["0.00", "-7.00"],
        [30, 30],
        [None, False],
        [None, "0001-02-03"],
        ["2026-03-20T10:00:00Z", "2026-03-20T10:00:00.000005Z"],
    ]


def test_of_a_key_that_comes_twice_the_later_row_counts() -> None:
    found = batch([bill(1), bill(2), bill(1, name="later")]).unique()
    assert (found.keys, found.columns()[1]) == (["2", "1"], ["bill 2", "later"])
    assert found.arrow().column("key").to_pylist() == found.keys


def test_some_rows_of_a_batch_are_those_rows() -> None:
    whole = batch([bill(i) for i in range(5)])
    for at in ([0, 2, 3], range(1, 4), [4], []):
        assert whole.only(at).arrow().column("key").to_pylist() == whole.only(at).keys == [str(i) for i in at]
