"""Realistic source files for the simulator's demo company: one in each template, three entities, a few rows wrong.

`make("intacct-bill", 10_000)` gives the file, the section to push it with, and for each bad row what its reason must
be. Ids are those of the demo company of the same day, so that all other rows are posted. The same arguments give the
same file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from tests.push.fixture_parts import (
    MEMOS,
    Made,
    Writer,
    group_of,
    section_of,
    some_money,
    spoil,
    us_date,
    with_cell,
    words_of,
)
from tests.push.fixtures_time import (
    clicktime,
    harvest,
    timesheets,
)
from tieout.simulator.seed_accounts import EXPENSES, REVENUES
from tieout.simulator.seed_group import ENTITIES, LOCATIONS, Group, Party


def make(template: str, rows: int, *, today: date, share_bad: float = 0.02, seed: int = 1) -> Made:
    """A file of about `rows` source rows in a template, about `share_bad` of them wrong. `today` is the company's."""
    group = group_of(today)
    random = Random(f"{template} {rows} {seed}")
    return _MAKERS[template](group, random, rows, share_bad)


# Bills and invoices --------------------------------------------------------------------------------------------------

BILL_COLUMNS = words_of(
    """
    DONOTIMPORT BATCH_TITLE BILL_NO PO_NO VENDOR_ID PAYTO RETURNTO POSTING_DATE CREATED_DATE DUE_DATE TOTAL_DUE
    TOTAL_PAID PAID_DATE TERM_NAME DESCRIPTION BASECURR CURRENCY EXCH_RATE_DATE EXCH_RATE_TYPE_ID EXCHANGE_RATE
    LINE_NO MEMO ACCT_NO ACCT_LABEL LOCATION_ID DEPT_ID AMOUNT ALLOCATION_ID APBILLITEM_APACCOUNT ACTION
    SUPDOCID BILLABLE BILLED NAMEOFACQUIREDASSET SELECTEDASSETMODE ASSETQUANTITY INCLUDETAXINASSETCOST
    CLASSIFICATIONID AMORTIZATIONTEMPLATEID AMORTIZATIONSTARTDATE AMORTIZATIONENDDATE INVOICE_TYPE INVOICE_MODE
    APBILLITEM_CLASSID APBILLITEM_CUSTOMERID APBILLITEM_VENDORID APBILLITEM_EMPLOYEEID APBILLITEM_ITEMID
    APBILLITEM_PROJECTID APBILLITEM_WAREHOUSEID APBILLITEM_ASSETID APBILLITEM_CONTRACTID
    """
)
INVOICE_COLUMNS = words_of(
    """
    DONOTIMPORT BATCH_TITLE INVOICE_NO PO_NO CUSTOMER_ID POSTING_DATE CREATED_DATE DUE_DATE TOTAL_DUE TOTAL_PAID
    PAID_DATE TERM_NAME DESCRIPTION BASECURR CURRENCY EXCH_RATE_DATE EXCH_RATE_TYPE_ID EXCHANGE_RATE LINE_NO
    MEMO ACCT_NO ACCT_LABEL LOCATION_ID DEPT_ID ALLOCATION_ID AMOUNT SUBTOTAL REVREC_TEMPLATE REVREC_STARTDATE
    DEFERREDREV_ACCOUNT REVREC_JOURNAL REVREC_SCHEDULE_LINE_NO REVENUE_ACCOUNT REVREC_POSTINGDATE REVREC_AMOUNT
    ARINVOICEITEM_ARACCOUNT ACTION SUPDOCID BILLTO SHIPTO AMORTIZATIONTEMPLATEID AMORTIZATIONSTARTDATE
    AMORTIZATIONENDDATE REVREC_ENDDATE INVOICE_TYPE INVOICE_MODE ARINVOICEITEM_PROJECTID
    ARINVOICEITEM_CUSTOMERID ARINVOICEITEM_VENDORID ARINVOICEITEM_EMPLOYEEID ARINVOICEITEM_ITEMID
    ARINVOICEITEM_CLASSID ARINVOICEITEM_TASKID ARINVOICEITEM_COSTTYPEID
    """
)


def _documents(
    group: Group, random: Random, rows: int, share_bad: float, names: dict[str, str], parties: list[Party], made: Made
) -> Writer:
    """Bills and invoices differ in the names of their columns."""
    columns = BILL_COLUMNS if names["number"] == "BILL_NO" else INVOICE_COLUMNS
    writer = Writer(columns, random, made)
    writer.comment(DONOTIMPORT="#", LINE_NO="Number of the line", AMOUNT="Number", CREATED_DATE="mm/dd/yyyy")
    usable = [party for party in parties if party.record["status"] == "active"]
    accounts = EXPENSES if names["number"] == "BILL_NO" else REVENUES
    while made.rows < rows:
        party = random.choice(usable)
        place = random.choice(LOCATIONS[party.entity])[0]
        day = group.today - timedelta(days=random.randrange(60))
        amounts = [some_money(random) for _ in range(random.choices((1, 2, 3, 4), (3, 3, 2, 1))[0])]
        lines = []
        for number, amount in enumerate(amounts, 1):
            line = {
                "LINE_NO": str(number),
                "MEMO": random.choice(MEMOS),
                "ACCT_NO": random.choice(accounts),
                "LOCATION_ID": place,
                "DEPT_ID": random.choice(("300", "310", "320")),
                "AMOUNT": f"{amount}",
            }
            lines.append(line)
        numbered = random.random() < 0.9
        lines[0] |= {
            names["number"]: f"{names['letter']}-{writer.count:06}" if numbered else "",
            names["party"]: str(party.ref["id"]),
            "CREATED_DATE": us_date(day),
            "DUE_DATE": us_date(day + timedelta(days=party.term[1])),
            "TERM_NAME": str(party.term[0]["id"]),
            "TOTAL_DUE": f"{sum(amounts)}",
            "DESCRIPTION": random.choice(MEMOS),
            "BATCH_TITLE": f"Batch {day:%B %Y}",
        }
        bad = None
        if random.random() < share_bad * len(lines):
            bad = _spoil_document(lines, random, names)
        writer.document(party.entity, lines, sum(amounts, Decimal(0)), bad)
        if random.random() < 0.01:
            writer.comment(DONOTIMPORT="#", MEMO="checked by M. Muster")
    return writer


