"""Rows -> documents: the bodies to send, each with the rows it was made of and what is wrong with it.

Rows of one document need not stand together. Knows nothing of ledgers and requests.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tieout.errors import Problem
from tieout.push.check import Target, Verbatim, add_total, holds, missing
from tieout.push.mapping import FieldMapping, MappedRow, cell, is_blank
from tieout.push.settings import PushSettings
from tieout.push.sources import SourceRow
from tieout.push.values import Wire

ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")
"""Bodies: Decimal as an exact JSON number, members in a fixed order so that equal records have equal bytes."""


class Document(msgspec.Struct):
    """One record to create. It is ready if `problems` is empty, else held with all its rows."""

    source_id: str
    rows: list[int]
    """Row numbers of the source, in its order."""
    entries: list[str]
    """The ids of the rows, where several rows make one document."""
    body: dict[str, Any]
    problems: list[Problem]
    totals: dict[str, Decimal]
    """Exact sums by field path, of what can be read back."""
    is_grouped: bool = False
    """Made of rows with ids of their own."""
    has_moved_rows: bool = False
    """A row of it is in Intacct already, as part of another document."""

    @property
    def payload_hash(self) -> str:
        """Tells whether the content changed since it was posted. The order of lines does not count."""
        plain = {
            name: sorted(ENCODER.encode(line) for line in value) if isinstance(value, list) else value
            for name, value in self.body.items()
        }
        return hashlib.sha256(ENCODER.encode(plain)).hexdigest()


def source_id(values: Mapping[str, Any], columns: Iterable[str]) -> str:
    """The id of a row: the value of its id column, or several as a JSON array. Blank parts give ""."""
    parts = [cell(values, column) for column in columns]
    if any(is_blank(part) for part in parts):
        return ""
    words = [str(part).strip() for part in parts]
    return words[0] if len(words) == 1 else json.dumps(words, ensure_ascii=False)


class _Draft(msgspec.Struct):
    """A document while its rows come in."""

    source_id: str
    rows: list[int] = msgspec.field(default_factory=list)
    entries: list[str] = msgspec.field(default_factory=list)
    header: dict[str, Wire] = msgspec.field(default_factory=dict)
    header_row: dict[str, int] = msgspec.field(default_factory=dict)
    lines: list[dict[str, Wire]] = msgspec.field(default_factory=list)
    problems: list[Problem] = msgspec.field(default_factory=list)


class Assembly:
    """Takes the rows of a source one by one; `documents()` gives what they make, in order of first appearance."""

    def __init__(self, settings: PushSettings, target: Target, mapping: FieldMapping | None) -> None:
        self._settings = settings
        self._target = target
        self._mapping = mapping
        self._places = mapping.places() if mapping is not None else {}
        self._drafts: dict[object, _Draft] = {}
        self._documents: list[Document] = []
        self._first_seen: dict[str, int] = {}
        self._twice: dict[str, list[int]] = {}

    def add(self, row: SourceRow) -> None:
        """Take one row."""
        entry = source_id(row.values, self._settings.id_columns)
        problems: list[Problem] = []
        if not entry:
            column = next(c for c in self._settings.id_columns if is_blank(cell(row.values, c)))
            problems.append(_row_problem(row.number, column, "is blank, but it is this push's id"))
            entry = f"(row {row.number})"
        elif entry in self._first_seen:
            self._twice.setdefault(entry, [self._first_seen[entry]]).append(row.number)
        else:
            self._first_seen[entry] = row.number
        if self._mapping is None:
            checked = Verbatim(self._target, row.values, row.number)
            problems += checked.problems
            self._documents.append(Document(entry, [row.number], [entry], checked.body, problems, checked.totals))
            return
        mapped = self._mapping.row(row)
        mapped.problems[:0] = problems
        draft = self._draft(row, entry, mapped)
        draft.rows.append(row.number)
        draft.entries.append(entry)
        draft.problems.extend(mapped.problems)
        self._merge_header(draft, mapped)
        if self._mapping.list:
            draft.lines.append(mapped.line)

    def _draft(self, row: SourceRow, entry: str, mapped: MappedRow) -> _Draft:
        columns = self._settings.group_columns
        if not columns:
            # Rows that share an id are kept apart here and held below: they are not one document.
            return self._drafts.setdefault(row.number, _Draft(entry))
        group = source_id(row.values, columns)
        if not group:
            column = next(c for c in columns if is_blank(cell(row.values, c)))
            mapped.problems.append(_row_problem(row.number, column, "is blank, but documents are grouped by it"))
            return self._drafts.setdefault(row.number, _Draft(f"(row {row.number})"))
        return self._drafts.setdefault(group, _Draft(group))

    def _merge_header(self, draft: _Draft, mapped: MappedRow) -> None:
        """Header values of one document must agree; a blank one agrees with all."""
        assert self._mapping is not None
        for path, value in mapped.header.items():
            if path not in draft.header:
                draft.header[path] = value
                draft.header_row[path] = mapped.number
            elif draft.header[path] != value:
                column = self._mapping.column_of(path)
                first = f"{draft.header[path]!s} in row {draft.header_row[path]}"
                reason = f"{value!s} differs from {first} of the same document"
                draft.problems.append(_row_problem(mapped.number, column, reason))

    def documents(self) -> list[Document]:
        """Every document, ready or held. Call once, after the last row."""
        for draft in self._drafts.values():
            self._documents.append(self._finish(draft))
        self._drafts.clear()
        if self._twice:
            self._hold_duplicates()
        return self._documents

    def _finish(self, draft: _Draft) -> Document:
        assert self._mapping is not None
        totals: dict[str, Decimal] = {}
        body: dict[str, Any] = {}
        for path, value in draft.header.items():
            self._put(body, path, value, totals)
        if self._mapping.list:
            lines = body.setdefault(self._mapping.list, [])
            for values in draft.lines:
                line: dict[str, Any] = {}
                for path, value in values.items():
                    self._put(line, path, value, totals)
                lines.append(line)
        grouped = bool(self._settings.group_columns)
        document = Document(draft.source_id, draft.rows, draft.entries, body, draft.problems, totals, grouped)
        if not document.problems:
            self._require(document)
        return document

    def _put(self, body: dict[str, Any], path: str, value: Wire, totals: dict[str, Decimal]) -> None:
        place = self._places[path]
        *parents, last = place.inner
        here = body
        for name in parents:
            here = here.setdefault(name, {})
        here[last] = value
        add_total(totals, path, place.field, value)

    def _require(self, document: Document) -> None:
        """Add a problem for each required path that is blank, at the row that lacks it."""
        assert self._mapping is not None
        for path in missing(self._target, document.body):
            row = document.rows[0]
            head, _, inner = path.partition(".")
            if head == self._mapping.list:
                lines = document.body[head]
                row = next((r for r, line in zip(document.rows, lines, strict=True) if not holds(line, inner)), row)
            document.problems.append(
                _row_problem(row, self._mapping.column_of(path), f"is blank, but {path} is required")
            )

    def _hold_duplicates(self) -> None:
        column = " + ".join(self._settings.id_columns)
        merged: dict[str, Document] = {}
        for document in self._documents:
            for entry, row in zip(document.entries, document.rows, strict=True):
                others = ", ".join(str(other) for other in self._twice.get(entry, ()) if other != row)
                if others:
                    document.problems.append(_row_problem(row, column, f"{entry!r} is also the id of row {others}"))
            first = merged.setdefault(document.source_id, document)
            if first is not document:
                first.rows += document.rows
                first.entries += document.entries
                first.problems += document.problems
        self._documents = list(merged.values())


def _row_problem(row: int, column: str, reason: str) -> Problem:
    return Problem(path=f"row {row}, column {column}", reason=reason, row=row)
