"""Records that a program hands over come through as they are, whoever made the table, without binary noise."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.push.support import settings
from tieout.errors import SourceError
from tieout.push.settings import Skip
from tieout.push.sources import Source, open_source

RECORDS = settings(object="customers", id="id")


def opened(given: object, **more: Any) -> Source:
    return open_source(settings(object="customers", id="id", **more), None, "[push.x]", given)


def read(given: object, **more: Any) -> list[dict[str, Any]]:
    return [dict(row.values) for row in opened(given, **more).rows()]


class Capsule:
    """A table of some other library: all that is known of it is the Arrow protocol."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


class NAType:
    """pandas' NA as it behaves: to compare it gives no answer."""

    def __eq__(self, other: object) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class Frame:
    """A table that gives its rows as dicts, as pandas does."""

    columns = ("id", "amount")

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        return [{"id": 1, "amount": float("nan")}, {"id": 2, "amount": 0.1 + 0.2}]


def test_mappings_of_a_generator_are_read_as_they_come() -> None:
    taken = []

    def records() -> Iterator[Mapping[str, Any]]:
        for number in range(3):
            taken.append(number)
            yield {"id": number}

    rows = opened(records()).rows()
    assert next(rows) == (1, {"id": 0})
    assert taken == [0]
    assert [row.number for row in rows] == [2, 3]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1 + 0.2, Decimal("0.3")),
        (7.0, 7),
        (-0.0, 0),
        (1234567.89, Decimal("1234567.89")),
        (1e-7, Decimal("1E-7")),
        (float(2**53 - 1), 2**53 - 1),
        (float("nan"), None),
        (NAType(), None),
        (Decimal("1.10"), Decimal("1.10")),
        (date(2026, 1, 31), date(2026, 1, 31)),
        (time(7, 30), "07:30:00"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        ({"key": 7.0, "sub": [1.5]}, {"key": 7, "sub": [Decimal("1.5")]}),
        (True, True),
    ],
)
def test_values_of_mappings(value: object, expected: object) -> None:
    [record] = read([{"id": 1, "value": value}])
    assert record["value"] == expected
    assert type(record["value"]) is type(expected)


@pytest.mark.parametrize(
    ("value", "words"), [(float("inf"), "inf"), (Decimal("NaN"), "NaN"), (b"x", "bytes"), (object(), "the type object")]
)
def test_a_value_that_is_none_is_named_with_its_place(value: object, words: str) -> None:
    with pytest.raises(SourceError, match=rf"The given records, row 2, column 'amount' holds .*{words}"):
        read([{"amount": 1}, {"amount": value}])


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_money_held_in_floats_comes_back_to_the_cent(amount: Decimal) -> None:
    [record] = read([{"amount": float(amount)}])
    assert record["amount"] == amount


@given(st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=20))
def test_sums_of_cents_in_floats_show_no_binary_noise(cents: list[int]) -> None:
    [record] = read([{"amount": sum(cent / 100 for cent in cents)}])
    assert abs(record["amount"] - Decimal(sum(cents)) / 100) < Decimal("1e-6")
    assert len(Decimal(record["amount"]).as_tuple().digits) <= 15


def test_what_is_no_table_is_refused_with_what_would_be() -> None:
    for wrong in ("rows.csv", b"a,b", 5, {"id": [1]}):
        with pytest.raises(SourceError, match="not rows") as caught:
            opened(wrong)
        assert "iterable of dicts" in caught.value.advice
    with pytest.raises(SourceError, match="cannot be read as an Arrow table"):
        read(pa.chunked_array([[1, 2]]))  # one column: no names
    with pytest.raises(SourceError, match="row 1: a int is no mapping"):
        read([1])


TABLE = pa.table(
    {
        "id": pa.array([7.0, None, 12.0]),
        "amount": pa.array([0.1 + 0.2, 1234.56, 3.0]),
        "rate": pa.array([0.1, 2.5, None], pa.float32()),
        "money": pa.array([Decimal("1.10"), Decimal("2.00"), None], pa.decimal128(12, 2)),
        "day": pa.array([date(2026, 1, 31), None, date(2024, 2, 29)]),
        "at": pa.array([datetime(2026, 1, 31, 17, tzinfo=UTC), None, None], pa.timestamp("ns", "UTC")),
        "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        "ok": pa.array([True, False, None]),
        "whole": pa.array([1, None, 3], pa.int64()),
        "nested": pa.array([{"a": 1.0}, None, {"a": 0.5}]),
    }
)
ROWS: list[dict[str, Any]] = [
    {
        "id": 7,
        "amount": Decimal("0.3"),
        "rate": Decimal("0.1"),
        "money": Decimal("1.10"),
        "day": date(2026, 1, 31),
        "at": datetime(2026, 1, 31, 17, tzinfo=UTC),
        "kind": "x",
        "ok": True,
        "whole": 1,
        "nested": {"a": 1},
    },
    {
        "id": None,
        "amount": Decimal("1234.56"),
        "rate": Decimal("2.5"),
        "money": Decimal("2.00"),
        "day": None,
        "at": None,
        "kind": "y",
        "ok": False,
        "whole": None,
        "nested": None,
    },
    {
        "id": 12,
        "amount": 3,
        "rate": None,
        "money": None,
        "day": date(2024, 2, 29),
        "at": None,
        "kind": "x",
        "ok": None,
        "whole": 3,
        "nested": {"a": Decimal("0.5")},
    },
]


