"""Numbers that a company gives out itself: the next id of an object, and the values of its document sequences
(REST reference 3, 4.4, 9.2).

Knows counters and their patterns. Refuses to know who asks and what the number is for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from tieout.simulator.refusal import Refusal
from tieout.simulator.rows import Rows
from tieout.simulator.values import KEY

SEQUENCE = "company-config/document-sequence"
NUMBERED = {
    "accounts-payable/vendor": ("id", "V-"),
    "accounts-payable/bill": ("billNumber", "BILL-"),
    "accounts-payable/adjustment": ("adjustmentNumber", "VADJ-"),
    "accounts-receivable/customer": ("id", "C-"),
    "accounts-receivable/invoice": ("invoiceNumber", "INV-"),
    "accounts-receivable/adjustment": ("adjustmentNumber", "ADJ-"),
    "company-config/employee": ("id", "EMP-"),
    "expenses/employee-expense": ("expenseReportNumber", "ER-"),
    "inventory-control/item": ("id", "ITEM-"),
    "projects/project": ("id", "P-"),
    "order-entry/document": ("documentNumber", "SO-"),
    "purchasing/document": ("documentNumber", "PO-"),
    "inventory-control/document": ("documentNumber", "IC-"),
}
"""What a company with document numbering numbers: object -> (field, prefix). The prefixes are ours."""
_DIGITS = 5


class Sequences:
    """Counters of one company, kept with its records: what is undone there is given out again."""

    def __init__(self, db: sqlite3.Connection, rows: Rows) -> None:
        self._db = db
        self._rows = rows

    def next_id(self, object: str, taken: Callable[[str], bool]) -> str | None:
        """The next free number of an object, None of an object that is not numbered."""
        base = object.partition("::")[0]
        if base not in NUMBERED:
            return None
        while True:
            number = f"{NUMBERED[base][1]}{self.count(object):0{_DIGITS}}"
            if not taken(number):
                return number

    def count(self, name: str) -> int:
        """The next number of a counter, from 1."""
        sql = 'INSERT INTO "ia::key" VALUES (?, 1) ON CONFLICT (object) DO UPDATE SET last = last + 1 RETURNING last'
        count: int = self._db.execute(sql, (f"sequence/{name}",)).fetchone()[0]
        return count

    def generate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """`company-config/document-sequence/generate-next-value`: `{id | key[, fiscalYear]}` -> the next value.

        Refusal 400 without key and id, 404 for a sequence that is not there, 422 past its last number."""
        table = self._rows.tables.get(SEQUENCE)
        by = "key" if asked.get("key") is not None else "id"
        if asked.get(by) is None:
            raise Refusal.invalid_request("A document sequence is named by key or id")
        given = str(asked[by])
        key = self._rows.find(table, by, given)
        if key is None:
            raise Refusal.not_found(SEQUENCE, given)
        paths = [path for path in table.columns if "." not in path or path.startswith("rollover.")]
        sequence = self._rows.values(table, key, paths)
        number, last = _whole(sequence.get("nextNumber")), _whole(sequence.get("endingNumber"))
        if number is None:
            number = _whole(sequence.get("startingNumber")) or 1
        if last is not None and number > last:
            words = f"The sequence {sequence['id']} has given out its last number"
            raise Refusal.broken_rule("POST", SEQUENCE, words, code="sequenceExhausted")
        self._rows.update(table, key, {"nextNumber": number + 1})
        answer: dict[str, Any] = {"key": KEY.decoder()(key)} if by == "key" else {}
        answer |= {"id": sequence["id"], "nextValue": _value(sequence, number, asked.get("fiscalYear"))}
        return answer | ({"fiscalYear": asked["fiscalYear"]} if asked.get("fiscalYear") is not None else {})


def _value(sequence: Mapping[str, Any], number: int, year: object) -> str:
    digits = str(number).rjust(_whole(sequence.get("fixedLength")) or 0, "0")
    before = f"{sequence.get('fixedPrefix') or ''}{sequence.get('prefixSeparator') or ''}"
    after = f"{sequence.get('suffixSeparator') or ''}{sequence.get('fixedSuffix') or ''}"
    mark = sequence.get("rollover.separator") or "-"
    if year is not None and sequence.get("rollover.fiscalYearAffixPosition") == "prefix":
        before = f"{year}{mark}{before}"
    elif year is not None:
        after = f"{after}{mark}{year}"
    return f"{before}{digits}{after}"


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
