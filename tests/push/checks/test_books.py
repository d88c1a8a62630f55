"""Balances, control totals and numbers that come twice, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.push.ground import Ground, entry, ground, invoice, line, said
from tieout.errors import CheckError
from tieout.push.checks.blame import Blame
from tieout.push.checks.books import Balance, Repeats, sums_of
from tieout.push.documents import Document
from tieout.push.settings import PushSettings

AMOUNTS = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("project")) as made:
        yield made


# Balance -----------------------------------------------------------------------------------------------------------


def document(lines: list[dict[str, Any]], **header: Any) -> Document:
    rows = list(range(1, len(lines) + 1))
    return Document("1", rows, [], {"lines": lines, **header}, [], {})


@given(lines=st.lists(st.tuples(st.sampled_from(["debit", "credit", None]), AMOUNTS), min_size=1, max_size=8))
def test_an_entry_balances_exactly_where_python_says_so(lines: list[tuple[str | None, Decimal]]) -> None:
    body = [{"txnAmount": f"{amount:f}"} | ({"txnType": kind} if kind else {}) for kind, amount in lines]
    checked = document(body)
    Balance(Blame(PushSettings(object="journal-entry")), None, lambda _: "")([checked])
    credit = sum(amount for kind, amount in lines if kind == "credit")
    debit = sum(amount for kind, amount in lines if kind != "credit")
    assert bool(checked.problems) == (debit != credit)
    assert sums_of(body) == {"debit": debit, "credit": credit}


@pytest.mark.parametrize(
    "exempt",
    [
        document([{"txnAmount": "5.00"}], state="draft"),
        document([{"txnAmount": "5.00"}, {"txnType": "credit"}]),
        document(
            [{"txnAmount": "5.00", "currency": {"txnCurrency": "USD"}}, {"txnAmount": "4.00", "txnType": "credit"}]
        ),
        document([{"txnAmount": "5.00", "taxEntries": [{}]}]),
        document([]),
    ],
    ids=["draft", "an amount is missing", "two currencies", "taxes", "no lines"],
)
def test_what_cannot_be_told_is_not_refused(exempt: Document) -> None:
    Balance(Blame(PushSettings(object="journal-entry")), None, lambda _: "")([exempt])
    assert exempt.problems == []


def test_an_entry_over_entities_balances_in_each_or_names_a_base_location(demo: Ground) -> None:
    crossed = [
        entry(1),
        entry(2, Type="credit", Location="120-TOR"),
        entry(3, Location="120-MTL", Amount="7.10"),
        entry(4, Type="credit", Location="110-AUS", Amount="7.10"),
    ]
    report = demo.check("entries", crossed)
    ending = "; an entry over several entities balances in each, or names a base location".removeprefix(";")
    assert [(row, reason.removesuffix(ending)) for row, reason, _ in said(report)] == [
        (1, "in entity E110 debits 100.00 and credits 7.10 differ;"),
        (2, "in entity E120 debits 7.10 and credits 100.00 differ;"),
    ]
    even = [
        entry(1),
        entry(2, Type="credit", Location="110-AUS"),
        entry(3, Location="120-MTL"),
        entry(4, Type="credit", Location="E120"),
    ]
    assert demo.check("entries", even).ready == 1
    based = demo.with_fields("entries", '"baseLocation.id" = { constant = "E110" }\n')
    assert based.check("entries", crossed).ready == 1


def test_intacct_agrees_with_what_is_said_of_entries(demo: Ground) -> None:
    """What is held here is refused there, and the other way round."""
    rows = [
        entry(1, Entry="A"),
        entry(2, Entry="A", Type="credit"),
        entry(3, Entry="B"),
        entry(4, Entry="B", Type="credit", Amount="99.99"),
        entry(5, Entry="C"),
        entry(6, Entry="C", Type="credit", Location="120-TOR"),
    ]
    assert {problem.row for problem in demo.check("entries", rows).problems} == {3, 5, 6}
    with demo.client() as client:
        outcome = client.create_many(
            "journal-entry",
            [_as_body([row for row in rows if row["Entry"] == name]) for name in "ABC"],
            check=False,
        )
    assert [record.state for record in outcome] == ["posted", "failed", "failed"]


def _as_body(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "glJournal": {"id": "GJ"},
        "postingDate": rows[0]["Date"],
        "description": rows[0]["Entry"],
        "lines": [
            {
                "txnType": row["Type"],
                "txnAmount": row["Amount"],
                "glAccount": {"id": row["Account"]},
                "dimensions": {"location": {"id": row["Location"]}, "department": {"id": row["Department"]}},
            }
            for row in rows
        ],
    }


# Control totals ----------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    cents=st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=6),
    off=st.sampled_from([0, 0, 1, -100]),
    repeated=st.booleans(),
)
def test_a_control_total_holds_exactly_where_python_says_so(
    demo: Ground, cents: list[int], off: int, repeated: bool
) -> None:
    total = f"{(sum(cents) + off) / 100:.2f}"
    rows = [
        line(n, Bill="B-control", Amount=f"{amount / 100:.2f}", Total=total if repeated or n == len(cents) - 1 else "")
        for n, amount in enumerate(cents)
    ]
    plain = demo.without_asking("bills")
    assert bool(plain.check("bills", rows).problems) == bool(off)


def test_a_control_total_is_refused_where_it_stands(demo: Ground) -> None:
    report = demo.check(
        "bills",
        [
            line(1, Total=""),
            line(2, Bill="B-1", Total="200.01"),
            line(3, Total="100.00"),
            line(4, Bill="B-3", Total="200.00"),
            line(5, Total="hundred"),
            line(6, Total="0.00", Amount="1OO"),
            line(7, Total=""),
        ],
    )
    assert [(p.path, p.reason) for p in report.problems] == [
        ("row 2, column Total", "200.01 is not the sum of lines.txnAmount, which is 200.00"),
        ("row 4, column Total", "200.00 differs from 100.00 in row 3"),
        ("row 5, column Total", "hundred is not a number"),
        ("row 6, column Amount", "'1OO' is not a number"),
    ], "a sum that lacks an amount is not compared"
    assert "1 document has no Total, so that its sum is not checked." in report.notes


def test_a_control_that_names_no_amount_is_refused_before_anything_is_read(demo: Ground) -> None:
    wrong = demo.with_text(lambda text: text.replace('"lines.txnAmount" }', '"lines.txnAmont" }'))
    with pytest.raises(CheckError) as caught:
        wrong.check("bills", [line(1)])
    assert caught.value.problems[0].nearest == "lines.txnAmount"


def test_each_line_without_an_amount_is_named(demo: Ground) -> None:
    report = demo.check("bills", [line(1, Total=""), line(2, Bill="B-1", Amount=""), line(3, Bill="B-1", Amount="")])
    assert [p.path for p in report.problems] == ["row 2, column Amount", "row 3, column Amount"]


# Numbers that come twice -------------------------------------------------------------------------------------------


def test_a_bill_number_comes_twice_in_the_source_or_is_in_intacct(demo: Ground) -> None:
    assert demo.push("bills", [line("x1", Bill="B-there")]).posted == 1
    rows = [
        line("x1", Bill="B-there"),
        line("x2", Bill="B-there", Vendor="V-2002"),
    ]
    again = demo.check("bills", [line("x1", Bill="B-there")])
    assert (again.skipped, again.held, again.exit_code) == (1, 0, 0), "our own bill is no duplicate of itself"
    other = demo.with_text(
        lambda text: text.replace('group_by = "Bill"', 'group_by = "Line"').replace("[push.bills", "[push.more")
    )
    report = other.check(
        "more", [line("y1", Bill="B-there"), line("y2", Bill="B-new"), line("y3", Bill="B-new"), *rows[1:]]
    )
    assert report.ready == 2
    with demo.client() as client:
        key = client.query("bills", ["key"], 'billNumber = "B-there"', private=True)
        key = next(iter(key))["key"]
    assert said(report) == [
        (1, f"bill number 'B-there' of vendor 'V-2001' is in Intacct already, key {key}", ""),
        (3, "bill number 'B-new' of vendor 'V-2001' is in row 2 too", ""),
    ]


def test_an_invoice_number_comes_twice(demo: Ground) -> None:
    with demo.client() as client:
        client.create("invoices", invoice("I-there"))
    report = demo.check("invoices", [invoice("I-there"), invoice("I-there2", customer={"key": "1"})])
    assert [(row, reason.partition(", key")[0]) for row, reason, _ in said(report)] == [
        (1, "invoice number 'I-there' of customer 'C-1001' is in Intacct already")
    ]


def test_an_id_that_is_taken_is_named_and_one_that_we_posted_is_not(demo: Ground) -> None:
    new = {"id": "V-7001", "name": "New"}
    assert demo.push("vendors", [new]).posted == 1
    report = demo.check("vendors", [new, {"id": "V-2001", "name": "Taken"}])
    assert (report.skipped, report.held) == (1, 1)
    assert said(report) == [(2, "a record with the id 'V-2001' is in Intacct already, key 1", "")]
    allowed = demo.with_settings("vendors", "check_duplicates = false\n")
    assert allowed.check("vendors", [{"id": "V-2001", "name": "Taken"}]).ready == 1


def test_what_intacct_has_stays_posted_though_the_company_changed_since(demo: Ground) -> None:
    """A vendor that becomes inactive makes no posted bill a changed one."""
    with demo.client() as client:
        key = client.create("vendors", {"id": "V-7002", "name": "Soon gone"}).key
        bill = line("z1", Bill="B-gone", Vendor="V-7002")
        assert demo.push("bills", [bill]).posted == 1
        client.update("vendors", key, {"status": "inactive"})
    again = demo.push("bills", [bill])
    assert (again.skipped, again.changed, again.exit_code) == (1, 0, 0)
    assert demo.check("bills", [line("z2", Bill="B-2", Vendor="V-7002")]).held == 1


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3))))
def test_what_was_seen_equals_a_dict(words: list[tuple[str, str]]) -> None:
    repeats = Repeats()
    first: dict[tuple[str, str], int] = {}
    for row, pair in enumerate(words):
        assert repeats.first_row(pair, row) == first.setdefault(pair, row)
    repeats.close()
