"""What a trial balance says of each account, and Intacct's own report of it read from its CSV.

What the report looks like as a file is not documented (REST reference 7.8), so its columns are told by their headings.
Asks nobody.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec

_HEADINGS = {
    "opening": ("opening", "beginning"),
    "debit": ("debit",),
    "credit": ("credit",),
    "closing": ("closing", "ending"),
}


class Balance(msgspec.Struct):
    """One account over a period, in base currency. Debits count positive in balances."""

    opening: Decimal = Decimal(0)
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)

    @property
    def closing(self) -> Decimal:
        return self.opening + self.debit - self.credit

    def __iadd__(self, other: Balance) -> Balance:
        self.opening += other.opening
        self.debit += other.debit
        self.credit += other.credit
        return self

    def add(self, amount: Decimal, *, debit: bool, before: bool) -> None:
        """One line; `before` the period."""
        if before:
            self.opening += amount if debit else -amount
        elif debit:
            self.debit += amount
        else:
            self.credit += amount


def read_report(text: str) -> dict[str, Balance] | None:
    """Account -> balance. None where no row has headings for accounts and for debits and credits, or the report holds
    an amount that is none."""
    rows = list(csv.reader(io.StringIO(text)))
    for at, row in enumerate(rows):
        places = _places(row)
        if places is not None:
            try:
                return _balances(rows[at + 1 :], places)
            except InvalidOperation:
                return None
    return None


def _places(row: list[str]) -> dict[str, int] | None:
    """Where each amount stands, by the words of a heading row."""
    words = [cell.strip().lower() for cell in row]
    accounts = [at for at, word in enumerate(words) if "account" in word or word.startswith("acct")]
    found = {"account": accounts[0]} if accounts else {}
    for what, signs in _HEADINGS.items():
        at = next((i for i, word in enumerate(words) if any(sign in word for sign in signs)), None)
        if at is not None:
            found[what] = at
    return found if {"account", "opening", "debit", "credit"} <= set(found) else None


def _balances(rows: list[list[str]], places: Mapping[str, int]) -> dict[str, Balance]:
    found: dict[str, Balance] = {}
    for row in rows:
        account = row[places["account"]].partition("--")[0].strip() if len(row) > max(places.values()) else ""
        if account and "total" not in account.lower():
            found[account] = Balance(*(_amount(row[places[what]]) for what in ("opening", "debit", "credit")))
    return found


def _amount(text: str) -> Decimal:
    """`1,234.50`, `(12.00)` and nothing. Raises InvalidOperation."""
    bare = text.strip().replace(",", "").replace("$", "")
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    return Decimal(bare or "0")
