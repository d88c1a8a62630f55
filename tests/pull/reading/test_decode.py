"""Pages of JSON become exact Arrow columns, and one odd value never loses a page."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.catalogue.model import Field
from tieout.errors import ReplyError
from tieout.pull.reading.cells import Misfit, convert
from tieout.pull.reading.decode import Decoder, Page
from tieout.pull.schema.names import name_columns
from tieout.pull.schema.types import Column, Kind

COLUMNS = name_columns(
    {
        "key": Field(),
        "name": Field(),
        "total": Field(format="decimal-precision-2"),
        "rate": Field(type="number"),
        "days": Field(type="integer"),
        "flag": Field(type="boolean"),
        "due": Field(format="date"),
        "audit.modifiedDateTime": Field(format="date-time"),
        "extra": Field(type="object"),
    }
)
GOOD = {
    "key": "1",
    "name": "",
    "total": "10.50",
    "rate": 1.25,
    "days": 3,
    "flag": True,
    "due": "2026-02-28",
    "audit.modifiedDateTime": "2026-01-02T03:04:05Z",
    "extra": None,
}


def page(*rows: dict[str, Any] | str, total: int | None = None) -> bytes:
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    meta = json.dumps({"totalCount": total or len(rows), "start": 1, "pageSize": 9, "next": None, "previous": None})
    return ('{"ia::result":[' + ",".join(texts) + '],"ia::meta":' + meta + "}").encode()


def rows(table: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.batch.arrow().to_pylist()
    return found


def test_every_type_arrives_exactly() -> None:
    table = Decoder(COLUMNS).read(page(GOOD, {"key": "2"}, total=77))
    first, second = rows(table)
    assert first == {
        "key": "1",
        "name": "",
        "total": Decimal("10.50"),
        "rate": Decimal("1.2500000000"),
        "days": 3,
        "flag": True,
        "due": date(2026, 2, 28),
        "audit__modifiedDateTime": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "extra": None,
    }
    assert second == dict.fromkeys(first) | {"key": "2"}
    assert (table.total, table.next, table.misfits) == (77, None, [])


def test_the_character_that_postgresql_cannot_hold_is_a_misfit_everywhere() -> None:
    decoder = Decoder(COLUMNS)
    table = decoder.read(page(GOOD | {"name": "a\0b"}, GOOD | {"key": "2", "name": "\\u0000"}, GOOD | {"key": "3\0"}))
    assert [(row["key"], row["name"]) for row in rows(table)] == [("1", None), ("2", "\\u0000")]
    assert [(one.key, one.field) for one in table.misfits] == [("", "key"), ("1", "name")]
    assert table.misfits[1].raw == r'"a\u0000b"'
    assert table.batch.keys == ["1", "2"]


@pytest.mark.parametrize("number", ["0.1", "123456789012345.6789", "-0.0000000001", "1e3", "9007199254740993"])
def test_json_numbers_keep_every_digit(number: str) -> None:
    table = Decoder(COLUMNS).read(page(f'{{"key":"1","rate":{number}}}'))
    assert rows(table)[0]["rate"] == Decimal(number)


def test_columns_nobody_asked_for_are_dropped() -> None:
    table = Decoder(COLUMNS).read(page(GOOD | {"API_QUERY_ALIAS__25": "2"}))
    assert table.batch.arrow().column_names == [c.name for c in COLUMNS]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total", "12.345"),
        ("total", "n/a"),
        ("total", ""),
        ("total", "9" * 40),
        ("rate", "1,5"),
        ("rate", {"a": 1}),
        ("days", 1.5),
        ("days", 2**63),
        ("flag", "partial"),
        ("due", "2026-02-30"),
        ("due", "02/28/2026"),
        ("due", ""),
        ("due", "0000-12-30"),
        ("audit.modifiedDateTime", "yesterday"),
        ("audit.modifiedDateTime", "0000-01-01T00:00:00Z"),
        ("audit.modifiedDateTime", "0001-01-01T00:00:00+14:00"),
        ("audit.modifiedDateTime", "9999-12-31T23:59:59-14:00"),
        ("name", ["a"]),
    ],
)
def test_a_misfit_is_null_in_its_column_and_kept_raw(field: str, value: Any) -> None:
    odd = {**GOOD, "key": "2", field: value}
    table = Decoder(COLUMNS).read(page(GOOD, odd, GOOD | {"key": "3"}))
    name = next(c.name for c in COLUMNS if c.path == field)
    one, two, three = rows(table)
    assert one | {"key": "3"} == three
    assert two == one | {"key": "2", name: None}
    ((misfit),) = table.misfits
    assert (misfit.key, misfit.field, json.loads(misfit.raw)) == ("2", field, value)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("days", "12", 12),
        ("days", 12.0, 12),
        ("flag", "true", True),
        ("rate", "1.50", Decimal("1.50")),
        ("total", 7, Decimal(7)),
        ("name", 7.10, "7.1"),
        ("name", True, "true"),
        ("audit.modifiedDateTime", "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_another_spelling_of_the_same_value_is_no_misfit(field: str, value: Any, expected: Any) -> None:
    reader = Decoder(COLUMNS)
    name = next(c.name for c in COLUMNS if c.path == field)
    for _ in range(2):  # the second page is read knowing about the column
        table = reader.read(page({**GOOD, field: value}))
        assert rows(table)[0][name] == expected
        assert table.misfits == []


def test_only_the_odd_column_is_read_slowly_from_then_on() -> None:
    reader = Decoder(COLUMNS)
    reader.read(page({**GOOD, "days": "12"}, GOOD | {"key": "2"}))
    assert reader.loose == ("days",)


def test_text_that_is_no_text_is_a_misfit() -> None:
    table = Decoder(COLUMNS).read(page('{"key":"1","name":"a\\ud800b","total":"1.00"}'))
    assert rows(table)[0]["name"] is None
    assert rows(table)[0]["total"] == Decimal("1.00")
    assert table.misfits[0].raw == '"a\\ud800b"'


GOOD_TEXT = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    ("was", "odd", "field", "raw"),
    [
        (b'"name": ""', b'"name": "M\xfcller"', "name", r'"M\udcfcller"'),
        (b'"days": 3', b'"days": ' + b"9" * 5_000, "days", None),
        (b'"days": 3', b'"days": 1e9999999', "days", "1E+9999999"),
        (b'"rate": 1.25', b'"rate": 1e99999999999999999999', "rate", '"1e99999999999999999999"'),
        (b'"rate": 1.25', b'"rate": ' + b"9" * 5_000, "rate", None),
    ],
)
def test_an_odd_byte_or_number_is_one_values_fault(was: bytes, odd: bytes, field: str, raw: str | None) -> None:
    decoder = Decoder(COLUMNS)
    second = GOOD_TEXT.replace(b'"key": "1"', b'"key": "2"').replace(was, odd)
    body = b'{"ia::result":[' + GOOD_TEXT + b"," + second + b'],"ia::meta":{"totalCount":2}}'
    for _ in range(2):  # the second page is read knowing about the column
        table = decoder.read(body)
        one, two = rows(table)
        name = next(c.name for c in COLUMNS if c.path == field)
        assert two == one | {"key": "2", name: None}
        ((misfit),) = table.misfits
        assert (misfit.key, misfit.field) == ("2", field)
        assert raw is None or misfit.raw == raw


@pytest.mark.parametrize("text", [b"a\tb", b"a\nb"])
def test_a_text_with_a_bare_control_character_is_a_text(text: bytes) -> None:
    body = page(GOOD).replace(b'"name": ""', b'"name": "' + text + b'"')
    assert rows(Decoder(COLUMNS).read(body))[0]["name"] == text.decode()


def test_what_is_nested_too_deep_loses_no_other_page_than_its_own() -> None:
    body = page(GOOD).replace(b'"extra": null', b'"extra": ' + b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(ReplyError):
        Decoder(COLUMNS).read(body)


def test_a_key_that_is_no_text_is_kept_as_a_misfit() -> None:
    table = Decoder(COLUMNS).read(page(GOOD, '{"key":"a\\ud800"}'))
    assert table.batch.keys == ["1"]
    assert [misfit.field for misfit in table.misfits] == ["key"]


def test_a_row_without_a_key_is_kept_as_a_misfit() -> None:
    table = Decoder(COLUMNS).read(page(GOOD, GOOD | {"key": None, "name": "lost"}))
    assert table.batch.keys == ["1"]
    assert table.rows == 2
    assert json.loads(table.misfits[0].raw)["name"] == "lost"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b'{"ia::result":{}}', b'{"ia::result":[1],"ia::meta":{}}', b'{"ia::result":[{"key":"1"'],
)
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(ReplyError):
        Decoder(COLUMNS).read(body)


JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9).map(float),
    st.text(max_size=8),
    st.sampled_from(["1", "-2.50", "2026-01-01", "2026-01-01T00:00:00Z", "true", "1e2", "2026-13-01"]),
    st.lists(st.integers(), max_size=1),
)


@given(
    st.lists(st.fixed_dictionaries({c.path: JSON_VALUES for c in COLUMNS[1:]}), min_size=1, max_size=4),
    st.sets(st.sampled_from(COLUMNS[1:])),
)
def test_whole_pages_and_single_values_agree(values: list[dict[str, Any]], without: set[Column]) -> None:
    """Whatever comes: each cell is the value itself or null beside a misfit, in whichever way the page was read."""
    columns = [column for column in COLUMNS if column not in without]
    table = Decoder(columns).read(page(*({"key": str(i)} | row for i, row in enumerate(values))))
    found = rows(table)
    odd = {(m.key, m.field) for m in table.misfits}
    for index, row in enumerate(values):
        for column in columns[1:]:
            cell = found[index][column.name]
            assert cell == _expected(row[column.path], column)
            if cell is None and row[column.path] is not None:
                assert (str(index), column.path) in odd


def _expected(value: Any, column: Column) -> Any:
    exact = json.loads(json.dumps(value), parse_float=Decimal)
    try:
        return convert(exact, column)
    except Misfit:
        return None


NUMBERS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.one_of(st.integers(0, 10**30), st.integers(10**26, 10**42), st.integers(10**100, 10**200)),
    st.one_of(st.just(""), st.integers(0, 10**12).map(".{}".format)),
    st.one_of(st.just(""), st.integers(-45, 60).map("e{}".format), st.integers(0, 40).map("E+{}".format)),
)


@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_a_number_of_any_size_arrives_exactly_or_as_a_misfit(numbers: list[str]) -> None:
    sent = [f'{{"key":"{at}","total":"{number}","rate":{number}}}' for at, number in enumerate(numbers)]
    table = Decoder(COLUMNS).read(page(*sent))
    odd = {(one.key, one.field) for one in table.misfits}
    for row, number in zip(rows(table), numbers, strict=True):
        for path in ("total", "rate"):
            assert row[path] == Decimal(number) or (row[path] is None and (row["key"], path) in odd)


@given(st.integers(-(10**40), 10**40), st.integers(-16, 4), st.integers(0, 14))
def test_a_decimal_is_exact_or_a_misfit(digits: int, exponent: int, scale: int) -> None:
    number = Decimal(f"{digits}e{exponent}")
    stored = Fraction(number) * 10**scale
    column = Column(path="x", name="x", kind=Kind.DECIMAL, scale=scale)
    try:
        assert convert(number, column) == number
        assert stored.denominator == 1
        assert abs(stored) < 10**38
    except Misfit:
        assert stored.denominator != 1 or abs(stored) >= 10**38
