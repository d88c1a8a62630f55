"""Queries: what goes over the wire, and what is refused before it does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout import F, Filter, Intacct, simulated
from tieout.catalogue import load
from tieout.errors import CheckError
from tieout.rest import Query
from tieout.rest.check import check_query
from tieout.rest.filters import Macro, condition
from tieout.rest.query import common_fields, queryable
from tieout.simulator import Simulator

INVOICE = load("accounts-receivable/invoice")
VENDOR = load("accounts-payable/vendor")


def ask(*fields: str, **options) -> Query:
    return Query(object="accounts-receivable/invoice", fields=fields or ("key",), **options)


def test_every_order_ends_in_the_key_and_defaults_stay_off_the_wire() -> None:
    assert ask().to_wire(1, 100) == {
        "object": "accounts-receivable/invoice",
        "fields": ["key"],
        "orderBy": [{"key": "asc"}],
        "start": 1,
        "size": 100,
    }
    assert ask(order_by=(("dueDate", "desc"),)).to_wire()["orderBy"] == [{"dueDate": "desc"}, {"key": "asc"}]
    assert ask(order_by=(("key", "desc"),)).to_wire()["orderBy"] == [{"key": "desc"}]
    assert "orderBy" not in ask("sum:totalTxnAmount").to_wire()
    assert ask("customer.id", "sum:totalTxnAmount").to_wire()["orderBy"] == [{"customer.id": "asc"}]
    grouped = ask("customer.id", "sum:totalTxnAmount", order_by=(("sum:totalTxnAmount", "desc"),))
    assert grouped.to_wire()["orderBy"] == [{"sum:totalTxnAmount": "desc"}, {"customer.id": "asc"}]


def test_parameters_stand_where_intacct_looks_for_them() -> None:
    own = {"approvalsForUser": {"submitState": "submitted"}}
    wire = ask(private=True, case_sensitive=False, as_of="2026-01-31", hierarchy=True, parameters=own).to_wire()
    assert wire["filterParameters"] == own | {
        "includePrivate": True,
        "caseSensitiveComparison": False,
        "asOfDate": "2026-01-31",
        "includeHierarchyFields": True,
    }


def test_what_cannot_be_asked_is_said_before_asking() -> None:
    where = (F("href") == "x") & (F("lines.id") == "1") & (F("dueDate").contains("2026"))
    with pytest.raises(CheckError) as caught:
        check_query(ask("action", "customer", "*", where=where, order_by=(("href", "asc"),)), INVOICE)
    reasons = {problem.path: problem.reason for problem in caught.value.problems}
    assert "write-only" in reasons["action"]
    assert "holds some" in reasons["customer"]
    assert "no wildcard" in reasons["*"]
    assert "href" in reasons
    assert "does not work on dates" in reasons["dueDate"]


def test_a_filter_value_takes_the_type_of_its_field() -> None:
    where = (F("id") == 20017) & (F("isOnHold") == "true") & (F("totalDue") > 5)
    checked = check_query(Query(object=VENDOR.name, fields=("key",), where=where), VENDOR)
    assert checked.where is not None
    values = [condition.value for condition in checked.where.conditions()]
    assert values == ["20017", True, "5"]


def test_moments_and_dates_go_out_in_the_form_of_their_field() -> None:
    """What a date means to a date-time field is not documented (REST reference 10.1)."""
    path = "audit.modifiedDateTime"
    where = (F(path) >= "2026-01-31") & (F(path) < "2026-02-01T01:00:00+02:00") & (F(path) != Macro.TODAY)
    checked = check_query(ask(where=where), INVOICE)
    assert checked.where is not None
    values = [condition.value for condition in checked.where.conditions()]
    assert values == ["2026-01-31T00:00:00Z", "2026-01-31T23:00:00Z", "today"]


@pytest.mark.parametrize(
    ("where", "reason", "nearest"),
    [
        (F("dueDate") == "priorMonht", "is not a date", "priorMonth"),
        (F("dueDate") >= datetime(2026, 1, 1, tzinfo=UTC), "has a time of day", ""),
        (F("customer.name") == Macro.TODAY, "not a date field", ""),
        (F("totalTxnAmountDue") > "12,50", "is not a number", ""),
        (F("totalTxnAmountDue") > "nan", "is not a number", ""),
        (F("state") == "opne", "is not one of", ""),
        (F("customer.id").has("x"), "$has is for lists", ""),
        (condition("$gt", "customer.id", True), "cannot take true or false", ""),
        (condition("$lt", "customer.id", None), "cannot take null", ""),
        (condition("$in", "customer.id", "C1"), "takes a list", ""),
        (condition("$between", "dueDate", ["2026-01-01"]), "two values", ""),
        (condition("$eq", "customer.id", ["C1"]), "use $in for a list", ""),
        (condition("$ne", "customer.id", {"id": 1}), "cannot take dict", ""),
    ],
)
def test_a_value_that_cannot_match_is_named(where: Filter, reason: str, nearest: str) -> None:
    with pytest.raises(CheckError) as caught:
        check_query(ask(where=where), INVOICE)
    (problem,) = caught.value.problems
    assert reason in problem.reason
    assert not nearest or problem.nearest == nearest


def test_filter_parameters_are_those_that_the_model_announces() -> None:
    own = {"approvalsForUser": {"submitState": "submitted"}}
    announced = msgspec.structs.replace(VENDOR, filter_parameters={"approvalsForUser": {}})
    query = Query(object=VENDOR.name, fields=("key",), parameters=own)
    assert check_query(query, announced).parameters == own
    for odd in ({"approvalForUser": 1}, {"includePrivate": True}):
        with pytest.raises(CheckError) as caught:
            check_query(msgspec.structs.replace(query, parameters=odd), announced)
        assert caught.value.problems[0].nearest == "approvalsForUser" or "the argument private" in str(caught.value)
    with pytest.raises(CheckError, match="as_of"):
        check_query(msgspec.structs.replace(query, as_of="31.01.2026"), announced)


def test_a_text_that_looks_boolean_takes_a_boolean() -> None:
    """isBilled is true, false or partial (REST reference 9.1)."""
    line = load("time/timesheet-line")
    checked = check_query(Query(object=line.name, fields=("key",), where=F("isBilled") == True), line)  # noqa: E712
    assert checked.where == (F("isBilled") == "true")


def test_the_common_fields_are_queryable_and_hold_nothing_deprecated() -> None:
    paths = INVOICE.paths()
    common, everything = common_fields(INVOICE), queryable(INVOICE)
    assert set(common) <= set(everything)
    assert {"key", "id", "customer.id", "customer.name", "audit.modifiedDateTime"} <= set(common)
    assert not [p for p in common if paths[p].deprecated or paths[p].write_only or p.endswith("href")]
    assert "state" not in queryable(INVOICE, {"state": "learnt"})


@pytest.fixture(scope="module")
def intacct() -> Iterator[Intacct]:
    with Simulator("demo") as simulator, simulated(simulator=simulator) as client:
        yield client


LEAVES = st.one_of(
    st.sampled_from(["active", "inactive", "activeNonPosting"]).map(lambda word: F("status") == word),
    st.sampled_from(["V-2001", "V-2050", "V-2099"]).flatmap(
        lambda id: st.sampled_from([F("id") < id, F("id") >= id, F("id") != id])
    ),
    st.sampled_from(["0", "100", "5000.00"]).map(lambda amount: F("totalDue") > amount),
    st.booleans().map(lambda yes: F("isOnHold") == yes),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda t: t[0] & t[1] if t[2] else t[0] | t[1])
)


@given(TREES)
def test_a_filter_selects_the_rows_that_python_would(intacct: Intacct, tree: Filter) -> None:
    fields = ["key", "id", "status", "totalDue", "isOnHold"]
    everything = list(intacct.query("vendors", fields))
    assert {row.key for row in intacct.query("vendors", fields, tree)} == {r.key for r in everything if holds(tree, r)}


def holds(tree: Filter, row) -> bool:
    if tree.condition is None:
        results = [holds(child, row) for child in tree.children]
        return all(results) if tree.joiner == "and" else any(results)
    actual, wanted = row[tree.condition.path], tree.condition.value
    if actual is None:
        return False
    wanted = type(actual)(wanted)
    operator = tree.condition.operator
    return {
        "$eq": actual == wanted, "$ne": actual != wanted, "$lt": actual < wanted, "$gte": actual >= wanted,
        "$gt": actual > wanted,
    }[operator]  # fmt: skip
