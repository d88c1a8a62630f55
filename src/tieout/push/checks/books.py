"""Checks that a document agrees with itself and with what is there: balances, control totals, numbers used twice.

Knows documents, exact sums, and what a company answers in bulk. Sends nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.errors import StoreError
from tieout.push.checks.blame import Blame, row_of
from tieout.push.checks.known import CANNOT_TELL, LOCATION, VALUES_A_QUERY, Company

if TYPE_CHECKING:
    from tieout.push.documents import Document
    from tieout.rest import Intacct

JOURNAL_ENTRY = "general-ledger/journal-entry"
_TYPE, _AMOUNT = "txnType", "txnAmount"


# Balance -----------------------------------------------------------------------------------------------------------


class Balance:
    """Debits and credits of each journal entry are equal (REST reference 8.4), and over several entities in each of
    them, unless the entry names a base location (REST reference 9.2).

    Says nothing of a draft, which need not balance yet (INFERRED), of an entry in several currencies, whose base
    amounts balance, and of one that another problem leaves without an amount."""

    def __init__(self, blame: Blame, company: Company | None, entity_of: Callable[[Document], str]) -> None:
        """Without a `company` the entities of lines are not looked at."""
        self._blame, self._company, self._entity_of = blame, company, entity_of

    def __call__(self, documents: Sequence[Document]) -> None:
        several: list[Document] = []
        for document in documents:
            lines = document.body.get("lines")
            if document.body.get("state") == "draft" or not isinstance(lines, list) or not _is_summable(lines):
                continue
            sums = sums_of(lines)
            debits, credits = sums["debit"], sums["credit"]
            if debits != credits:
                difference = abs(debits - credits)
                reason = f"debits {money(debits)} and credits {money(credits)} differ by {money(difference)}"
                document.problems.append(self._blame.problem(document.rows[0], f"lines.{_AMOUNT}", reason))
            elif document.body.get("baseLocation") is None and not self._entity_of(document):
                several.append(document)
        if several and self._company is not None:
            self._by_entity(several, self._company)

    def _by_entity(self, documents: Sequence[Document], company: Company) -> None:
        ids = {by: {_location(line, by) for d in documents for line in d.body["lines"]} - {""} for by in _BYS}
        owners: dict[tuple[str, str], str] = {}
        for by, values in ids.items():
            answers = company.known(LOCATION).ask(by, values) if values else {}  # type: ignore[arg-type]
            for value, records in (answers or {}).items():
                if records:
                    owners[by, value] = company.places.entity_of(records[0])
        for document in documents:
            lines = document.body["lines"]
            entities = [
                next((owners.get((by, v)) for by in _BYS if (v := _location(line, by))), None) for line in lines
            ]
            if None in entities or len(set(entities)) < 2:
                continue
            for entity in sorted({entity for entity in entities if entity}):
                mine = [line for line, owner in zip(lines, entities, strict=True) if owner == entity]
                sums = sums_of(mine)
                if sums["debit"] != sums["credit"]:
                    row = row_of(document, lines, entities.index(entity))
                    debits, credits = money(sums["debit"]), money(sums["credit"])
                    reason = (
                        f"in entity {entity} debits {debits} and credits {credits} differ; an entry over several "
                        "entities balances in each, or names a base location"
                    )
                    document.problems.append(self._blame.problem(row, f"lines.{_AMOUNT}", reason))


_BYS = ("key", "id")


def sums_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """{"debit": exact sum, "credit": exact sum}. A line that does not say is a debit (REST reference 9.4)."""
    sums = {"debit": Decimal(0), "credit": Decimal(0)}
    for line in lines:
        sums["credit" if line.get(_TYPE) == "credit" else "debit"] += Decimal(str(line[_AMOUNT]))
    return sums


def money(amount: Decimal) -> str:
    """With two decimals, or as many as it has."""
    exponent = amount.as_tuple().exponent
    return f"{amount:.2f}" if isinstance(exponent, int) and exponent >= -2 else f"{amount:f}"


def _is_summable(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Every line has an amount and all are in one currency, without taxes that add to them."""
    currencies = set()
    for line in lines:
        if (
            line.get(_AMOUNT) in (None, "")
            or line.get(_TYPE) not in (None, "debit", "credit")
            or line.get("taxEntries")
        ):
            return False
        currency = line.get("currency")
        currencies.add(currency.get("txnCurrency") if isinstance(currency, Mapping) else None)
    return len(currencies) <= 1 and bool(lines)


