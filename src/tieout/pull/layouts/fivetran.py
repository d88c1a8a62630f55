"""The seven tables that the dbt package `fivetran/sage_intacct` reads, in terms of REST fields.

Names and types are those its staging models fill; exact numbers stand where it has floating point, and text where it
has a number for what may hold letters (account numbers, ids). Columns without a source are fields of Sage's older API
that REST does not have. Facts, no SQL; docs/layouts.md is made from them.
"""

from __future__ import annotations

from tieout.pull.layouts.shape import Join, Shaped, Table, col

LINE = "general-ledger/journal-entry-line"
ENTRY = "general-ledger/journal-entry"
JOURNAL = "general-ledger/journal"
BILL = "accounts-payable/bill"
INVOICE = "accounts-receivable/invoice"
CREATED, MODIFIED = "audit.createdDateTime", "audit.modifiedDateTime"

_SYNCED = col("_fivetran_synced", "timestamp", how="synced")
_MARKS = (col("_fivetran_deleted", "bool", how="deleted"), _SYNCED)


def _dimension(name: str, column: str, title: str = "name") -> tuple[Shaped, Shaped]:
    return (
        col(f"{column}id", "text", f"dimensions.{name}.id"),
        col(f"{column}{title}", "text", f"dimensions.{name}.name"),
    )


def _item(header: str) -> tuple[Shaped, ...]:
    """What lines of bills and of invoices have in common."""
    return (
        *_MARKS,
        col("recordno", "text", "key"),
        col("recordkey", "text", f"{header}.key"),
        col("recordtype", "text", "header:recordType"),
        col("state", "text", "header:state"),
        col("line_no", "int", "lineNumber"),
        col("lineitem", "bool", "isSubtotal", "isSubTotal", how="not"),
        col("accountkey", "int", "glAccount.key"),
        col("accountno", "text", "glAccount.id"),
        col("accounttitle", "text", "glAccount.name"),
        col("amount", "number", "baseAmount"),
        col("basecurr", "text", "currency.baseCurrency"),
        col("currency", "text", "currency.txnCurrency"),
        col("exchange_rate", "number", "currency.exchangeRate.rate"),
        col("baselocation", "int", "baseLocation.key"),
        col("entry_date", "date", "createdDate"),
        col("entrydescription", "text", "memo"),
        col("offsetglaccountno", "text", "overrideOffsetGLAccount.id"),
        col("offsetglaccounttitle", "text", "overrideOffsetGLAccount.name"),
        col("totalpaid", "number", "paymentInformation.totalBaseAmountPaid"),
        col("totalselected", "number", "paymentInformation.totalBaseAmountSelectedForPayment"),
        *_dimension("class", "class"),
        *_dimension("customer", "customer"),
        *_dimension("department", "department"),
        *_dimension("item", "item"),
        *_dimension("location", "location"),
        *_dimension("vendor", "vendor"),
        col("whencreated", "timestamp", CREATED),
        col("whenmodified", "timestamp", MODIFIED),
    )


def _document(*, date: str, posted: str, number: str) -> tuple[Shaped, ...]:
    """What bills and invoices have in common."""
    return (
        *_MARKS,
        col("recordno", "text", "key"),
        col("recordid", "text", number),
        col("recordtype", "text", "recordType"),
        col("docnumber", "text", "referenceNumber"),
        col("description", "text", "description"),
        col("state", "text", "state"),
        col("basecurr", "text", "currency.baseCurrency"),
        col("currency", "text", "currency.txnCurrency"),
        col("totaldue", "number", "totalBaseAmountDue"),
        col("totalentered", "number", "totalBaseAmount"),
        col("totalpaid", "number", "paymentInformation.totalBaseAmountPaid"),
        col("due_in_days", "int", "dueInDays"),
        col("whencreated", "date", date),
        col("whendue", "date", "dueDate"),
        col("whenpaid", "date", "paymentInformation.fullyPaidDate"),
        col("whenposted", "date", posted),
        col("auwhencreated", "timestamp", CREATED),
        col("whenmodified", "timestamp", MODIFIED),
        col("billtopaytocontactname", "text", "contacts.payTo.id", "contacts.billTo.id"),
        col("billtopaytokey", "int", "contacts.payTo.key", "contacts.billTo.key"),
        col("shiptoreturntocontactname", "text", "contacts.returnTo.id", "contacts.shipTo.id"),
        col("shiptoreturntokey", "int", "contacts.returnTo.key", "contacts.shipTo.key"),
    )