@pytest.mark.parametrize(
    "given",
    [
        TABLE,
        Capsule(TABLE),
        TABLE.to_batches()[0],
        pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=2)),
    ],
    ids=["table", "protocol only", "batch", "reader"],
)
def test_an_arrow_table_comes_through_whatever_carries_it(given: object) -> None:
    found = opened(given)
    assert found.columns == tuple(TABLE.column_names)
    rows = list(found.rows())
    assert [dict(row.values) for row in rows] == ROWS
    assert [row.number for row in rows] == [1, 2, 3]
    assert type(rows[0].values["id"]) is int


def test_nan_of_a_calculation_is_named_not_taken_for_blank() -> None:
    table = pa.table({"id": list(range(6000)), "amount": [1.5] * 5999 + [float("nan")]})
    with pytest.raises(SourceError, match="row 6000, column 'amount' holds NaN"):
        read(table)


def test_a_table_with_a_column_twice_is_refused() -> None:
    with pytest.raises(SourceError, match="'a' occurs twice"):
        read(pa.table([[1], [2]], names=["a", "a"]))


def test_a_frame_gives_its_rows_itself_where_arrow_is_not_spoken() -> None:
    assert read(Frame()) == [{"id": 1, "amount": None}, {"id": 2, "amount": Decimal("0.3")}]


def test_pandas_and_polars_frames() -> None:
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    day = datetime(2026, 1, 31)  # noqa: DTZ001 - frames have dates without a zone
    rows = [{"id": 1, "amount": 0.1 + 0.2, "day": day}, {"id": 2, "amount": None, "day": None}]
    expected = [
        {"id": 1, "amount": Decimal("0.3"), "day": day},
        {"id": 2, "amount": None, "day": None},
    ]
    frame = pandas.DataFrame(rows)
    assert read(frame) == read(frame[frame.id > 0].iloc[::1]) == read(frame.to_dict("records")) == expected
    assert read(frame.set_index(pandas.Index(["p", "q"]))) == expected
    assert read(polars.DataFrame(rows)) == expected
    mixed = pandas.DataFrame({"id": [1, "b"], "amount": [0.5, None]})
    assert read(mixed) == [{"id": 1, "amount": Decimal("0.5")}, {"id": "b", "amount": None}]


def test_the_hash_is_of_the_rows_whoever_delivers_them() -> None:
    rows = [{"b": "x", "a": 1.5}, {"b": None, "a": 2.0}]
    found = [opened(rows), opened([dict(reversed(r.items())) for r in rows]), opened(pa.Table.from_pylist(rows))]
    for source in found:
        list(source.rows())
    other = opened([*rows, rows[0]])
    list(other.rows())
    assert len({source.sha256 for source in found}) == 1
    assert other.sha256 != found[0].sha256


def test_rows_that_the_section_skips_are_counted_not_given() -> None:
    rows = [{"id": 1, "s": "Draft"}, {"id": 2, "s": " draft "}, {"id": 3, "s": "Drafted"}, {"id": 4}]
    found = opened(rows, skip={"column": "s", "value": ["Draft", "Void"]})
    assert [row.values["id"] for row in found.rows()] == [3, 4]
    assert (found.row_count, found.skipped_rows, dict(found.skipped)) == (2, 2, {"s Draft": 2})
    assert found.notes == ["Rows left out by skip in [push.x]: s Draft: 2."]
    with pytest.raises(SourceError, match=r"skip in .* names the column 'S'") as caught:
        list(opened(pa.table({"s": ["x"]}), skip={"column": "S", "value": "x"}).rows())
    assert "'s'" in caught.value.advice


@pytest.mark.parametrize(
    ("value", "cell", "fits"),
    [("#", "#", True), ("#", "# a note", True), ("#", "", False), ("x", "xy", False), ("", "", True), ("", "x", False)],
)
def test_marks_are_enough_at_the_beginning_of_a_cell_and_words_are_not(value: str, cell: str, fits: bool) -> None:
    assert Skip.fits(cell, value) is fits


def test_without_a_source_and_without_records_there_is_nothing_to_read() -> None:
    with pytest.raises(SourceError, match="names no source") as caught:
        open_source(RECORDS, None, "[push.x]")
    assert "records=" in caught.value.advice
