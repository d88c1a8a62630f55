"""Queries: what goes over the wire, and what is refused before it does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, session
from tieout import F, Filter, Intacct, simulated
from tieout.catalogue import load
from tieout.errors import CheckError, ReplyError
from tieout.rest import Query
from tieout.rest.check import check_query
from tieout.rest.query import common_fields, queryable, read_pages
from tieout.rest.rows import page_decoder, row_type
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


def test_parameters_stand_where_intacct_looks_for_them() -> None:
    wire = ask(private=True, case_sensitive=False, as_of="2026-01-31").to_wire()
    assert wire["filterParameters"] == {
        "includePrivate": True,
        "caseSensitiveComparison": False,
        "asOfDate": "2026-01-31",
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


def page(start: int, next_start: int | None, *keys: str):
    body = {
        "ia::result": [{"key": key} for key in keys],
        "ia::meta": {"totalCount": 9, "start": start, "next": next_start},
    }
    return json_reply(200, json.dumps(body))


def streamed(world: World, limit: int | None = None) -> list[str]:
    keys: list[str] = []
    parse = page_decoder(row_type(INVOICE, ["key"]))
    world.streamed = lambda found: keys.extend(row.key for row in found.rows)
    world.run(read_pages(session(world), ask(), parse, page_size=2, limit=limit))
    return keys


def test_pages_follow_each_other_and_end_when_intacct_says_so() -> None:
    world = World(page(1, 3, "a", "b"), page(3, None, "c"))
    assert streamed(world) == ["a", "b", "c"]
    assert [json.loads(request.body or b"")["start"] for request in world.sent] == [1, 3]


def test_a_limit_asks_for_no_more_than_it_needs() -> None:
    world = World(page(1, 3, "a", "b"), page(3, 5, "c", "d"))
    assert streamed(world, limit=3) == ["a", "b", "c"]
    assert [json.loads(request.body or b"")["size"] for request in world.sent] == [2, 1]


def test_a_page_that_points_back_stops_the_reading() -> None:
    world = World(page(1, 1, "a", "b"))
    with pytest.raises(ReplyError, match="no row is repeated"):
        streamed(world)


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
