"""Filters: the wire form means what the Python expression means."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import CheckError
from tieout.rest import F, Filter, parse_where

NULL = None
LEAVES = st.integers(1, 6).map(lambda n: F(f"f{n}") == n)
TREES = st.recursive(
    LEAVES, lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda t: t[0] & t[1] if t[2] else t[0] | t[1])
)


def truth(tree: Filter, facts: dict[str, int]) -> bool:
    if tree.condition is not None:
        return facts[tree.condition.path] == tree.condition.value
    results = [truth(child, facts) for child in tree.children]
    return all(results) if tree.joiner == "and" else any(results)


@given(TREES, st.fixed_dictionaries({f"f{n}": st.integers(1, 6) for n in range(1, 7)}))
def test_the_expression_says_the_same_as_the_tree(tree: Filter, facts: dict[str, int]) -> None:
    wire, expression = tree.to_wire()
    values = [facts[path] == value for leaf in wire for path, value in leaf["$eq"].items()]
    spelt = re.sub(r"\d+", lambda m: str(values[int(m.group()) - 1]), expression)
    assert eval(spelt) == truth(tree, facts)
    numbers = [int(n) for n in re.findall(r"\d+", expression)]
    assert numbers == list(range(1, len(wire) + 1))


def test_every_operator_has_its_wire_form() -> None:
    f = F("x")
    forms = {
        "$eq": f == 1, "$ne": f != 1, "$lt": f < 1, "$lte": f <= 1, "$gt": f > 1, "$gte": f >= 1,
        "$in": f.in_([1]), "$notIn": f.not_in([1]), "$between": f.between(1, 2), "$notBetween": f.not_between(1, 2),
        "$contains": f.contains("a"), "$notContains": f.not_contains("a"), "$startsWith": f.startswith("a"),
        "$notStartsWith": f.not_startswith("a"), "$endsWith": f.endswith("a"), "$notEndsWith": f.not_endswith("a"),
        "$has": f.has("a"),
    }  # fmt: skip
    for operator, found in forms.items():
        wire, expression = found.to_wire()
        assert list(wire[0]) == [operator]
        assert expression == "1"


def test_values_go_out_as_intacct_reads_them() -> None:
    moment = datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert (F("a") >= moment).to_wire()[0] == [{"$gte": {"a": "2026-01-31T23:59:59Z"}}]
    assert (F("a") < moment.astimezone(timezone(timedelta(hours=-8)))).to_wire()[0] == [
        {"$lt": {"a": "2026-01-31T23:59:59Z"}}
    ]
    assert (F("a") == date(2026, 1, 31)).to_wire()[0] == [{"$eq": {"a": "2026-01-31"}}]
    assert (F("a") > Decimal("0.10")).to_wire()[0] == [{"$gt": {"a": "0.10"}}]


@pytest.mark.parametrize(
    "mistake",
    [
        lambda: bool(F("a") == 1),
        lambda: F("a").in_("text"),
        lambda: F("a").in_([]),
        lambda: F("a") < None,
        lambda: F("a") >= datetime(2026, 1, 1),  # noqa: DTZ001 - the mistake under test
        lambda: (F("a") == 1) & True,
    ],
)
def test_mistakes_are_refused_where_they_are_made(mistake) -> None:
    with pytest.raises((TypeError, ValueError)):
        mistake()


@pytest.mark.parametrize(
    ("text", "filter"),
    [
        ("status = 'active'", F("status") == "active"),
        ("a = 1 and b <> 2 or c >= 3", ((F("a") == 1) & (F("b") != 2)) | (F("c") >= 3)),
        ("a = 1 and (b = 2 or c = 3)", (F("a") == 1) & ((F("b") == 2) | (F("c") == 3))),
        ("name = 'O''Brien & Söhne'", F("name") == "O'Brien & Söhne"),
        ('name = "say ""yes"""', F("name") == 'say "yes"'),
        ("vendor.id in ('V1', 'V2')", F("vendor.id").in_(["V1", "V2"])),
        ("a not in (1, 2)", F("a").not_in([1, 2])),
        (
            "d between 2026-01-01 and 2026-01-31 and x is null",
            F("d").between("2026-01-01", "2026-01-31") & (F("x") == NULL),
        ),
        ("x is not null", F("x") != NULL),
        (
            "name starts with 'A' or name ends with 'z' or name not contains '%'",
            F("name").startswith("A") | F("name").endswith("z") | F("name").not_contains("%"),
        ),
        ("ok = TRUE", F("ok") == True),  # noqa: E712
        ("total > 100.50", F("total") > "100.50"),
        ("id = 00123 or id in (007, 8)", (F("id") == "00123") | F("id").in_(["007", 8])),
        (f"id = {'9' * 5000}", F("id") == "9" * 5000),
    ],
)
def test_the_text_form_means_the_same(text: str, filter: Filter) -> None:
    assert parse_where(text) == filter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a =",
        "= 1",
        "a = 1 and",
        "a = 'x",
        "(a = 1",
        "a in ()",
        "a in 1",
        "a between 1",
        "a like 'x'",
        "a = 1 b = 2",
        "a starts 'x'",
    ],
)
def test_a_wrong_text_is_pointed_at_and_nothing_is_sent(text: str) -> None:
    with pytest.raises(CheckError) as caught:
        parse_where(text)
    assert "Nothing was sent" in caught.value.advice


def test_a_lone_not_is_told_what_to_write_instead() -> None:
    for text in ("not status = 'active'", "a = 1 and NOT (b = 2)"):
        with pytest.raises(CheckError, match="no `not` before a comparison"):
            parse_where(text)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with contextlib.suppress(CheckError):
        assert isinstance(parse_where(text), Filter)
