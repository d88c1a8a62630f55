"""The tables of the dbt package `fivetran/sage_intacct`, column by column, in every destination that holds views."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg
import pytest

from tests.pull.destinations.ground import Table
from tieout import catalogue
from tieout.errors import ConfigurationError, StoreError
from tieout.pull.destinations.base import Destination, Gone
from tieout.pull.destinations.open import open_destination
from tieout.pull.layouts.apply import able, apply, without_view
from tieout.pull.layouts.fivetran import GL_DETAIL
from tieout.pull.report import PullReport
from tieout.pull.schema.columns import choose
from tieout.pull.schema.drift import compare
from tieout.pull.schema.types import Column, Kind

LINE, ENTRY, JOURNAL = "general-ledger/journal-entry-line", "general-ledger/journal-entry", "general-ledger/journal"
ACCOUNT, BILL, INVOICE = "general-ledger/account", "accounts-payable/bill", "accounts-receivable/invoice"
BILL_LINE, INVOICE_LINE = "accounts-payable/bill-line", "accounts-receivable/invoice-line"
DAY, MOMENT, SYNCED = date(2026, 3, 31), datetime(2026, 3, 20, 12, 0, 0, tzinfo=UTC), "2026-03-20T10:00:00Z"

DIMENSIONS = {
    f"{short}{title}": f"dimensions.{short}.{word}"
    for short in ("class", "customer", "department", "item", "location", "project", "vendor", "warehouse")
    for title, word in (("id", "id"), ("name", "name"), ("title", "name"))
}


def dimensions(*names: str) -> dict[str, Any]:
    return {name: DIMENSIONS[name] for name in names}


LIVE = {"_fivetran_deleted": False, "_fivetran_synced": "2026-03-20T10:00:00Z"}
STAMPS = {"whencreated": "2026-03-20T12:00:00Z", "whenmodified": "2026-03-20T12:00:00Z"}
ITEM = {
    **LIVE, **STAMPS, "recordno": "11", "recordtype": "recordType", "state": "state", "line_no": 7, "lineitem": True,
    "accountkey": 42, "accountno": "glAccount.id", "accounttitle": "glAccount.name", "amount": "10.50",
    "basecurr": "currency.baseCurrency", "currency": "currency.txnCurrency", "exchange_rate": "1.2500000000",
    "baselocation": 42, "entry_date": "2026-03-31", "entrydescription": "memo",
    "offsetglaccountno": "overrideOffsetGLAccount.id", "offsetglaccounttitle": "overrideOffsetGLAccount.name",
    "totalpaid": "10.50", "totalselected": "10.50",
    **dimensions("classid", "classname", "customerid", "customername", "departmentid", "departmentname", "itemid"),
    **dimensions("itemname", "locationid", "locationname", "vendorid", "vendorname"),
}  # fmt: skip
DOCUMENT = {
    **LIVE, "recordno": "1", "recordtype": "recordType", "docnumber": "referenceNumber", "description": "description",
    "state": "state", "basecurr": "currency.baseCurrency", "currency": "currency.txnCurrency", "totaldue": "10.50",
    "totalentered": "10.50", "totalpaid": "10.50", "due_in_days": 7, "whencreated": "2026-03-31",
    "whendue": "2026-03-31", "whenpaid": "2026-03-31", "whenposted": "2026-03-31",
    "auwhencreated": "2026-03-20T12:00:00Z", "whenmodified": "2026-03-20T12:00:00Z",
    "billtopaytocontactname": "contacts.payTo.id", "billtopaytokey": 42,
    "shiptoreturntocontactname": "contacts.returnTo.id", "shiptoreturntokey": 42,
}  # fmt: skip
EXPECTED: dict[str, dict[str, Any]] = {
    "gl_account": {
        **LIVE, **STAMPS, "recordno": 1, "accountno": "id", "title": "name", "accounttype": "balancesheet",
        "normalbalance": "normalBalance", "category": "category", "categorykey": None,
        "alternativeaccount": "alternativeGLAccount", "closetoacctkey": 42, "closingaccountno": "closeToGLAccount.id",
        "closingaccounttitle": None, "closingtype": "closingType", "createdby": 42, "modifiedby": 42,
        "requireclass": True, "requirecustomer": True, "requiredept": True, "requireemployee": True,
        "requireitem": True, "requireloc": True, "requireproject": True, "requirevendor": True,
        "requirewarehouse": True, "status": "status", "taxable": True,
    },
    "gl_batch": {
        **LIVE, **STAMPS, "recordno": "1", "batchno": 7, "batch_date": "2026-03-31", "batch_title": "description",
        "journal": "glJournal.id", "module": "moduleName", "state": "posted", "referenceno": "referenceNumber",
        "baselocation": 42, "baselocation_no": "baseLocation.id", "megaentitykey": 42, "megaentityid": "entity.id",
        "megaentityname": "entity.name", "createdby": 42, "modifiedby": 42, "modifiedbyid": "audit.modifiedByUser.id",
        "prbatchkey": None, "reversed": None, "reversedfrom": "2026-03-31", "reversedkey": 42,
        "taximplications": "tax.taxImplication", "templatekey": 42, "userinfo_loginid": None, "userkey": None,
        "modified": "2026-03-20T12:00:00Z",
    },
    "gl_detail": {
        **LIVE, "recordno": "11", "accountno": "glAccount.id", "accounttitle": "glAccount.name", "amount": "-10.50",
        "debitamount": "0", "creditamount": "10.50", "trx_amount": "-10.50", "trx_debitamount": "0",
        "trx_creditamount": "10.50", "tr_type": -1, "basecurr": "currency.baseCurrency",
        "currency": "currency.txnCurrency", "bookid": "bookId", "batchkey": "1", "batch_date": "2026-03-31",
        "batch_no": 7, "batch_title": "description", "entry_date": "2026-03-31", "entry_state": "P",
        "description": "description", "entrydescription": "description", "document": "documentId", "line_no": 7,
        **dimensions("classid", "classname", "customerid", "customername", "departmentid", "departmenttitle"),
        **dimensions("locationid", "locationname", "vendorid", "vendorname"), "docnumber": None, "prdescription": None,
        "recordid": None, "recordtype": None, "totaldue": None, "totalentered": None, "totalpaid": None,
        "whencreated": None, "whendue": None, "whenpaid": None, "modified": "2026-03-20T12:00:00Z",
        "whenmodified": "2026-03-20T12:00:00Z",
    },
    "ap_bill": {**DOCUMENT, "recordid": "billNumber", "vendorid": "vendor.id", "vendorname": "vendor.name"},
    "ap_bill_item": {
        **ITEM, "recordkey": "1", **dimensions("projectid", "projectname"), "billable": True, "billed": True,
        "createdby": 42,
    },
    "ar_invoice": {
        **DOCUMENT, "recordid": "invoiceNumber", "customerid": "customer.id", "customername": "customer.name",
        "megaentityid": "entity.id", "megaentityname": "entity.name", "createdby": 42, "whendiscount": "2026-03-31",
    },
    "ar_invoice_item": {**ITEM, "recordkey": "1", **dimensions("warehouseid", "warehousename")},
}  # fmt: skip
"""view -> column -> value: texts are named after their paths, keys of references are 42."""
SPECIAL: dict[tuple[str, str], Any] = {
    (ACCOUNT, "accountType"): "balanceSheet",
    (ENTRY, "state"): "posted",
    (ENTRY, "glJournal.key"): "1",
    (LINE, "state"): "posted",
    (LINE, "txnType"): "credit",
    (LINE, "journalEntry.key"): "1",
    (BILL_LINE, "bill.key"): "1",
    (BILL_LINE, "isSubtotal"): False,
    (BILL_LINE, "isSubTotal"): False,
    (BILL_LINE, "project.isBilled"): True,
    (INVOICE_LINE, "invoice.key"): "1",
    (INVOICE_LINE, "isSubtotal"): False,
    (INVOICE_LINE, "lineNumber"): Decimal(7),
}
LINES = (LINE, BILL_LINE, INVOICE_LINE)
OBJECTS = (ACCOUNT, JOURNAL, ENTRY, LINE, BILL, BILL_LINE, INVOICE, INVOICE_LINE)
Run = Callable[[str], list[dict[str, Any]]]


def value(object: str, column: Column) -> Any:
    if (object, column.path) in SPECIAL:
        found = SPECIAL[object, column.path]
        return str(found).lower() if isinstance(found, bool) and column.kind is Kind.TEXT else found
    if column.path == "key":
        return "11" if object in LINES else "1"
    match column.kind:
        case Kind.INTEGER:
            return 7
        case Kind.DECIMAL:
            return Decimal("10.50") if column.money else Decimal("1.25")
        case Kind.BOOLEAN:
            return True
        case Kind.DATE:
            return DAY
        case Kind.TIMESTAMP:
            return MOMENT
    numbers = ("createdBy", "modifiedBy", "lineNumber", "txnNumber", "dueInDays")
    last = column.path.rpartition(".")[2]
    if last in numbers:
        return "7" if last[-2:] != "By" else "42"
    return "42" if last == "key" else column.path


def pulled(to: Destination, object: str) -> Table:
    """A table of an object as its documented model gives it, with one row."""
    model = catalogue.load(object)
    columns = tuple(compare(model, choose(model, None)[0]).columns)
    it = Table(to, object.rpartition("/")[2].replace("-", "_"), columns)
    it.state = msgspec.structs.replace(it.state, object=object)
    return it


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path, warehouse: str) -> str:
    schema = "l" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
    return {"duckdb": "duckdb:///c.duckdb", "sqlite": "sqlite:///c.db"}.get(kind, f"{warehouse}?schema={schema}")


@pytest.fixture
def to(url: str, tmp_path: Path) -> Destination:
    return open_destination(tmp_path, url)


@pytest.fixture
def run(kind: str, url: str, tmp_path: Path) -> Run:
    """run(sql) -> rows, as a program of somebody else's sees them."""

    def execute(sql: str) -> list[dict[str, Any]]:
        found: Any
        if kind == "duckdb":
            with duckdb.connect(str(tmp_path / "c.duckdb")) as db:
                db.execute("SET TimeZone = 'UTC'")
                found = db.sql(sql)
                return list(found.to_arrow_table().to_pylist()) if found is not None else []
        if kind == "sqlite":
            with closing(sqlite3.connect(tmp_path / "c.db")) as file:
                found = file.execute(sql)
                rows = [
                    dict(zip([d[0] for d in found.description or ()], row, strict=True)) for row in found.fetchall()
                ]
                file.commit()
                return rows
        base, _, schema = url.partition("?schema=")
        with psycopg.connect(base) as server:
            server.execute(f"SET search_path = {schema}; SET TimeZone = 'UTC'".encode())
            found = server.execute(sql.encode())
            return (
                [dict(zip([d.name for d in found.description], row, strict=True)) for row in found]
                if found.description
                else []
            )

    return execute