def _location(line: Mapping[str, Any], by: str) -> str:
    dimensions = line.get("dimensions")
    location = dimensions.get("location") if isinstance(dimensions, Mapping) else None
    value = location.get(by) if isinstance(location, Mapping) else None
    return "" if value is None else str(value)


# Numbers that come twice -------------------------------------------------------------------------------------------


class Number(msgspec.Struct, frozen=True):
    """What tells a document from every other besides its key."""

    path: str
    """The number's field."""
    owner: str
    """The reference within which it is given once; "" for within the company."""
    what: str
    """In a sentence: `bill number`."""


NUMBERS = {
    "accounts-payable/bill": Number("billNumber", "vendor", "bill number"),
    "accounts-receivable/invoice": Number("invoiceNumber", "customer", "invoice number"),
}
"""Bills: production clients meet the refusal (REST reference 8.4); invoices: INFERRED."""
_WITHIN_OTHERS = ("projects/task", "construction/cost-type")
"""Their ids are unique within another record only."""


class Repeats:
    """Finds numbers that come twice in one source. Keeps them on disk, 16 bytes each: a source may have millions."""

    def __init__(self) -> None:
        self._seen = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=off", "synchronous=off", "cache_size=-4000"):
            self._seen.execute(f"pragma {pragma}")
        self._seen.execute("create table seen (mark blob primary key, row integer not null) without rowid")

    def first_row(self, words: Sequence[str], row: int) -> int:
        """The row that had these words first: `row` itself where they are new."""
        mark = hashlib.blake2b(msgspec.json.encode(words), digest_size=16).digest()
        try:
            found = self._seen.execute("select row from seen where mark = ?", (mark,)).fetchone()
            if found is None:
                self._seen.execute("insert into seen values (?, ?)", (mark, row))
                return row
        except sqlite3.Error as error:
            raise StoreError(
                f"The numbers of the records cannot be kept in the folder for temporary files: {error}.",
                advice="Make room there, or set SQLITE_TMPDIR to a folder with room; then run the command again.",
            ) from None
        return int(found[0])

    def close(self) -> None:
        self._seen.close()


