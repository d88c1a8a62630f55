"""The query service's answers: totals, groups, expressions, macros, what it refuses, and that the indexes serve it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.companies import THING, admin, group, refused, things

from tieout.simulator import payload
from tieout.simulator.clock import Clock
from tieout.simulator.company import Company, QueryAnswer

BILLS = "accounts-payable/bill"


@pytest.fixture
def company() -> Iterator[Company]:
    made = group()
    made.load(
        BILLS,
        [
            {
                "key": str(i),
                "vendor": {"key": "1" if i % 2 else "2", "id": "V1" if i % 2 else "V2"},
                "totalTxnAmount": f"{i}.10",
                "state": "posted" if i % 3 else "draft",
                "dueDate": f"2026-0{i % 3 + 1}-15",
                "audit": {"modifiedDateTime": f"2026-01-{i % 28 + 1:02d}T00:00:00Z"},
            }
            for i in range(1, 31)
        ],
    )
    yield made
    made.close()


def ask(company: Company, *fields: str, **more: Any) -> QueryAnswer:
    return company.query({"object": BILLS, "fields": list(fields)} | more, admin(company))


def test_sums_are_exact_and_groups_are_by_the_plain_fields(company: Company) -> None:
    total = sum((Decimal(f"{i}.10") for i in range(1, 31)), Decimal(0))
    assert ask(company, "sum:totalTxnAmount", "count:key").rows == [{"sum:totalTxnAmount": str(total), "count:key": 30}]
    by_vendor = ask(company, "vendor.id", "sum:totalTxnAmount", "avg:totalTxnAmount", orderBy=[{"vendor.id": "desc"}])
    assert by_vendor.total == 2
    assert by_vendor.rows == [
        {"vendor.id": "V2", "sum:totalTxnAmount": "241.50", "avg:totalTxnAmount": "16.10"},
        {"vendor.id": "V1", "sum:totalTxnAmount": "226.50", "avg:totalTxnAmount": "15.10"},
    ]


def test_aggregates_of_related_fields_and_of_nothing(company: Company) -> None:
    assert ask(company, "max:vendor.totalDue", "min:dueDate", "max:key").rows == [
        {"max:vendor.totalDue": "10.00", "min:dueDate": "2026-01-15", "max:key": "30"}
    ]
    nothing = ask(company, "sum:totalTxnAmount", "count:key", filters=[{"$eq": {"key": "999"}}])
    assert nothing.rows == [{"sum:totalTxnAmount": None, "count:key": 0}]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.decimals(-(10**12), 10**12, places=2), min_size=1, max_size=30))
def test_no_cent_is_lost_in_a_sum(amounts: list[Decimal]) -> None:
    company = things()
    odd = ["1.005"] if len(amounts) % 2 else []
    company.load(
        THING, [{"amount": f"{amount:.2f}", "rate": float(amount), "fine": f"{amount:.10f}"} for amount in amounts]
    )
    company.load(THING, [{"amount": amount} for amount in odd])
    fields = ["sum:amount", "sum:fine", "count:amount"]
    row = company.query({"object": THING, "fields": fields}, admin(company)).rows[0]
    company.close()
    assert Decimal(row["sum:amount"]) == sum(amounts) + sum(map(Decimal, odd))
    assert Decimal(row["sum:fine"]) == sum(amounts)
    assert row["count:amount"] == len(amounts) + len(odd)


def test_a_sum_beyond_64_bits_is_still_exact() -> None:
    company = things()
    company.load(THING, [{"amount": "90000000000000000.00"}] * 3)
    row = company.query({"object": THING, "fields": ["sum:amount", "avg:amount"]}, admin(company)).rows[0]
    company.close()
    assert row == {"sum:amount": "270000000000000000.00", "avg:amount": "90000000000000000.00"}


def test_a_sum_of_more_digits_than_decimal_keeps_by_itself() -> None:
    company = things()
    company.load(THING, [{"amount": "123456789012345678901234567.89"}, {"amount": "0.0000000001"}, {"amount": "x"}])
    row = company.query({"object": THING, "fields": ["sum:amount"]}, admin(company)).rows[0]
    company.close()
    assert row == {"sum:amount": "123456789012345678901234567.8900000001"}


def test_a_number_of_absurd_size_is_refused_at_once(company: Company) -> None:
    for huge in ("1e999999999", "-1e-999999999", "NaN", "Infinity"):
        body = {"object": BILLS, "fields": ["key"], "filters": [{"$gt": {"totalTxnAmount": huge}}]}
        assert refused(company.query, body, admin(company)).status == 400


def test_fractions_of_numbers_add_up_as_written() -> None:
    company = things()
    company.load(THING, [{"rate": 0.1}] * 10 + [{"rate": 7}, {"rate": 0.25}])
    row = company.query({"object": THING, "fields": ["sum:rate"]}, admin(company)).rows[0]
    company.close()
    assert row == {"sum:rate": 8.25}


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("and", []),
        ("or", ["1", "2", "3"]),
        ("1 or 2", ["1", "2"]),
        ("(1 or 2) and 3", []),
        ("1 or 2 and 3", ["1"]),
        ("(1 OR 2) or 3", ["1", "2", "3"]),
        ("((1)) or (2 and 3)", ["1"]),
    ],
)
def test_filter_expressions(company: Company, expression: str, keys: list[str]) -> None:
    filters = [{"$eq": {"key": str(i)}} for i in (1, 2, 3)]
    if expression == "1 or 2":
        filters = filters[:2]
    answer = ask(company, "key", filters=filters, filterExpression=expression, orderBy=[{"key": "asc"}])
    assert [row["key"] for row in answer.rows] == keys


@pytest.mark.parametrize(
    "expression", ["1 xor 2", "1 and", "(1 and 2", "1 2", "3 and 1", "0 or 1", "1", "", "not 1 or 2"]
)
def test_an_expression_that_means_nothing_is_refused(company: Company, expression: str) -> None:
    filters = [{"$eq": {"key": "1"}}, {"$eq": {"key": "2"}}]
    body = {"object": BILLS, "fields": ["key"], "filters": filters, "filterExpression": expression}
    refusal = refused(company.query, body, admin(company))
    assert (refusal.status, refusal.code) == (400, "invalidRequest")


MACROS = {
    "today": ("2026-03-20", "2026-03-20"),
    "yesterday": ("2026-03-19", "2026-03-19"),
    "currentWeek": ("2026-03-16", "2026-03-22"),
    "lastWeek": ("2026-03-09", "2026-03-15"),
    "currentMonth": ("2026-03-01", "2026-03-31"),
    "priorMonth": ("2026-02-01", "2026-02-28"),
    "currentQuarter": ("2026-01-01", "2026-03-31"),
    "priorQuarter": ("2025-10-01", "2025-12-31"),
    "currentYear": ("2026-01-01", "2026-12-31"),
    "priorYear": ("2025-01-01", "2025-12-31"),
}


@pytest.mark.parametrize("macro", MACROS)
def test_a_date_macro_is_its_whole_period(macro: str) -> None:
    company = things(Clock(datetime(2026, 3, 20, 23, 0, tzinfo=UTC)))
    first, last = MACROS[macro]
    before = date.fromordinal(date.fromisoformat(first).toordinal() - 1).isoformat()
    after = date.fromordinal(date.fromisoformat(last).toordinal() + 1).isoformat()
    days = sorted({before, first, last, after})
    company.load(THING, [{"day": day, "moment": f"{day}T12:00:00Z"} for day in days])

    def found(operator: str, field: str, **more: Any) -> list[str]:
        body = {
            "object": THING,
            "fields": ["day"],
            "filters": [{operator: {field: macro}}],
            "orderBy": [{"day": "asc"}],
        }
        return [row["day"] for row in company.query(body | more, admin(company)).rows]

    inside = [day for day in days if first <= day <= last]
    assert found("$eq", "day") == inside == found("$eq", "moment")
    assert found("$ne", "day") == [day for day in days if day not in inside]
    assert found("$lt", "day") == [before] == found("$lt", "moment")
    assert found("$lte", "day") == [before, *inside]
    assert found("$gt", "day") == [after] == found("$gt", "moment")
    assert found("$gte", "day") == [*inside, after]
    assert found("$eq", "day", filterParameters={"asOfDate": "1999-01-01"}) == []
    company.close()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"includePrivate": True}, "Unrecognized key includePrivate in query payload"),
        ({"pageSize": 5}, "Unrecognized key pageSize in query payload"),
        ({"filterParameters": {"private": True}}, "Unrecognized key private in filterParameters"),
        ({"filters": [{"$ge": {"key": "1"}}]}, "$ge is not a valid filter operator"),
        ({"filters": [{"$eq": {"action": "x"}}]}, "The action field in accounts-payable/bill object"),
        ({"fields": ["nope", "neither"]}, "The nope field in accounts-payable/bill object cannot be used in query"),
        ({"fields": ["lines"]}, "The lines field in accounts-payable/bill object cannot be used in query in version 1"),
        ({"fields": ["lines.txnAmount"]}, "The lines.txnAmount field"),
        ({"fields": ["*"]}, "The * field"),
        ({"fields": ["vendor.nope"]}, "The vendor.nope field"),
        ({"fields": []}, "fields in query payload must be an array"),
        ({"fields": "key"}, "fields in query payload must be an array"),
        ({"size": 4001}, "size in query payload must be a whole number from 1 to 4000"),
        ({"size": 0}, "size in query payload"),
        ({"start": 0}, "start in query payload"),
        ({"start": True}, "start in query payload"),
        ({"orderBy": [{"href": "asc"}]}, "The href field"),
        ({"orderBy": [{"key": "up"}]}, "orderBy in query payload must say asc or desc"),
        ({"filters": [{"$eq": {"href": "x"}}]}, "The href field"),
        ({"filters": [{"$eq": {"key": "1"}, "$ne": {"key": "2"}}]}, "filters in query payload"),
        ({"filters": [{"$lt": {"dueDate": None}}]}, "null is not a valid value"),
        ({"filters": [{"$lt": {"dueDate": "soon"}}]}, "a date YYYY-MM-DD"),
        ({"filters": [{"$contains": {"dueDate": "2026"}}]}, "not supported on date fields"),
        ({"filters": [{"$gt": {"totalTxnAmount": "much"}}]}, "a number is required"),
        ({"filters": [{"$in": {"key": "1"}}]}, "an array is required"),
        ({"filters": [{"$between": {"key": ["1"]}}]}, "an array of two values is required"),
        ({"filters": [{"$gt": {"state": True}}]}, "a boolean is not a valid value"),
        ({"object": "accounts-payable/bills"}, "accounts-payable/bills is not a valid object"),
    ],
)
def test_what_a_query_refuses(company: Company, more: dict[str, Any], message: str) -> None:
    refusal = refused(company.query, {"object": BILLS, "fields": ["key"]} | more, admin(company))
    assert refusal.status == 400
    assert message in refusal.message


def test_the_short_dimension_path_of_a_line_is_refused(company: Company) -> None:
    line = "accounts-payable/bill-line"
    body = {"object": line, "fields": ["dimensions.department.id"]}
    assert company.query(body, admin(company)).rows == []
    assert refused(company.query, body | {"fields": ["department.id"]}, admin(company)).error_id == "REST-1106"


def test_a_write_only_field_cannot_be_queried_and_is_not_read() -> None:
    company = things()
    company.load(THING, [{"key": "1", "secret": "x"}])
    refusal = refused(company.query, {"object": THING, "fields": ["key", "secret"]}, admin(company))
    assert refusal.error_id == "REST-1106"
    assert "secret" not in company.read(THING, "1", admin(company))
    company.close()


def test_total_count_follows_the_data_of_every_object_it_reads(company: Company) -> None:
    gone = [{"$eq": {"vendor.name": "Gone"}}]
    assert ask(company, "key", filters=gone).total == 15
    assert ask(company, "key", filters=gone).total == 15
    company.update("accounts-payable/vendor", "2", {"name": "Back"}, admin(company))
    assert ask(company, "key", filters=gone).total == 0
    company.delete(BILLS, "1", admin(company))
    assert ask(company, "key").total == 29


def plan(company: Company, **more: Any) -> str:
    body = {"object": BILLS, "fields": ["key", "vendor.name"]} | more
    with company.atomically():
        tables, selector = company._tables, company._selector
        asked = payload.parse(body, date(2026, 1, 1), None)
        statement, _ = selector.statement(asked, tables.get(BILLS), admin(company))
        return "\n".join(str(row[3]) for row in tables.rows("EXPLAIN QUERY PLAN " + statement.sql, statement.values))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"filters": [{"$eq": {"key": "3"}}]}, "by key"),
        ({"filters": [{"$eq": {"id": "3"}}]}, "by id"),
        (
            {"filters": [{"$gte": {"audit.modifiedDateTime": "2026-01-01T00:00:00Z"}}], "orderBy": [{"key": "asc"}]},
            "by key, entity.key, audit.modifiedDateTime",
        ),
        ({"orderBy": [{"key": "asc"}]}, "by key, entity.key, audit.modifiedDateTime"),
        ({"orderBy": [{"audit.modifiedDateTime": "asc"}, {"key": "asc"}]}, "by audit.modifiedDateTime, key"),
        ({"filters": [{"$eq": {"vendor.id": "V1"}}]}, "by vendor.key"),
        ({"filters": [{"$eq": {"vendor.key": "1"}}]}, "by vendor.key"),
        ({"filters": [{"$gt": {"key": "3"}}], "orderBy": [{"key": "asc"}]}, "by key"),
    ],
)
def test_the_indexes_serve_the_query(company: Company, more: dict[str, Any], expected: str) -> None:
    steps = plan(company, **more)
    assert f"{BILLS} {expected}" in steps
    if "orderBy" in more:
        assert "TEMP B-TREE FOR ORDER BY" not in steps


def test_a_narrow_window_is_read_by_its_stamp_not_by_walking_the_keys(company: Company) -> None:
    since = [{"$gte": {"audit.modifiedDateTime": "2026-01-28T00:00:00Z"}}]
    steps = plan(company, filters=since, orderBy=[{"key": "asc"}])
    assert f"{BILLS} by audit.modifiedDateTime, key" in steps


def test_the_vendor_of_a_bill_is_found_by_the_indexes_of_both(company: Company) -> None:
    assert "accounts-payable/vendor by id" in plan(company, filters=[{"$eq": {"vendor.id": "V1"}}])


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2026-03-20T10:00:00Z", ["2026-03-20T10:00:00Z", "2026-03-20T10:00:01Z"]),
        ("2026-03-20T10:00:00+00:00", ["2026-03-20T10:00:00Z", "2026-03-20T10:00:01Z"]),
        ("2026-03-20T12:00:00.000+02:00", ["2026-03-20T10:00:00Z", "2026-03-20T10:00:01Z"]),
        ("2026-03-19T23:00:01-11:00", ["2026-03-20T10:00:01Z"]),
        ("2026-03-20T10:00:00", ["2026-03-20T10:00:00Z", "2026-03-20T10:00:01Z"]),
        ("2026-03-20T10:00:00.500Z", ["2026-03-20T10:00:01Z"]),
    ],
)
def test_a_moment_is_the_same_however_it_is_written(moment: str, found: list[str]) -> None:
    """Clients write what their language writes, `datetime.isoformat()` with `+00:00`."""
    company = things()
    company.load(THING, [{"moment": f"2026-03-20T{at}Z"} for at in ("09:59:59", "10:00:00", "10:00:01")])
    body = {
        "object": THING,
        "fields": ["moment"],
        "orderBy": [{"moment": "asc"}],
        "filters": [{"$gte": {"moment": moment}}],
    }
    assert [row["moment"] for row in company.query(body, admin(company)).rows] == found
    written = company.create(THING, {"id": "W", "name": "W", "moment": moment}, admin(company))
    assert company.read(THING, written["key"], admin(company))["moment"] in (
        "2026-03-20T10:00:00Z",
        "2026-03-20T10:00:01Z",
    )
    company.close()