def shown(value: Any) -> Any:
    """A value as SQLite has it, to compare: exact numbers as text, moments as text."""
    if isinstance(value, Decimal):
        return "0" if not value else f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else "0" if value == "0.00" else value


def every(to: Destination, *objects: str) -> dict[str, Table]:
    """Tables that the layout rests on, all or some, with one row each."""
    tables = {object: pulled(to, object) for object in objects or OBJECTS}
    for object, table in tables.items():
        table.commit({column.name: value(object, column) for column in table.columns})
    return tables


def test_each_column_of_each_table_says_what_the_package_expects(to: Destination, run: Run, kind: str) -> None:
    every(to)
    assert apply(to, "fivetran", "demo", "") == []
    for view, expected in EXPECTED.items():
        (row,) = run(f"SELECT * FROM {view}")
        assert {name: shown(found) for name, found in row.items()} == expected, view


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"], indirect=True)
def test_types_are_the_same_whatever_the_company_sends(to: Destination, run: Run, kind: str) -> None:
    catalog = "duckdb_columns()" if kind == "duckdb" else "information_schema.columns"
    types = f"SELECT column_name, data_type FROM {catalog} WHERE table_name = 'gl_detail'"
    bare = pulled(to, LINE)
    bare.columns = tuple(c for c in bare.columns if c.path in ("key", "audit.modifiedDateTime"))
    bare.commit({"key": "1"})
    apply(to, "fivetran", "demo", "")
    (row,) = run("SELECT * FROM gl_detail")
    assert list(row) == [column.name for column in GL_DETAIL.columns]
    first = {r["column_name"]: r["data_type"].partition("(")[0] for r in run(types)}
    to.drop(bare.state.table)
    every(to, JOURNAL, ENTRY, LINE)
    apply(to, "fivetran", "demo", "")
    assert {r["column_name"]: r["data_type"].partition("(")[0] for r in run(types)} == first


