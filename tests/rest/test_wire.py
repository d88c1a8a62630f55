"""Queries from people who know Sage's JSON: read as they mean it, or told what is wrong and where."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.errors import CheckError
from tieout.rest import F, Filter, Query
from tieout.rest.expression import read_filters

LEAVES = [{"$eq": {f"f{n}": n}} for n in range(1, 5)]
NUMBERS = st.integers(1, 4).map(str)
TEXTS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or ", " AND ", "  Or "]), inner).map("".join),
        inner.map(lambda text: f"( {text})"),
    ),
    max_leaves=12,
)


def truth(tree: Filter, facts: dict[str, bool]) -> bool:
    if tree.condition is not None:
        return facts[tree.condition.path]
    results = [truth(child, facts) for child in tree.children]
    return all(results) if tree.joiner == "and" else any(results)


@settings(deadline=None)
@given(TEXTS, st.fixed_dictionaries({f"f{n}": st.booleans() for n in range(1, 5)}))
def test_an_expression_means_what_python_reads_it_as(text: str, facts: dict[str, bool]) -> None:
    used = sorted({int(number) for number in re.findall(r"\d", text)})
    renumbered = re.sub(r"\d", lambda m: str(used.index(int(m.group())) + 1), text)
    tree = read_filters([LEAVES[number - 1] for number in used], renumbered)
    assert tree is not None
    assert truth(tree, facts) == eval(re.sub(r"\d", lambda m: str(facts[f"f{m.group()}"]), text.lower()))


@settings(deadline=None)
@given(TEXTS)
def test_what_goes_out_again_means_the_same_whichever_word_binds_tighter(text: str) -> None:
    used = sorted({int(number) for number in re.findall(r"\d", text)})
    renumbered = re.sub(r"\d", lambda m: str(used.index(int(m.group())) + 1), text)
    tree = read_filters([LEAVES[number - 1] for number in used], renumbered)
    assert tree is not None
    wire, expression = tree.to_wire()
    assert read_filters(wire, expression) == tree
    inner = re.sub(r"\([^()]*\)", "0", expression)
    while "(" in inner:
        inner = re.sub(r"\([^()]*\)", "0", inner)
    assert not ("and" in inner and "or" in inner), "without parentheses the two words never meet"


@pytest.mark.parametrize(
    ("expression", "count", "where", "reason"),
    [
        ("1 and 3", 2, "character 7", "names filter 3, but there are 2 filters"),
        ("1 and 3", 2, "expression", "does not use filter 2"),
        ("0 or 1", 1, "character 1", "names filter 0, but there is 1 filter"),
        ("99999999999999999999 or 1", 1, "character 1", "names filter 99999999999999999999"),
        ("1", 3, "expression", "does not use filters 2, 3"),
        ("(1 and 2", 2, "character 9", "expected `)` for the `(` at character 1, found the end"),
        ("1 and 2)", 2, "character 8", "none is open"),
        ("1 xor 2", 2, "character 3", "found 'xor'"),
        ("1 && 2", 2, "character 3", "write `and`"),
        ("not 1 and 2", 2, "character 1", "there is no `not`"),
        ("1 2", 2, "character 3", "found '2'"),
        ("1 and", 1, "character 6", "expected a filter's number or `(`, found the end"),
        ("and 1", 1, "character 1", "found 'and'"),
        ("()", 1, "character 2", "found ')'"),
        ("", 1, "expression", "is empty"),
        ("   ", 1, "expression", "is empty"),
        ("1", 0, "character 1", "there is no filter"),
        ("(" * 200 + "1" + ")" * 200, 1, "character 101", "parentheses deep"),
        ("1 or " * 10_000 + "1", 1, "expression", "longer than"),
        (7, 1, "expression", "must be a text"),
    ],
)
def test_a_wrong_expression_is_pointed_at(expression: Any, count: int, where: str, reason: str) -> None:
    with pytest.raises(CheckError) as caught:
        read_filters(LEAVES[:count], expression)
    assert any(where in problem.path and reason in problem.reason for problem in caught.value.problems)
    assert "Nothing was sent" in caught.value.advice


@pytest.mark.parametrize(("expression", "joiner"), [(None, "and"), ("and", "and"), (" AND ", "and"), ("or", "or")])
def test_a_lone_word_joins_all(expression: str | None, joiner: str) -> None:
    tree = read_filters(LEAVES, expression)
    assert tree is not None
    assert tree.joiner == joiner
    assert read_filters([], expression) is None


@pytest.mark.parametrize(
    ("entry", "reason", "nearest"),
    [
        ({"$equal": {"a": 1}}, "is not an operator", ""),
        ({"eq": {"a": 1}}, "is not an operator", "$eq"),
        ({"$notin": {"a": [1]}}, "is not an operator", "$notIn"),
        ({"$like": {"a": "x"}}, "is not an operator", "$contains"),
        ({"field": "a", "operator": ">=", "value": 1}, '{"$gte": {"a": 1}}', ""),
        ({"$eq": {"a": 1}, "$ne": {"b": 2}}, "2 operators", ""),
        ({"$eq": {"a": 1, "b": 2}}, "exactly one field", ""),
        ({"$eq": "a"}, "exactly one field", ""),
        ("a = 1", "must be an object", ""),
        ({}, "0 operators", ""),
        ({"$in": {"a": []}}, "at least one value", ""),
        ({"$gt": {"a": None}}, "cannot take null", ""),
        ({"$between": {"a": [1, 2, 3]}}, "two values", ""),
        ({"$gt": {"a": float("nan")}}, "is not a number", ""),
    ],
)
def test_a_wrong_filter_is_named_by_its_number(entry: Any, reason: str, nearest: str) -> None:
    with pytest.raises(CheckError) as caught:
        read_filters([LEAVES[0], entry])
    (problem,) = caught.value.problems
    assert problem.path.startswith("filters[2]")
    assert reason in problem.reason
    assert problem.nearest == nearest


@pytest.mark.parametrize("filters", ["status = 'active'", {"$eq": {"a": 1}}, 7])
def test_filters_that_are_no_list_are_refused(filters: Any) -> None:
    with pytest.raises(CheckError, match="must be a list"):
        read_filters(filters)


def test_a_body_of_sages_is_read_whole() -> None:
    query = Query.from_wire(
        {
            "object": "accounts-payable/vendor",
            "fields": ["id", "name", "id"],
            "filters": [{"$ge": {"totalDue": "5"}}, {"$le": {"id": "V9"}}, {"$eq": {"status": "active"}}],
            "filterExpression": "(1 and 2) or 3",
            "filterParameters": {
                "includePrivate": True,
                "caseSensitiveComparison": False,
                "asOfDate": "2026-01-31",
                "approvalsForUser": {"submitState": "submitted"},
            },
            "orderBy": [{"totalDue": "desc"}, {"id": "asc"}],
            "start": 101,
            "pageSize": 50,
        }
    )
    assert query == Query(
        object="accounts-payable/vendor",
        fields=("id", "name"),
        where=((F("totalDue") >= "5") & (F("id") <= "V9")) | (F("status") == "active"),
        order_by=(("totalDue", "desc"), ("id", "asc")),
        private=True,
        case_sensitive=False,
        as_of="2026-01-31",
        parameters={"approvalsForUser": {"submitState": "submitted"}},
        start=101,
        page_size=50,
    )


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        ({"includePrivate": True}, "includePrivate", "belongs inside filterParameters"),
        ({"feilds": ["id"]}, "feilds", "is not part of a query"),
        ({"fields": "id"}, "fields", "must be a list"),
        ({"fields": []}, "fields", "must be a list"),
        ({"object": ""}, "object", "is missing"),
        ({"orderBy": [{"id": "up"}]}, "orderBy[1]", "neither asc nor desc"),
        ({"orderBy": ["id"]}, "orderBy[1]", "must name one field"),
        ({"size": 4001}, "size", "1 to 4000 rows"),
        ({"pageSize": "50"}, "pageSize", "1 to 4000 rows"),
        ({"pageSize": 50, "size": 60}, "pageSize", "contradicts size"),
        ({"start": 0}, "start", "from 1"),
        ({"filterParameters": {"includePrivate": "yes"}}, "filterParameters.includePrivate", "true or false"),
        ({"filterParameters": {"asOfDate": "soon"}}, "filterParameters.asOfDate", "YYYY-MM-DD"),
        ({"filterParameters": []}, "filterParameters", "must be an object"),
        ({"filters": [{"$eq": {"a": 1}}], "filterExpression": "2"}, "expression '2', character 1", "names filter 2"),
    ],
)
def test_what_is_wrong_with_a_body_is_named(body: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(CheckError) as caught:
        Query.from_wire({"object": "accounts-payable/vendor", "fields": ["id"]} | body)
    assert any(problem.path == path and reason in problem.reason for problem in caught.value.problems)


@pytest.mark.parametrize("body", [[], [{"object": "x"}], "x", None])
def test_what_is_no_body_is_refused(body: Any) -> None:
    with pytest.raises(CheckError, match="must be an object"):
        Query.from_wire(body)