class Duplicates:
    """A bill or invoice with a number that its vendor or customer has had, a record whose id is taken.

    `in_source` looks through the source, `in_company` sees what Intacct answered to `questions`."""

    def __init__(
        self, object: str, blame: Blame, client: Intacct, company: Callable[[], Company], repeats: Repeats
    ) -> None:
        """`client` sees all entities that its user may."""
        self._object, self._blame, self._client, self._company = object, blame, client, company
        self._number = NUMBERS.get(object)
        self._repeats = repeats
        self._had: dict[str, list[tuple[str, tuple[tuple[str, str], ...]]]] = {}
        """Number -> (key, whose it is) of the records that have it, for the documents that are being looked at."""
        self.why_not = ""

    @property
    def concerns(self) -> bool:
        return self._number is not None

    def in_source(self, documents: Sequence[Document]) -> None:
        """Add a problem to each document whose number another one before it has."""
        number = self._number
        for document in documents if number is not None else ():
            assert number is not None
            value = document.body.get(number.path)
            owner = _owner(document, number)
            if not isinstance(value, str) or not value or not owner:
                continue
            row = self._repeats.first_row((self._object, *owner, value), document.rows[0])
            if row != document.rows[0]:
                reason = f"{number.what} {value!r} of {number.owner} {owner[1]!r} is in row {row} too"
                self._refuse(document, number.path, value, reason)

    def questions(self, documents: Sequence[Document]) -> list[Callable[[], None]]:
        """What must be asked of Intacct before `in_company` can look at these documents, as far as that can be said by
        now (`Known.questions`)."""
        number = self._number
        if number is None:
            ids = self._ids(documents)
            return self._company().known(self._object).questions("id", ids) if ids else []
        if self.why_not:
            return []
        values = dict.fromkeys(
            str(value)
            for document in documents
            if isinstance(value := document.body.get(number.path), str) and value and _owner(document, number)
        )
        left = [value for value in values if value not in self._had]
        self._had.update((value, []) for value in left)
        parts = [left[start : start + VALUES_A_QUERY] for start in range(0, len(left), VALUES_A_QUERY)]
        return [partial(self._look, number, part) for part in parts]

    def in_company(self, documents: Sequence[Document], entity_of: Callable[[Document], str]) -> None:
        """Add a problem to each document that Intacct has already: by its number, or by its own id. To be called when
        all `questions` have been asked."""
        if self._number is None:
            self._by_id(documents, entity_of)
        elif not self.why_not:
            self._by_number(documents, self._number)
        self._had.clear()

    def _look(self, number: Number, values: list[str]) -> None:
        """Ask for the records that have these numbers, and whose they are."""
        from tieout.rest import F

        fields = ("key", number.path, f"{number.owner}.id", f"{number.owner}.key")
        try:
            rows = self._client.query(
                self._object,
                fields,
                F(number.path).in_(values),
                private=self._client.entity is None,
                page_size=4_000,
                paging="keyset",
            )
            for row in rows:
                theirs = (("id", str(row[fields[2]])), ("key", str(row[fields[3]])))
                self._had.get(str(row[number.path]), []).append((str(row["key"]), theirs))
        except CANNOT_TELL as error:
            self.why_not = getattr(error, "message", str(error)).rstrip(".")

    def _by_number(self, documents: Sequence[Document], number: Number) -> None:
        for document in documents:
            value, owner = document.body.get(number.path), _owner(document, number)
            if not isinstance(value, str) or owner is None:
                continue
            key = next((key for key, theirs in self._had.get(value, ()) if owner in theirs), None)
            if key is not None:
                mine = f"{number.what} {value!r} of {number.owner} {owner[1]!r}"
                self._refuse(document, number.path, value, f"{mine} is in Intacct already, key {key}")

    def _ids(self, documents: Sequence[Document]) -> dict[str, Document]:
        """Documents by ids of their own."""
        if self._object.endswith(_WITHIN_OTHERS):
            return {}
        return {d.body["id"]: d for d in documents if isinstance(d.body.get("id"), str) and d.body["id"]}

    def _by_id(self, documents: Sequence[Document], entity_of: Callable[[Document], str]) -> None:
        by_id = self._ids(documents)
        answers = self._company().known(self._object).ask("id", by_id, expected=False) if by_id else {}
        for value, records in (answers or {}).items():
            document = by_id[value]
            same = next((r for r in records if r.entity in ("", entity_of(document))), None)
            if same is not None:
                reason = f"a record with the id {value!r} is in Intacct already, key {same.key}"
                self._refuse(document, "id", value, reason)

    def _refuse(self, document: Document, path: str, value: str, reason: str) -> None:
        document.problems.append(self._blame.problem(document.rows[0], path, reason, value=value))


def _owner(document: Document, number: Number) -> tuple[str, str] | None:
    """("id", "V-1"): whose number it is, as the document names it."""
    found = document.body.get(number.owner)
    if isinstance(found, Mapping):
        for by in _BYS:
            if found.get(by) not in (None, ""):
                return by, str(found[by])
    return None