def test_amounts_are_signed_to_the_last_digit_and_only_what_is_posted_counts(to: Destination, run: Run) -> None:
    line = every(to, LINE)[LINE]
    base = {column.name: value(LINE, column) for column in line.columns}
    big = Decimal("1234567890123456789012345678.91")
    line.commit(
        base | {"key": "21", "txnType": "debit", "baseAmount": big},
        base | {"key": "22", "txnType": "credit", "baseAmount": big},
        base | {"key": "23", "txnType": "credit", "baseAmount": Decimal("-0.10")},
        base | {"key": "24", "txnType": "credit", "baseAmount": Decimal("0.00")},
        base | {"key": "25", "state": "draft"},
        base | {"key": "26", "state": "reversed", "txnType": "debit"},
    )
    apply(to, "fivetran", "demo", "")
    found = {r["recordno"]: r for r in run("SELECT * FROM gl_detail WHERE recordno <> '11'")}
    assert {key: shown(r["amount"]) for key, r in found.items()} == {
        "21": f"{big}", "22": f"-{big}", "23": "0.10", "24": "0", "26": "10.50",
    }  # fmt: skip
    assert [(r["tr_type"], shown(r["debitamount"]), shown(r["creditamount"])) for r in (found["21"], found["23"])] == [
        (1, f"{big}", "0"), (-1, "0", "-0.10"),
    ]  # fmt: skip


