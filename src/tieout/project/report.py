"""One line of a tie-out: what two sides hold, and whether they agree. Knows nothing of how either side was counted."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class TieOutLine(msgspec.Struct, frozen=True, kw_only=True):
    """One proof. `source` is our side: a file or a destination; `intacct` is Sage's."""

    subject: str
    """What is compared: `push timesheets`, `accounts-payable/bill`."""
    what: str
    """The measure: `rows`, `sum totalDue`."""
    source: str | Decimal | int | None
    intacct: str | Decimal | int | None
    difference: Decimal | int | None = None
    """source minus intacct, exact; None where one side is not known."""
    ties: bool | None = None
    """None: not provable, for the reason in `note`."""
    note: str = ""
    book: str = ""
    """Of a trial balance: the book and entity of the report, the account. An entity of "" is all of them."""
    entity: str = ""
    account: str = ""
