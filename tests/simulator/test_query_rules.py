"""Whatever a query asks, its rows are those that plain Python picks from the same values."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.companies import THING, admin, things

from tieout.simulator.company import Company

WORDS = ["", "a", "A", "ab", "aB%", "_b", "%", "it's", '"q"', "\\", "ß", "SS", "Straße", "é", "🙂x", " ", "10", "9"]
MONEY = ["0.00", "-0.01", "0.10", "12.34", "-12.34", "1000000.00", "99999999999999.99", None, "12.345", "", "x"]
NUMBERS = [0, 1, -1, 7, 10, 0.1, 7.5, 1e300, 2**60, None, "7.5", Decimal("0.10000000000000000000000001")]
DAYS = ["2026-01-01", "2026-02-28", "2024-02-29", "1999-12-31", None]
MOMENTS = ["2026-01-01T00:00:00Z", "2026-01-01T23:59:59Z", "2026-03-20T10:00:00Z", None]


def record(i: int) -> dict[str, Any]:
    return {
        "key": str(i + 1),
        "id": f"T{i}",
        "name": None if i % 11 == 10 else WORDS[i % len(WORDS)],
        "amount": MONEY[i % len(MONEY)],
        "fine": None if i % 5 == 0 else f"{i - 9}.{i:010d}",
        "count": [None, 1, 2, -3, 10][i % 5],
        "rate": NUMBERS[i % len(NUMBERS)],
        "flag": [True, False, None][i % 3],
        "day": DAYS[i % len(DAYS)],
        "moment": MOMENTS[i % len(MOMENTS)],
        "box": {"colour": WORDS[-1 - i % len(WORDS)], "Colour": None},
        "maker": {"key": str(i % 4 + 1)} if i % 3 else None,
    }


def records() -> list[dict[str, Any]]:
    return [record(i) for i in range(len(WORDS) * 2)]


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    made = things()
    made.load(THING, records())
    yield made
    made.close()


FLAT: list[dict[str, Any]] = [
    {name: value for name, value in row.items() if not isinstance(value, dict)}
    | {
        "box.colour": row["box"]["colour"],
        "maker.key": row["maker"]["key"] if row["maker"] else None,
        "maker.name": WORDS[int(row["maker"]["key"]) - 1] if row["maker"] else None,
    }
    for row in records()
]
TEXT_FIELDS = ["name", "box.colour", "maker.name", "id"]
NUMERIC = ["amount", "fine", "count", "rate"]
DATED = ["day", "moment"]


def number(value: object) -> Decimal | None:
    try:
        return None if value is None or isinstance(value, bool) else Decimal(str(value))
    except ArithmeticError:
        return None


def comparable(field: str, value: object, fold: bool) -> Any:
    """A stored or a wanted value, as it is compared."""
    if value is None:
        return None
    if field == "rate":  # compared as the double it is on the wire
        exact = number(value)
        return None if exact is None else float(exact)
    if field in NUMERIC:
        return number(value)
    if field in ("key", "maker.key"):
        return int(str(value))
    if field == "flag":
        return value
    text = str(value)
    if field == "moment" and len(text) == 10:
        return text + "T00:00:00Z"
    return text.casefold() if fold and field not in DATED else text


def holds(row: dict[str, Any], operator: str, field: str, value: Any, fold: bool) -> bool:
    stored = comparable(field, row[field], fold)
    if value is None:
        return (row[field] is None) == (operator == "$eq")
    if stored is None:
        return False
    if operator in ("$in", "$notIn"):
        return (stored in [comparable(field, item, fold) for item in value]) == (operator == "$in")
    if operator in ("$between", "$notBetween"):
        low, high = (comparable(field, item, fold) for item in value)
        return (low <= stored <= high) == (operator == "$between")
    if operator.lower().endswith(("contains", "startswith", "endswith")):
        text, needle = str(stored), comparable(field, value, fold)
        found = {
            "contains": needle in text,
            "startswith": text.startswith(needle),
            "endswith": text.endswith(needle),
        }[operator.removeprefix("$not").removeprefix("$").lower()]
        return found != operator.startswith("$not")
    wanted = comparable(field, value, fold)
    return {
        "$eq": stored == wanted,
        "$ne": stored != wanted,
        "$lt": stored < wanted,
        "$lte": stored <= wanted,
        "$gt": stored > wanted,
        "$gte": stored >= wanted,
    }[operator]


def values_of(field: str) -> st.SearchStrategy[Any]:
    if field in ("amount", "fine"):
        near = st.sampled_from([row[field] for row in FLAT if number(row[field]) is not None])
        return near | st.decimals(-2000, 2000, places=3).map(str) | st.integers(-50, 50)
    if field in ("count", "rate"):
        return st.sampled_from([0, 1, 2, -3, 7, 7.5, 0.1, "7.5", "10", 2**60]) | st.integers(-5, 12)
    if field in ("key", "maker.key"):
        return st.integers(1, 40).map(str)
    if field in DATED:
        return st.sampled_from([value for value in DAYS + (MOMENTS if field == "moment" else []) if value])
    return st.sampled_from(WORDS) | st.text("aAbB%_'\\ß", max_size=3)


@st.composite
def one_filter(draw: st.DrawFn) -> tuple[str, str, Any]:
    field = draw(st.sampled_from([*TEXT_FIELDS, *NUMERIC, *DATED, "key", "maker.key", "flag"]))
    if field == "flag":
        return draw(st.sampled_from(["$eq", "$ne"])), field, draw(st.sampled_from([True, False, None]))
    operators = ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$notIn", "$between", "$notBetween"]
    if field in TEXT_FIELDS:
        operators += ["$contains", "$notContains", "$startsWith", "$notStartsWith", "$endsWith", "$notEndsWith"]
    operator = draw(st.sampled_from(operators))
    value = values_of(field)
    if operator in ("$in", "$notIn"):
        return operator, field, draw(st.lists(value, max_size=5))
    if operator in ("$between", "$notBetween"):
        return operator, field, [draw(value), draw(value)]
    if operator in ("$eq", "$ne"):
        value = value | st.none()
    return operator, field, draw(value)


@st.composite
def expressions(draw: st.DrawFn, count: int) -> tuple[str, Any]:
    """A filterExpression over all of `count` filters, and what it computes of their truths."""
    parts: list[tuple[str, Any]] = [(str(i + 1), lambda truths, i=i: truths[i]) for i in range(count)]
    while len(parts) > 1:
        (left, f), (right, g) = parts.pop(0), parts.pop(0)
        if draw(st.booleans()):
            parts.append((f"({left} and {right})", lambda truths, f=f, g=g: f(truths) and g(truths)))
        else:
            parts.append((f"({left} OR {right})", lambda truths, f=f, g=g: f(truths) or g(truths)))
    return parts[0]


@settings(max_examples=400, deadline=None)
@given(data=st.data(), found=st.lists(one_filter(), min_size=1, max_size=4), fold=st.booleans())
def test_a_query_finds_what_python_finds(
    company: Company, data: st.DataObject, found: list[tuple[str, str, Any]], fold: bool
) -> None:
    text, holds_all = data.draw(expressions(len(found)))
    answer = company.query(
        {
            "object": THING,
            "fields": ["key"],
            "filters": [{operator: {field: value}} for operator, field, value in found],
            "filterExpression": text,
            "filterParameters": {"caseSensitiveComparison": not fold},
            "orderBy": [{"key": "asc"}],
            "size": 4000,
        },
        admin(company),
    )
    expected = [row["key"] for row in FLAT if holds_all([holds(row, *one, fold) for one in found])]
    assert [row["key"] for row in answer.rows] == expected
    assert answer.total == len(expected)


@settings(max_examples=60, deadline=None)
@given(
    fields=st.lists(st.sampled_from(["name", "count", "day", "flag", "maker.name"]), max_size=3, unique=True),
    directions=st.lists(st.sampled_from(["asc", "desc"]), min_size=4, max_size=4),
    size=st.integers(1, 17),
)
def test_pages_cut_one_and_the_same_order(
    company: Company, fields: list[str], directions: list[str], size: int
) -> None:
    order = [{field: way} for field, way in zip([*fields, "key"], directions, strict=False)]
    body = {"object": THING, "fields": ["key", *fields], "orderBy": order}
    whole = company.query(body | {"size": 4000}, admin(company)).rows
    paged = []
    for start in range(1, len(FLAT) + 1, size):
        paged += company.query(body | {"start": start, "size": size}, admin(company)).rows
    assert paged == whole
    assert sorted(int(row["key"]) for row in whole) == list(range(1, len(FLAT) + 1))
    expected = list(FLAT)
    for field, way in reversed(list(zip([*fields, "key"], directions, strict=False))):
        expected.sort(
            key=lambda row, field=field: (
                (row[field] is not None, comparable(field, row[field], False) or 0)
                if field != "name" and field != "maker.name" and field != "day"
                else (row[field] is not None, row[field] or "")
            ),
            reverse=way == "desc",
        )
    assert [row["key"] for row in whole] == [row["key"] for row in expected]


def test_the_default_order_is_stable_and_not_that_of_the_keys(company: Company) -> None:
    body = {"object": THING, "fields": ["key"], "size": 4000}
    keys = [row["key"] for row in company.query(body, admin(company)).rows]
    assert keys == [row["key"] for row in company.query(body, admin(company)).rows]
    assert keys != sorted(keys, key=int)
    assert sorted(keys, key=int) == [row["key"] for row in FLAT]


def test_every_value_comes_back_as_it_was_given(company: Company) -> None:
    fields = ["key", "name", "amount", "fine", "count", "rate", "flag", "day", "moment", "box.colour", "box.Colour"]
    answer = company.query({"object": THING, "fields": fields, "size": 4000}, admin(company))
    by_key = {row["key"]: row for row in answer.rows}
    for row in FLAT:
        for field in fields:
            expected = None if field == "box.Colour" else row[field]
            got = by_key[row["key"]][field]
            assert (type(got), got) == (type(expected), expected)


def test_null_counts_as_absent(caller: Any) -> None:
    """As a production client sends it for every query without filters."""
    nothing = {"filters": None, "filterExpression": None, "filterParameters": {}, "orderBy": None}
    assert caller.query(object="company-config/entity", fields=["id"], start=1, size=1, **nothing).status == 200