def test_what_is_deleted_is_marked_in_documents_and_left_out_of_items(to: Destination, run: Run) -> None:
    tables = every(to, BILL, BILL_LINE, ENTRY)
    apply(to, "fivetran", "demo", "")
    for object in (BILL, BILL_LINE, ENTRY):
        key = "11" if object == BILL_LINE else "1"
        tables[object].commit(gone=Gone(keys=[key]), synced="2026-04-01T00:00:00Z", columns=tables[object].columns[:1])
    assert [(bool(r["_fivetran_deleted"]), shown(r["_fivetran_synced"])) for r in run("SELECT * FROM ap_bill")] == [
        (True, "2026-04-01T00:00:00Z")
    ]
    assert run("SELECT * FROM ap_bill_item") == []
    assert [bool(r["_fivetran_deleted"]) for r in run("SELECT * FROM gl_batch")] == [True]


def test_what_has_to_be_pulled_is_said(to: Destination, run: Run) -> None:
    line = pulled(to, LINE)
    line.commit({column.name: value(LINE, column) for column in line.columns})
    assert apply(to, "fivetran", "demo", "") == [
        f"layout fivetran: pull {ACCOUNT} for gl_account, {ENTRY} for gl_batch, {BILL} for ap_bill and ap_bill_item, "
        f"{INVOICE} for ar_invoice and ar_invoice_item",
        f"layout fivetran: pull {ENTRY} for all columns of gl_detail, {JOURNAL} for all columns of gl_detail",
    ]
    assert [(r["bookid"], r["batch_title"]) for r in run("SELECT * FROM gl_detail")] == [(None, None)]
    (other,) = apply(to, "fivetran", "other", "")
    assert f"{ENTRY} for gl_batch and gl_detail" in other


