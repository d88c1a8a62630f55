"""What a program's body must hold is asked of a source too, by the same rules, at its row and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.push.support import assemble, settings, target
from tieout.errors import CheckError
from tieout.push.checks.check import Target, UnknownPath, Verbatim
from tieout.push.fields.mapping import resolve

BILL: dict[str, Any] = {
    "object": "bills",
    "source": "bills.csv",
    "id": "Line",
    "group_by": "Bill",
    "fields": {
        "vendor.id": "Vendor",
        "createdDate": "Date",
        "dueDate": "Due",
        "term.id": "Terms",
        "currency.txnCurrency": "Currency",
        "currency.exchangeRate.rate": "Rate",
        "lines.txnAmount": "Amount",
        "lines.glAccount.id": "Account",
        "lines.dimensions.location.id": "Location",
        "lines.allocation.id": "Allocation",
    },
}
ROW = {
    "Line": "1", "Bill": "B1", "Vendor": "V1", "Date": "2026-10-05", "Due": "2026-11-05", "Terms": "",
    "Currency": "USD", "Rate": "", "Amount": "10.00", "Account": "6000", "Location": "E110", "Allocation": "",
}  # fmt: skip


def said(folder: Path, *rows: dict[str, str], given: dict[str, Any] = BILL) -> list[str]:
    """What is wrong with a file of these rows."""
    cells = [{**ROW, "Line": str(number), **row} for number, row in enumerate(rows)]
    lines = [",".join(cells[0]), *(",".join(each.values()) for each in cells)]
    return [str(p) for d in assemble(folder, "\n".join(lines) + "\n", settings(**given)) for p in d.problems]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, []),
        ({"Due": ""}, ["row 2, column Due: is blank, but dueDate is required"]),
        ({"Due": "", "Terms": "N30"}, []),  # whether a term replaces the date is not documented
        ({"Account": ""}, ["row 2, column Account: is blank, but lines.glAccount is required"]),
        ({"Location": "", "Allocation": "A1"}, []),
        (
            {"Location": ""},
            ["row 2, column Location: is blank: a create needs it, or allocation"],
        ),
        (
            {"Currency": "", "Rate": "1.25"},
            ["row 2, column Currency: is blank: a create that holds currency needs its txnCurrency"],
        ),
    ],
)
def test_what_a_bill_lacks_is_named_at_its_cell(tmp_path: Path, row: dict[str, str], expected: list[str]) -> None:
    assert said(tmp_path, row) == expected


def test_each_line_that_lacks_something_is_named_in_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = ({"Amount": "", "Account": ""}, {}, {"Location": ""})
    assert [problem.partition(":")[0] for problem in said(tmp_path, *rows)] == [
        "row 2, column Amount",
        "row 2, column Account",
        "row 4, column Location",
    ]


def test_a_mapping_need_not_fill_what_something_else_stands_in_for() -> None:
    fields = dict(BILL["fields"])
    for path in ("dueDate", "lines.dimensions.location.id"):
        del fields[path]
    resolve(settings(**BILL | {"fields": fields}), "bills", target("accounts-payable/bill"))
    for path in ("term.id", "lines.allocation.id"):
        del fields[path]
    with pytest.raises(CheckError) as caught:
        resolve(settings(**BILL | {"fields": fields}), "bills", target("accounts-payable/bill"))
    assert [problem.reason for problem in caught.value.problems] == [
        "nothing maps to dueDate, which a create needs",
        "nothing maps to lines.dimensions.location or allocation, which a create needs",
    ]


ENTRY = BILL | {
    "object": "journal-entry",
    "fields": {
        "glJournal.id": {"constant": "GJ"},
        "postingDate": "Date",
        "description": "Bill",
        "state": "Terms",
        "lines.txnType": {"constant": "debit"},
        "lines.txnAmount": "Amount",
        "lines.glAccount.id": "Account",
    },
}


def test_an_entry_of_one_line_is_held_unless_lines_may_come_later(tmp_path: Path) -> None:
    assert said(tmp_path, {}, given=ENTRY) == ["row 2, lines: a create needs at least 2 items in it"]
    assert said(tmp_path, {}, given=ENTRY | {"on_late_rows": "append"}) == []


def test_a_state_that_no_create_takes_is_named_at_its_cell(tmp_path: Path) -> None:
    rows = ({"Terms": "submitted"}, {"Terms": ""}, {"Terms": "draft", "Bill": "B2"}, {"Bill": "B2"})
    assert said(tmp_path, *rows, given=ENTRY) == [
        "row 2, column Terms: 'submitted': a create takes draft or posted here, or nothing (did you mean 'draft'?)"
    ]


def verbatim(aim: Target, record: dict[str, Any]) -> list[tuple[str, str]]:
    return [(p.path.partition(", ")[2], p.nearest) for p in Verbatim(aim, record, 1).problems]


LINE: dict[str, Any] = {"txnAmount": "10.00", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "E110"}}}
BODY = {"vendor": {"id": "V1"}, "createdDate": "2026-10-05", "dueDate": "2026-11-05", "lines": [LINE]}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        ({"term": {"id": None}}, []),
        ({"vendor": {"id": "V1", "name": "Acme"}}, []),  # a name beside the id: Intacct may well ignore it
        ({"location": "E110"}, [("location", "")]),
        ({"lines": [LINE | {"department": {"id": "D"}}]}, [("lines.department", "dimensions.department")]),
        ({"lines": [LINE | {"txnAmount": "10,00"}] * 2}, 2 * [("lines.txnAmount", "")]),
        ({"lines": [{"txnAmount": "1"}]}, [("lines.dimensions.location", ""), ("lines.glAccount", "")]),
        ({"lines": "none"}, [("lines", "")]),
        ({"currency": {"baseCurrency": "USD"}}, [("currency.txnCurrency", "")]),
    ],
)
def test_a_json_record_is_judged_as_a_body_is(more: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert sorted(verbatim(target("accounts-payable/bill"), BODY | more)) == sorted(expected)


def test_json_records_of_changes_hold_what_says_which_record_is_meant() -> None:
    update = target("accounts-payable/bill", "update", ["billNumber"])
    assert verbatim(update, {"key": "7", "description": "x"}) == []
    assert verbatim(update, {"billNumber": "B1", "lines": [{"key": "3", "ia::operation": "delete"}]}) == []
    assert verbatim(update, {"key": "7", "state": "submitted"}) == [("state", "")]
    assert verbatim(update, {"key": "7", "lines": [{"ia::operation": "delete"}]}) == [("lines.key", "")]
    upsert = target("accounts-receivable/customer", "upsert", ["id"])
    assert verbatim(upsert, {"key": "7", "id": "C1"}) == []
    assert verbatim(upsert, {"id": "C1", "nmae": "x"}) == [("nmae", "name")]
    reclassify = target("accounts-receivable/invoice", "reclassify", ["invoiceNumber"])
    assert verbatim(reclassify, {"key": "7", "term": {"id": "N30"}, "lines": [{"key": "3"}]}) == []
    assert verbatim(reclassify, {"key": "7", "invoiceDate": "2026-12-01"}) == [("invoiceDate", "invoiceNumber")]


def test_a_reference_that_is_set_once_is_not_changed_by_a_mapping_either() -> None:
    """It was left out of the update without a word."""
    aim = target("accounts-payable/bill", "update", ["billNumber"])
    vendor = msgspec.structs.replace(aim.model.refs["vendor"], create_only=True)
    aim = Target(
        msgspec.structs.replace(aim.model, refs=aim.model.refs | {"vendor": vendor}), aim.model_of, "update", ["key"]
    )
    with pytest.raises(UnknownPath, match="can be set on create only"):
        aim.place("vendor.id")
    assert verbatim(aim, {"key": "7", "vendor": {"id": "V2"}}) == [("vendor", "")]