def _spoil_document(lines: list[dict[str, str]], random: Random, names: dict[str, str]) -> tuple[int, str, str]:
    which = random.randrange(len(lines))
    anywhere = {
        "amount": with_cell("AMOUNT", "12,5x", "'12,5x' is not a number"),
        "blank": with_cell("ACCT_NO", " ", "is blank, but lines.glAccount is required"),
        "office": with_cell("LOCATION_ID", "110-NYX", "did you mean '110-NYC'?"),
        "unknown": with_cell("ACCT_NO", "9999", "9999"),
    }
    first = {
        "date": with_cell("CREATED_DATE", "13/45/2026", "'13/45/2026' is not a date like 01/31/2026"),
        "reference": with_cell(names["party"], "X-1", "X-1"),
        "total": with_cell("TOTAL_DUE", "0.01", "0.01"),
    }
    kind, reason = spoil(lines[which], anywhere | (first if which == 0 else {}), random)
    return which, "unknown" if kind == "reference" else kind, reason


def _bills(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", section_of("intacct-bill", "LOCATION_ID"), 0)
    names = {"number": "BILL_NO", "party": "VENDOR_ID", "letter": "FX"}
    made.content = _documents(group, random, rows, share_bad, names, group.vendors, made).encoded("cp1252")
    return made


def _invoices(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", section_of("intacct-invoice", "LOCATION_ID"), 0)
    names = {"number": "INVOICE_NO", "party": "CUSTOMER_ID", "letter": "FI"}
    made.content = _documents(group, random, rows, share_bad, names, group.customers, made).encoded("cp1252")
    return made


# Journal entries -----------------------------------------------------------------------------------------------------

JOURNAL_COLUMNS = words_of(
    """
    DONOTIMPORT JOURNAL DATE REVERSEDATE DESCRIPTION REFERENCE_NO LINE_NO ACCT_NO LOCATION_ID DEPT_ID DOCUMENT
    MEMO DEBIT CREDIT SOURCEENTITY CURRENCY EXCH_RATE_DATE EXCH_RATE_TYPE_ID EXCHANGE_RATE STATE ALLOCATION_ID
    BILLABLE RPESENTRY GLENTRY_CUSTOMERID GLENTRY_VENDORID GLENTRY_ITEMID GLENTRY_CLASSID GLENTRY_EMPLOYEEID
    """
)


def _entries(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", section_of("intacct-journal", "LOCATION_ID"), 0)
    writer = Writer(JOURNAL_COLUMNS, random, made)
    writer.comment(DONOTIMPORT="#", DEBIT="Number", DATE="mm/dd/yyyy", LINE_NO="Number")
    while made.rows < rows:
        entity = random.choice(ENTITIES)[0]
        place = random.choice(LOCATIONS[entity])[0]
        day = group.today - timedelta(days=random.randrange(60))
        debits = [some_money(random) for _ in range(random.choices((1, 2, 3), (4, 2, 1))[0])]
        lines = []
        for number, amount in enumerate([*debits, -sum(debits, Decimal(0))], 1):
            # Some exporters write the credit as a negative debit.
            side = "DEBIT" if amount > 0 or writer.count % 4 == 0 else "CREDIT"
            line = {
                "LINE_NO": str(number),
                "ACCT_NO": random.choice(EXPENSES),
                "LOCATION_ID": place,
                "DEPT_ID": "300",
                "MEMO": random.choice(MEMOS),
                side: f"{amount if side == 'DEBIT' else -amount}",
            }
            lines.append(line)
        lines[0] |= {
            "JOURNAL": "GJ",
            "DATE": us_date(day),
            "DESCRIPTION": f"Accrual {writer.count}",
            "REFERENCE_NO": f"ACC-{writer.count}" if random.random() < 0.7 else "",
        }
        bad = _spoil_entry(lines, random) if random.random() < share_bad * len(lines) else None
        writer.document(entity, lines, sum(debits, Decimal(0)), bad)
    made.content = writer.encoded("cp1252")
    return made


def _spoil_entry(lines: list[dict[str, str]], random: Random) -> tuple[int, str, str]:
    which = random.randrange(len(lines))
    side = "DEBIT" if lines[which].get("DEBIT") else "CREDIT"
    anywhere = {
        "amount": with_cell(side, "1.000,00", "'1.000,00' is not a number"),
        "sides": with_cell("CREDIT" if side == "DEBIT" else "DEBIT", "5.00", "is a debit and a credit"),
        "office": with_cell("LOCATION_ID", "130-LOM", "did you mean '130-LON'?"),
        "unknown": with_cell("ACCT_NO", "9999", "9999"),
        "balance": with_cell(side, "987654321.09", "differ by"),
    }
    first = {"date": with_cell("DATE", "2026-01-31", "'2026-01-31' is not a date like 01/31/2026")}
    kind, reason = spoil(lines[which], anywhere | (first if which == 0 else {}), random)
    return which, kind, reason


_MAKERS: dict[str, Callable[[Group, Random, int, float], Made]] = {
    "intacct-bill": _bills,
    "intacct-invoice": _invoices,
    "intacct-journal": _entries,
    "timesheet": timesheets,
    "harvest": harvest,
    "clicktime": clicktime,
}