def test_an_object_that_no_view_is_of_is_said() -> None:
    def said(*objects: str) -> str:
        first, *lines = (PullReport(object=object, table="t", destination="d") for object in objects)
        first.children = lines
        return without_view("fivetran", first)

    assert said("accounts-payable/vendor-type") == "layout fivetran has no view of accounts-payable/vendor-type"
    assert (said(BILL), said(JOURNAL), said("some/document", LINE)) == ("", "", "")


def test_a_table_of_somebody_elses_is_left_alone(to: Destination, run: Run) -> None:
    every(to, BILL)
    run("CREATE TABLE ap_bill (x INTEGER)")
    with pytest.raises(StoreError, match="table or view ap_bill that tieout did not make"):
        apply(to, "fivetran", "demo", "")
    assert run("SELECT count(*) AS n FROM ap_bill") == [{"n": 0}]


def test_views_follow_columns_and_models_that_rest_on_them_stay(to: Destination, run: Run) -> None:
    bill = every(to, BILL)[BILL]
    apply(to, "fivetran", "demo", "")
    run("CREATE VIEW stg_ap_bill AS SELECT recordno, totaldue FROM ap_bill")
    more = Column(path="contacts.billTo.id", name="contacts__billTo__id", kind=Kind.TEXT)
    bill.commit({"key": "1", more.name: "x"}, columns=(bill.columns[0], more))
    apply(to, "fivetran", "demo", "")
    assert [shown(r["totaldue"]) for r in run("SELECT * FROM stg_ap_bill")] == ["10.50"]


def test_a_column_below_a_view_gets_a_wider_type(to: Destination, run: Run) -> None:
    bill = every(to, BILL)[BILL]
    apply(to, "fivetran", "demo", "")
    assert to.layouts() == ["fivetran"]  # type: ignore[attr-defined]  # each of the three is able
    old = next(c for c in bill.columns if c.path == "totalBaseAmountDue")
    wider = Column(path=old.path, name=old.name, kind=Kind.TEXT)
    bill.commit({"key": "1", old.name: "12.345"}, columns=(bill.columns[0], wider))
    apply(to, "fivetran", "demo", "")
    assert [Decimal(str(r["totaldue"])) for r in run("SELECT * FROM ap_bill")] == [Decimal("12.345")]
    to.drop("bill")
    assert f"{BILL} for ap_bill and ap_bill_item" in apply(to, "fivetran", "demo", "")[0]


def test_a_destination_without_views_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot hold the views of layout 'fivetran'"):
        able(object(), "fivetran")  # type: ignore[arg-type]  # any destination without them


def test_a_table_that_is_dropped_and_read_anew_has_its_views_again(to: Destination, run: Run) -> None:
    every(to, BILL)
    apply(to, "fivetran", "demo", "")
    to.drop("bill")
    every(to, BILL)
    apply(to, "fivetran", "demo", "")
    assert len(run("SELECT * FROM ap_bill")) == 1


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_view_of_ones_own_that_is_in_the_way_of_a_reset_is_named_and_all_stays(to: Destination, run: Run) -> None:
    every(to, BILL)
    apply(to, "fivetran", "demo", "")
    run("CREATE VIEW stg_ap_bill AS SELECT recordno FROM ap_bill")
    with pytest.raises(StoreError, match=r"view \S*stg_ap_bill depends on view \S*ap_bill"):
        to.drop("bill")
    assert len(run("SELECT * FROM stg_ap_bill")) == 1
    run("DROP VIEW stg_ap_bill")
    run("CREATE VIEW mine AS SELECT * FROM bill")
    with pytest.raises(StoreError, match=r"view \S*mine depends on table \S*bill"):
        to.drop("bill")
    assert len(run("SELECT * FROM ap_bill")) == len(run("SELECT * FROM mine")) == 1
