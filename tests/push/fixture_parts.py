"""What all realistic source files are made of: rows that are right or wrong, documents, what must become of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random

from tieout.simulator.seed import demo_group
from tieout.simulator.seed_group import LOCATIONS, Group

OFFICES = {place: entity for entity, places in LOCATIONS.items() for place, _ in places}
"""Location -> entity."""
ENTITY_BY_LOCATION = ", ".join(f'"{place}" = "{entity}"' for place, entity in OFFICES.items())


@dataclass
class Bad:
    """One row that cannot be sent."""

    kind: str
    """date, amount, blank, office, look-up, sides, status: found by the mapping or a look-up. closed, unknown: Intacct
    refuses, unless references are checked before. total, balance: found by the checks of documents."""
    reason: str
    """What the row's problem must say, in part."""
    document: int
    """The position of its document in the file, from 0: all its rows are held with it."""

    @property
    def by_mapping(self) -> bool:
        return self.kind not in ("closed", "unknown", "total", "balance")


@dataclass
class Made:
    """A file, and what must become of it."""

    content: bytes
    section: str
    """The [push.NAME] section but for source and connection."""
    rows: int
    """Source rows, those left out not counted."""
    documents: dict[str, int] = field(default_factory=dict)
    """Entity -> documents, good and bad."""
    bad: dict[int, Bad] = field(default_factory=dict)
    """Row number, as a spreadsheet counts -> what is wrong."""
    left_out: int = 0
    """Rows that the template leaves out."""
    total: Decimal = Decimal(0)
    """Amounts, debits or hours of all good documents."""
    rows_of: dict[int, list[int]] = field(default_factory=dict)
    """Position of a document -> its rows."""

    @property
    def bad_documents(self) -> set[int]:
        return {bad.document for bad in self.bad.values()}


@dataclass
class Writer:
    """Collects documents as rows of a CSV file."""

    columns: tuple[str, ...]
    random: Random
    made: Made
    table: list[list[str]] = field(default_factory=list)
    count: int = 0

    def comment(self, **cells: str) -> None:
        """A row that is left out."""
        self._write(cells)
        self.made.left_out += 1

    def document(
        self, entity: str, rows: list[dict[str, str]], amount: Decimal, bad: tuple[int, str, str] | None = None
    ) -> None:
        """`bad` is (which row, kind, reason)."""
        position, self.count = self.count, self.count + 1
        numbers = []
        for row in rows:
            self._write(row)
            numbers.append(len(self.table) + 1)
        self.made.rows += len(rows)
        self.made.rows_of[position] = numbers
        self.made.documents[entity] = self.made.documents.get(entity, 0) + 1
        if bad is None:
            self.made.total += amount
        else:
            which, kind, reason = bad
            self.made.bad[numbers[which]] = Bad(kind, reason, position)

    def _write(self, cells: dict[str, str]) -> None:
        assert cells.keys() <= set(self.columns), cells.keys() - set(self.columns)
        self.table.append([cells.get(column, "") for column in self.columns])

    def encoded(self, encoding: str) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows(self.table)
        return text.getvalue().encode(encoding)


_GROUPS: dict[date, Group] = {}


def group_of(today: date) -> Group:
    if today not in _GROUPS:
        _GROUPS[today] = demo_group(today)
    return _GROUPS[today]


def some_money(random: Random) -> Decimal:
    return Decimal(random.randrange(100, 900_000)) / 100


def us_date(day: date) -> str:
    """As Sage's templates and Excel write it: no leading zeros."""
    return f"{day.month}/{day.day}/{day.year}"


def spoil(row: dict[str, str], kinds: dict[str, Callable[[dict[str, str]], str]], random: Random) -> tuple[str, str]:
    kind = random.choice(sorted(kinds))
    return kind, kinds[kind](row)


def with_cell(column: str, value: str, reason: str) -> Callable[[dict[str, str]], str]:
    def change(row: dict[str, str]) -> str:
        row[column] = value
        return reason

    return change


def words_of(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def section_of(template: str, column: str, table: str = ENTITY_BY_LOCATION) -> str:
    return f'template = "{template}"\nentity = {{ column = "{column}", map = {{ {table} }} }}\n'


MEMOS = (
    "Consulting",
    "Café – Besprechung",
    "Müller & Söhne, Teil 2",
    'Size 5"',
    "Übernachtung",
    "= not a formula",
    "",
)