GL_ACCOUNT = Table(
    "gl_account",
    "general-ledger/account",
    (
        *_MARKS,
        col("recordno", "int", "key"),
        col("accountno", "text", "id"),
        col("title", "text", "name"),
        col("accounttype", "text", "accountType", how="lower"),
        col("normalbalance", "text", "normalBalance"),
        col("category", "text", "category"),
        col("categorykey", "int"),
        col("alternativeaccount", "text", "alternativeGLAccount"),
        col("closetoacctkey", "int", "closeToGLAccount.key"),
        col("closingaccountno", "text", "closeToGLAccount.id"),
        col("closingaccounttitle"),
        col("closingtype", "text", "closingType"),
        col("createdby", "int", "audit.createdByUser.key", "audit.createdBy"),
        col("modifiedby", "int", "audit.modifiedByUser.key", "audit.modifiedBy"),
        col("requireclass", "bool", "requireDimensions.class"),
        col("requirecustomer", "bool", "requireDimensions.customer"),
        col("requiredept", "bool", "requireDimensions.department"),
        col("requireemployee", "bool", "requireDimensions.employee"),
        col("requireitem", "bool", "requireDimensions.item"),
        col("requireloc", "bool", "requireDimensions.location"),
        col("requireproject", "bool", "requireDimensions.project"),
        col("requirevendor", "bool", "requireDimensions.vendor"),
        col("requirewarehouse", "bool", "requireDimensions.warehouse"),
        col("status", "text", "status"),
        col("taxable", "bool", "isTaxable"),
        col("whencreated", "timestamp", CREATED),
        col("whenmodified", "timestamp", MODIFIED),
    ),
)

GL_BATCH = Table(
    "gl_batch",
    ENTRY,
    (
        *_MARKS,
        col("recordno", "text", "key"),
        col("batchno", "int", "txnNumber"),
        col("batch_date", "date", "postingDate"),
        col("batch_title", "text", "description"),
        col("journal", "text", "glJournal.id"),
        col("module", "text", "moduleName"),
        col("state", "text", "state"),
        col("referenceno", "text", "referenceNumber"),
        col("baselocation", "int", "baseLocation.key"),
        col("baselocation_no", "text", "baseLocation.id"),
        col("megaentitykey", "int", "entity.key"),
        col("megaentityid", "text", "entity.id"),
        col("megaentityname", "text", "entity.name"),
        col("createdby", "int", "audit.createdByUser.key", "audit.createdBy"),
        col("modifiedby", "int", "audit.modifiedByUser.key", "audit.modifiedBy"),
        col("modifiedbyid", "text", "audit.modifiedByUser.id"),
        col("prbatchkey", "int"),
        col("reversed", "date"),
        col("reversedfrom", "date", "reversedFromDate"),
        col("reversedkey", "int", "reversedBy.key"),
        col("taximplications", "text", "tax.taxImplication"),
        col("templatekey", "int", "txnTemplate.key"),
        col("userinfo_loginid"),
        col("userkey", "int"),
        col("modified", "timestamp", MODIFIED),
        col("whencreated", "timestamp", CREATED),
        col("whenmodified", "timestamp", MODIFIED),
    ),
)

