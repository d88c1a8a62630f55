"""Objects, writes and a company's own rules: what is simulated and what can be chosen (REST reference 4)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Evidence, Fact, Switch


def _fact(what: str, evidence: Evidence, where: str) -> Fact:
    return Fact(what=what, evidence=evidence, where=where)


FACTS: tuple[Fact, ...] = (
    Fact(
        what="Preferences are there once, under the key `setup`, and only read and changed", evidence="DOC", where="3"
    ),
    Fact(what="What preferences begin with: defaults, else off", evidence="INFERRED", where="3"),
    Fact(what="The permissions a role can be given: shape as shown, names ours", evidence="INFERRED", where="9"),
    _fact("Create answers 201 with `key`, `id` and `href`; update 200; delete 204 without a body", "DOC", "4.4-4.6"),
    _fact(
        "Body mistakes: 400 `REST-1064`, one detail each: `REST-1043` unknown field, `REST-1050` read-only",
        "LIVE",
        "4.4",
    ),
    _fact("A blank id in a reference is refused, null is taken for nothing", "LIVE", "4.4"),
    _fact("A business refusal: 422 `REST-7001` with details", "LIVE", "8.4"),
    _fact("What a create must hold, conditions included; new lines of a PATCH too", "DOC", "9.2"),
    _fact(
        "An unknown, an inactive or a not-for-posting record in a transaction, a key and an id that disagree: 422",
        "INFERRED",
        "4.4",
    ),
    _fact(
        "Their sentences, and that of a missing dimension, are among those that production clients look for: "
        "`Vendor 'V-9' specified is not valid.`, `Activate the vendor V-9, then try again.`, `This transaction is "
        "missing the Department dimension for the Account 6100`",
        "INFERRED",
        "8.4",
    ),
    _fact("`webURL` is an address of the recorded form; what follows `.r=` is ours and opens nothing", "LIVE", "4.2"),
    _fact("An employee without a name has its primary contact's", "INFERRED", "9.2"),
    _fact("A record that another one refers to cannot be deleted", "INFERRED", "4.6"),
    _fact(
        "An id is given once: `Another record with the value already exists`; a task's id once in its project",
        "LIVE",
        "8.4",
    ),
    _fact(
        "The state without one differs per object; `state` is `draft` or absent on AR invoices and entries",
        "DOC",
        "4.4",
    ),
    _fact("A state that only payments and reversals make is refused on create", "INFERRED", "4.4"),
    _fact("`state` is moved by workflows, not by PATCH", "DOC", "4.5"),
    _fact(
        "PATCH moves the state of timesheets, expense reports and draft entries, for which no workflow is documented",
        "INFERRED",
        "4.8",
    ),
    _fact(
        "Submitted and approved timesheets and reports, and paid, selected and reversed documents, cannot be changed "
        "but for their attachment",
        "INFERRED",
        "4.8",
    ),
    _fact("Only unpaid bills that are posted, draft or declined can be deleted", "DOC", "4.8"),
    _fact(
        "Workflow actions take `{key, ...}` or an array and answer `key`, `id`, `href`, `state`; a wrong state is "
        "refused with 422",
        "DOC",
        "4.8",
    ),
    _fact("Reversing makes a second record, `reversal`, with the amounts turned round", "INFERRED", "4.8"),
    _fact("A journal entry that does not balance: `GL-0951`, `GL-1009`; a draft need not balance", "LIVE", "8.4"),
    _fact(
        "An entry over several entities balances in each, or names a `baseLocation`; `GL-1009` otherwise", "DOC", "9.2"
    ),
    _fact(
        "A day before an entity's `openBooksStartDate` is refused: `The period is closed`, `Date must be on or after`",
        "LIVE",
        "8.4",
    ),
    _fact(
        "Totals and what is due follow the lines on every document; base amounts at the document's rate",
        "INFERRED",
        "9.3",
    ),
    _fact(
        "The daily exchange rates do not change from day to day; a company's own rates go before them",
        "INFERRED",
        "9.2",
    ),
    _fact(
        "Payments make documents `selected`, `partiallyPaid` and `paid`, and take no more than is due",
        "INFERRED",
        "4.8",
    ),
    _fact(
        "What a vendor is owed and a customer owes follows bills and invoices, without an audit stamp",
        "INFERRED",
        "10.1",
    ),
    _fact(
        "`dueInDays` counts the days overdue by the simulated clock, null once paid (so recorded of invoices)",
        "LIVE",
        "9.1",
    ),
    _fact("An account's `requireDimensions` is asked of every line", "INFERRED", "9.3"),
    _fact("A vendor that is not approved: bills stay drafts", "DOC", "9.4"),
    _fact("A completed task takes no time", "DOC", "9.3"),
    _fact("Files of an attachment: added, changed and deleted by PATCH, read as base64 with their size", "DOC", "7.5"),
    _fact("A sales line without `unitPrice` is accepted (the create schema lists it as required)", "LIVE", "9.2"),
    _fact("The price it takes is the item's base price, 0 without one", "INFERRED", "9.2"),
    _fact(
        "PATCH closes a pending sales document by its `state`; `status` there is taken and not changed", "LIVE", "4.5"
    ),
    _fact("PATCH makes a sales draft pending", "INFERRED", "4.5"),
    _fact("Documents of all definitions share their keys; hrefs are percent-encoded", "DOC", "3"),
    _fact("GET of an invoice leaves out subtotal lines", "LIVE", "4.2"),
    _fact("Audit stamps in whole seconds, UTC", "DOC", "9.1"),
    _fact("A record made in an entity belongs to it; top level and other entities do not see it", "DOC", "2"),
    _fact(
        "`document-sequence/generate-next-value`, `dimensions/list`, `session/id`, `allowed-operations/list`",
        "DOC",
        "3, 7.4",
    ),
)
SWITCHES: tuple[Switch, ...] = (
    Switch(
        name="guessed_read_only",
        default="accepted",
        choices=("accepted", "refused"),
        what="A field of an object that is known from Sage's examples only, and that no example writes: it may be "
        "read-only, or merely not used there. Stored as sent (accepted), or `REST-1050` (refused).",
        evidence="INFERRED",
        where="9",
    ),
    Switch(
        name="document_numbering",
        default=False,
        what="Whether the company numbers vendors, customers, items, projects, employees and documents that come "
        "without a number; if not, a vendor or customer without id is refused.",
        evidence="DOC",
        where="9.2",
    ),
    Switch(
        name="terms_supply_due_date",
        default=False,
        what="Whether a bill or invoice without `dueDate` takes it from its term; if not, the date must be there.",
        evidence="DOC",
        where="9.2",
    ),
    Switch(
        name="bill_approval",
        default=False,
        what="Whether bills are approved: `submit` makes them `submitted`, `approve` posts them.",
        evidence="DOC",
        where="4.8",
    ),
    Switch(
        name="payment_approval",
        default=False,
        what="Whether AP payments are approved: `submit` makes them `submitted` instead of `confirmed`.",
        evidence="DOC",
        where="4.8",
    ),
    Switch(
        name="vendor_approval",
        default=False,
        what="Whether a new vendor has to be approved: it is created with the state `s` instead of `a`.",
        evidence="DOC",
        where="9.4",
    ),
    Switch(
        name="account_override_refused",
        default=False,
        what="Whether a line that names another account than its account label, or another offset account, is refused "
        "(`AR-0279`).",
        evidence="LIVE",
        where="8.5",
    ),
    Switch(
        name="subtotal_labels",
        default="refused",
        choices=("refused", "allowed"),
        what="What becomes of an account label for subtotals on an ordinary line; refused: `AR-0148`.",
        evidence="LIVE",
        where="8.5",
    ),
    Switch(
        name="account_label_suffices",
        default=False,
        what="Whether a line may name an account label instead of an account.",
        where="9.2",
    ),
    Switch(
        name="duplicate_bill_numbers",
        default="refused",
        choices=("refused", "allowed"),
        what="What becomes of a second bill with the number of an earlier one of the same vendor.",
        where="8.4",
    ),
    Switch(
        name="incomplete_documents",
        default="refused",
        choices=("refused", "accepted"),
        what="What becomes of a bill without vendor, an invoice without lines and the like, made so or left so: most "
        "pass the lists of required fields and cannot work.",
        where="9.2",
    ),
    Switch(
        name="books_closed_until",
        default="",
        what="The last day, `2026-02-28`, of the periods that the company has closed; empty: none is.",
        evidence="LIVE",
        where="8.4",
    ),
    Switch(
        name="drafts_need_open_period",
        default=True,
        what="Whether a draft too is refused when its day lies in a closed period, or only when it is posted.",
        where="8.4",
    ),
    Switch(
        name="excess_decimals",
        default="refuse",
        choices=("refuse", "round"),
        what="An amount with more decimals than its field has: 400, or rounded half up.",
        where="9.1",
    ),
    Switch(
        name="failed_status",
        default="422",
        choices=("422", "400"),
        what="The status of a business refusal, REST-7001.",
        evidence="INFERRED",
        where="8.5",
    ),
    Switch(
        name="duplicate_status",
        default="same",
        choices=("same", "409"),
        what="The status of a record whose id or number is taken: of other business refusals (same), or 409, of which "
        "a guide says that it can mean a unique key.",
        where="8.1",
    ),
    Switch(
        name="base_currency",
        default="USD",
        what="The base currency where no entity's location says another.",
        evidence="INFERRED",
        where="9.2",
    ),
    Switch(
        name="owner_stamp_moves",
        default=True,
        what="Whether a change of lines moves the audit stamp of their owner.",
        where="10.1",
    ),
    Switch(
        name="audit_history",
        default="none",
        choices=("none", "written", "forbidden"),
        what="What `company-config/audit-history` tells of deleted records: nothing (none), an entry with the record's "
        "business id and the action `delete` (written), or 403 to everybody (forbidden).",
        where="10.2",
    ),
    Switch(
        name="reversal_answer",
        default="documented",
        choices=("documented", "original", "reversal"),
        what="Which record the answer to a reversal names: as Sage's examples have it for each object, the one that "
        "was reversed, or the new one.",
        where="4.8",
    ),
)
