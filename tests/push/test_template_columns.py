"""Column by column: what becomes of each in a file of a template. It is sent to a field, or used, or named as not sent.

The lists are those of Sage's import templates and of the exports as people have them; what is said of a column here is
seen in what one row with a value in it gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.push import fixtures, fixtures_time
from tests.push.support import settings, target
from tests.push.test_templates import fitted, section
from tieout.push.checks.check import Target
from tieout.push.fields.mapping import MappedRow, check_columns, resolve
from tieout.push.settings import PushSettings
from tieout.push.sources import SourceRow, open_source
from tieout.push.templates import NAMES

NOT_SENT = "not sent"
HELD = "holds its row"
"""What cannot be sent and would change what the amounts mean."""
SAGES = {"DONOTIMPORT": "skip", "LINE_NO": "line_number"}
DOCUMENTS = SAGES | {
    "BATCH_TITLE": NOT_SENT,
    "PO_NO": "referenceNumber",
    "DUE_DATE": "dueDate",
    "TOTAL_DUE": "control",
    "TOTAL_PAID": NOT_SENT,
    "PAID_DATE": NOT_SENT,
    "TERM_NAME": "term.id",
    "DESCRIPTION": "description",
    "BASECURR": "currency.baseCurrency",
    "CURRENCY": "currency.txnCurrency",
    "EXCH_RATE_DATE": "currency.exchangeRate.date",
    "EXCH_RATE_TYPE_ID": "currency.exchangeRate.typeId",
    "EXCHANGE_RATE": "currency.exchangeRate.rate",
    "MEMO": "lines.memo",
    "ACCT_NO": "lines.glAccount.id",
    "ACCT_LABEL": "lines.accountLabel.id",
    "LOCATION_ID": "lines.dimensions.location.id",
    "DEPT_ID": "lines.dimensions.department.id",
    "AMOUNT": "lines.txnAmount",
    "ALLOCATION_ID": "lines.allocation.id",
    "SUPDOCID": "attachment.id",
    "INVOICE_TYPE": "invoiceType",
    "INVOICE_MODE": "invoiceMode",
}
BILL = DOCUMENTS | {
    "BILL_NO": "billNumber",
    "VENDOR_ID": "vendor.id",
    "PAYTO": "contacts.payTo.id",
    "RETURNTO": "contacts.returnTo.id",
    "POSTING_DATE": "postingDate",
    "CREATED_DATE": "createdDate",
    "APBILLITEM_APACCOUNT": "lines.overrideOffsetGLAccount.id",
    "ACTION": "last_step",
    "BILLABLE": "lines.project.isBillable",
    "BILLED": NOT_SENT,
    "NAMEOFACQUIREDASSET": "lines.fixedAsset.nameOfAcquiredAsset",
    "SELECTEDASSETMODE": "lines.fixedAsset.assetCreationMode",
    "ASSETQUANTITY": "lines.fixedAsset.assetQuantity",
    "INCLUDETAXINASSETCOST": "lines.fixedAsset.includeTaxInAssetCost",
    "CLASSIFICATIONID": "lines.fixedAsset.assetClassification.id",
    "AMORTIZATIONTEMPLATEID": "lines.amortizationTemplate.id",
    "AMORTIZATIONSTARTDATE": "lines.amortizationStartDate",
    "AMORTIZATIONENDDATE": "lines.amortizationEndDate",
    **{
        f"APBILLITEM_{name.upper()}ID": f"lines.dimensions.{name}.id"
        for name in ("class", "customer", "vendor", "employee", "item", "project", "warehouse", "asset", "contract")
    },
}
REVENUE = ("TEMPLATE", "STARTDATE", "JOURNAL", "SCHEDULE_LINE_NO", "POSTINGDATE", "AMOUNT", "ENDDATE")
INVOICE = DOCUMENTS | {
    "INVOICE_NO": "invoiceNumber",
    "CUSTOMER_ID": "customer.id",
    "POSTING_DATE": "invoiceSummary.glPostingDate",
    "CREATED_DATE": "invoiceDate",
    "SUBTOTAL": NOT_SENT,
    "DEFERREDREV_ACCOUNT": NOT_SENT,
    "REVENUE_ACCOUNT": NOT_SENT,
    **{f"REVREC_{name}": NOT_SENT for name in REVENUE},
    "ARINVOICEITEM_ARACCOUNT": "lines.overrideOffsetGLAccount.id",
    "ACTION": "state",
    "BILLTO": "contacts.payTo.id",
    "SHIPTO": "contacts.returnTo.id",
    "AMORTIZATIONTEMPLATEID": NOT_SENT,
    "AMORTIZATIONSTARTDATE": NOT_SENT,
    "AMORTIZATIONENDDATE": NOT_SENT,
    "ARINVOICEITEM_COSTTYPEID": "lines.dimensions.costType.id",
    **{
        f"ARINVOICEITEM_{name.upper()}ID": f"lines.dimensions.{name}.id"
        for name in ("project", "customer", "vendor", "employee", "item", "class", "task")
    },
}
JOURNAL = SAGES | {
    "JOURNAL": "glJournal.id",
    "DATE": "postingDate",
    "REVERSEDATE": "automaticReversalDate",
    "DESCRIPTION": "description",
    "REFERENCE_NO": "referenceNumber",
    "ACCT_NO": "lines.glAccount.id",
    "LOCATION_ID": "lines.dimensions.location.id",
    "DEPT_ID": "lines.dimensions.department.id",
    "DOCUMENT": "lines.documentId",
    "MEMO": "lines.description",
    "DEBIT": "lines.txnAmount lines.txnType",
    "CREDIT": "lines.txnAmount lines.txnType",
    "SOURCEENTITY": "baseLocation.id",
    "CURRENCY": NOT_SENT,
    "EXCH_RATE_DATE": NOT_SENT,
    "EXCH_RATE_TYPE_ID": HELD,
    "EXCHANGE_RATE": HELD,
    "STATE": "state",
    "ALLOCATION_ID": "lines.allocation.id",
    "BILLABLE": "lines.isBillable",
    "RPESENTRY": NOT_SENT,
    **{
        f"GLENTRY_{name.upper()}ID": f"lines.dimensions.{name}.id"
        for name in ("customer", "vendor", "item", "class", "employee")
    },
}
TIMES = SAGES | {
    "EMPLOYEE_ID": "employee.id",
    "BEGIN_DATE": "beginDate",
    "DESCRIPTION": "description",
    "ENTRY_DATE": "lines.entryDate",
    "QTY": "lines.quantity",
    "PROJECT_ID": "lines.dimensions.project.id",
    "TASK_ID": "lines.dimensions.task.id",
    "BILLABLE": "lines.isBillable",
    "LOCATION_ID": "lines.dimensions.location.id",
    "DEPARTMENT_ID": "lines.dimensions.department.id",
    "NOTES": "lines.notes",
}
AS_XML = {
    "EMPLOYEE_ID": "employee.id",
    "BEGIN_DATE": "beginDate",
    "LINE_NO": "line_number",
    "GLPOSTDATE": "postingDate",
    "ENTRYDATE": "lines.entryDate",
    "QTY": "lines.quantity",
    "PROJECTID": "lines.dimensions.project.id",
    "TASKID": "lines.dimensions.task.id",
    "TIMETYPE": "lines.timeType.id",
    "BILLABLE": "lines.isBillable",
    "CUSTOMERID": "lines.dimensions.customer.id",
    "ITEMID": "lines.dimensions.item.id",
    "LOCATIONID": "lines.dimensions.location.id",
    "DEPARTMENTID": "lines.dimensions.department.id",
    "NOTES": "lines.notes",
}
HARVEST = {
    "Date": "beginDate lines.entryDate",
    "Client": "id",
    "Project": "lines.dimensions.project.id",
    "Project Code": "lines.dimensions.project.id",
    "Task": "id",
    "Notes": "lines.notes",
    "Hours": "lines.quantity",
    "Billable?": "lines.isBillable",
    "Approved?": "skip",
    "First Name": "id",
    "Last Name": "id",
    **dict.fromkeys(
        ("Hours Rounded", "Invoiced?", "Roles", "Employee?", "Billable Rate", "Billable Amount", "Cost Rate"), NOT_SENT
    ),
    **dict.fromkeys(("Cost Amount", "Currency", "External Reference URL"), NOT_SENT),
}
CLICKTIME = {
    "Employee Number": "employee.id",
    "Timesheet Start Date": "beginDate",
    "Timesheet Status": "skip",
    "Date": "lines.entryDate",
    "Project Number": "lines.dimensions.project.id",
    "Task Number": "lines.dimensions.task.id",
    "Hours": "lines.quantity",
    "Billable": "lines.isBillable",
    "Notes": "lines.notes",
    "Office": NOT_SENT,
}
LAYOUTS = {
    "intacct-bill": (BILL, fixtures.BILL_COLUMNS, 52),
    "intacct-invoice": (INVOICE, fixtures.INVOICE_COLUMNS, 54),
    "intacct-journal": (JOURNAL, fixtures.JOURNAL_COLUMNS, 28),
    "timesheet": (TIMES, fixtures_time.TIMESHEET_COLUMNS, 13),
    "timesheet as XML": (AS_XML, tuple(AS_XML), 15),
    "harvest": (HARVEST, fixtures_time.HARVEST_COLUMNS, 21),
    "clicktime": (CLICKTIME, fixtures_time.CLICKTIME_COLUMNS, 10),
}
CELLS = {
    "ACTION": "Draft",
    "STATE": "Draft",
    "Timesheet Status": "Approved",
    "Date": "2026-11-18",
    "Timesheet Start Date": "2026-11-16",
}
"""What stands in a column whose field does not tell."""


def cell(column: str, fate: str, aim: Target) -> str:
    """A value that the column takes."""
    if column in CELLS:
        return CELLS[column]
    if fate in (NOT_SENT, HELD, *roles(PushSettings())):
        return "1"
    field = aim.place(fate.split()[0]).field
    words = [word for word in field.enum or () if word]
    return words[0] if words else "1/31/2026" if field.format == "date" else "T" if field.type == "boolean" else "1"


def roles(given: PushSettings) -> dict[str, set[str]]:
    """What a section uses columns for beside sending them."""
    last = given.last_column
    return {
        "skip": {skip.column for skip in given.skips},
        "line_number": {given.line_number or ""},
        "control": set(given.control),
        "id": set(given.id_columns),
        "last_step": {last.column or ""} if last is not None else set(),
    }


def sent(mapped: MappedRow) -> dict[str, Any]:
    return mapped.header | mapped.line


def test_each_template_is_gone_through() -> None:
    assert {name.partition(" ")[0] for name in LAYOUTS} == set(NAMES)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_column_is_sent_or_used_or_named(tmp_path: Path, layout: str) -> None:
    fates, columns, count = LAYOUTS[layout]
    assert set(fates) == set(columns)
    assert len(columns) == count
    given = fitted(section(tmp_path, f'template = "{layout.partition(" ")[0]}"'), columns)
    aim = target(given.object)
    mapping = resolve(given, "x", aim)
    (tmp_path / "x.csv").write_text(",".join(columns) + "\n")
    source = open_source(settings(object=given.object, source="x.csv", id="x"), tmp_path / "x.csv", "[push.x]")
    list(source.rows())
    unused = check_columns(given, "x", source)
    blank = dict.fromkeys(columns, "")
    for column, fate in fates.items():
        mapped = mapping.row(SourceRow(2, blank | {column: cell(column, fate, aim)}))
        if fate == NOT_SENT:
            assert column in unused
            assert (sent(mapped), mapped.problems) == ({}, [])
            continue
        assert column not in unused
        if fate == HELD:
            assert [problem.path for problem in mapped.problems] == [f"row 2, column {column}"]
        elif fate in (used := roles(given)):
            assert column in used[fate]
            if fate == "last_step":
                assert mapped.last_step == "draft"
        else:
            assert mapped.problems == []
            assert " ".join(sorted(sent(mapped))) == fate
            assert all(value not in (None, "") for value in sent(mapped).values())