GL_DETAIL = Table(
    "gl_detail",
    LINE,
    (
        *_MARKS,
        col("recordno", "text", "key"),
        col("accountno", "text", "glAccount.id"),
        col("accounttitle", "text", "glAccount.name"),
        col("amount", "number", "baseAmount", how="signed"),
        col("debitamount", "number", "baseAmount", how="debit"),
        col("creditamount", "number", "baseAmount", how="credit"),
        col("trx_amount", "number", "txnAmount", how="signed"),
        col("trx_debitamount", "number", "txnAmount", how="debit"),
        col("trx_creditamount", "number", "txnAmount", how="credit"),
        col("tr_type", "int", how="sign"),
        col("basecurr", "text", "currency.baseCurrency"),
        col("currency", "text", "currency.txnCurrency"),
        col("bookid", "text", "journal:bookId"),
        col("batchkey", "text", "journalEntry.key"),
        col("batch_date", "date", "entry:postingDate"),
        col("batch_no", "int", "entry:txnNumber"),
        col("batch_title", "text", "entry:description"),
        col("entry_date", "date", "entryDate"),
        col("entry_state", "text", how="posted"),
        col("description", "text", "description"),
        col("entrydescription", "text", "description"),
        col("document", "text", "documentId"),
        col("line_no", "int", "lineNumber"),
        *_dimension("class", "class"),
        *_dimension("customer", "customer"),
        *_dimension("department", "department", "title"),
        *_dimension("location", "location"),
        *_dimension("vendor", "vendor"),
        col("docnumber"),
        col("prdescription"),
        col("recordid"),
        col("recordtype"),
        col("totaldue", "number"),
        col("totalentered", "number"),
        col("totalpaid", "number"),
        col("whencreated", "date"),
        col("whendue", "date"),
        col("whenpaid", "date"),
        col("modified", "timestamp", MODIFIED),
        col("whenmodified", "timestamp", MODIFIED),
    ),
    joins=(Join("entry", ENTRY, "journalEntry.key"), Join("journal", JOURNAL, "entry:glJournal.key")),
    needed=(ENTRY, JOURNAL),
    comes_with=ENTRY,
    posted="state",
)

AP_BILL = Table(
    "ap_bill",
    BILL,
    (
        *_document(date="createdDate", posted="postingDate", number="billNumber"),
        col("vendorid", "text", "vendor.id"),
        col("vendorname", "text", "vendor.name"),
    ),
)

AP_BILL_ITEM = Table(
    "ap_bill_item",
    "accounts-payable/bill-line",
    (
        *_item("bill"),
        *_dimension("project", "project"),
        col("billable", "bool", "project.isBillable"),
        col("billed", "bool", "project.isBilled"),
        col("createdby", "int", "audit.createdByUser.key", "audit.createdBy"),
    ),
    joins=(Join("header", BILL, "bill.key"),),
    comes_with=BILL,
    live=True,
)

AR_INVOICE = Table(
    "ar_invoice",
    INVOICE,
    (
        *_document(date="invoiceDate", posted="invoiceSummary.glPostingDate", number="invoiceNumber"),
        col("customerid", "text", "customer.id"),
        col("customername", "text", "customer.name"),
        col("megaentityid", "text", "entity.id"),
        col("megaentityname", "text", "entity.name"),
        col("createdby", "int", "audit.createdByUser.key", "audit.createdBy"),
        col("whendiscount", "date", "discountCutOffDate"),
    ),
)

AR_INVOICE_ITEM = Table(
    "ar_invoice_item",
    "accounts-receivable/invoice-line",
    (*_item("invoice"), *_dimension("warehouse", "warehouse")),
    joins=(Join("header", INVOICE, "invoice.key"),),
    comes_with=INVOICE,
    live=True,
)

TABLES = (GL_ACCOUNT, GL_BATCH, GL_DETAIL, AP_BILL, AP_BILL_ITEM, AR_INVOICE, AR_INVOICE_ITEM)
UNPOSTED = ("draft", "submitted", "partiallyApproved", "approved", "declined")
"""States of a journal entry that is not in the ledger."""
