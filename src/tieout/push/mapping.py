"""Columns -> fields: which cell of a row goes where, resolved once against the live model, then applied row by row.

Knows columns and paths; what rows make a document is `documents`' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import msgspec

from tieout import catalogue
from tieout.errors import CheckError, Problem
from tieout.push.check import Place, Target, UnknownPath
from tieout.push.settings import Column, PushSettings
from tieout.push.sources import Source, SourceRow
from tieout.push.values import Misfit, Wire, convert, shown

_AS_IS = Column()
_ALIKE = 0.8


class Assignment(msgspec.Struct, frozen=True):
    """One field and where its value comes from."""

    place: Place
    column: Column
    fixed: Wire = None
    """The constant or the default, converted; None where there is neither."""


class MappedRow(msgspec.Struct):
    """What one row says: values for the header, values for its line, and what is wrong with it."""

    number: int
    header: dict[str, Wire] = msgspec.field(default_factory=dict)
    line: dict[str, Wire] = msgspec.field(default_factory=dict)
    problems: list[Problem] = msgspec.field(default_factory=list)
    entity: str = ""
    """The entity it belongs to; "" where the push has one."""


class FieldMapping(msgspec.Struct, frozen=True):
    """A [push.NAME.fields] table, resolved."""

    assignments: tuple[Assignment, ...]
    list: str
    """The list that `lines.x` paths fill; "" where there is none."""
    trims: bool = False
    """Cells are text around which white space means nothing: all but JSON and what a program gives."""

    def row(self, row: SourceRow) -> MappedRow:
        """Apply to one row. A blank cell is left out of the body, so that Intacct's own default applies."""
        mapped = MappedRow(row.number)
        for assignment in self.assignments:
            place, column = assignment.place, assignment.column
            raw = cell(row.values, column.column) if column.column is not None else None
            if self.trims and column.trim and isinstance(raw, str):
                raw = raw.strip()
            if is_blank(raw):
                value = assignment.fixed
                if value is None:
                    continue
            else:
                try:
                    value = convert(raw, place.field, column)
                except Misfit as misfit:
                    mapped.problems.append(_problem(row.number, column.column or "", place.path, raw, misfit))
                    continue
            (mapped.line if place.list else mapped.header)[place.path] = value
        return mapped

    def column_of(self, path: str) -> str:
        """The column that a field comes from, for messages."""
        for assignment in self.assignments:
            if assignment.place.path == path:
                return assignment.column.column or path
        return path

    def places(self) -> dict[str, Place]:
        """Field path -> where it leads."""
        return {a.place.path: a.place for a in self.assignments}


def cell(values: Mapping[str, Any], column: str) -> object:
    """A column's value; in a JSON record `column` may be a dotted path."""
    if column in values:
        return values[column]
    here: object = values
    for part in column.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def is_blank(raw: object) -> bool:
    return raw is None or (isinstance(raw, str) and not raw.strip())


def resolve(settings: PushSettings, name: str, target: Target) -> FieldMapping:
    """A [fields] table -> a mapping. Raises CheckError with every path, constant and requirement that is wrong."""
    problems: list[Problem] = []
    assignments: list[Assignment] = []
    lists: list[str] = []
    for path, column in settings.columns().items():
        where = f"[push.{name}.fields] {path}"
        try:
            place = target.place(path)
        except UnknownPath as unknown:
            problems.append(Problem(path=where, reason=unknown.reason, nearest=unknown.nearest))
            continue
        if place.list and place.list not in lists:
            lists.append(place.list)
        try:
            raw = column.constant if column.constant is not None else column.default
            fixed = None if raw is None else convert(raw, place.field, _AS_IS)
        except Misfit as misfit:
            problems.append(Problem(path=where, reason=misfit.reason, nearest=misfit.nearest, value=shown(raw, path)))
            continue
        assignments.append(Assignment(place, column, fixed))
    if len(lists) > 1:
        problems.append(
            Problem(path=f"[push.{name}.fields]", reason=f"one push fills one list, not {' and '.join(lists)}")
        )
    mapped = [a.place.path for a in assignments]
    if not problems:
        problems.extend(
            Problem(path=f"[push.{name}.fields]", reason=f"nothing maps to {path}, which a create needs")
            for path in _unmapped(target, mapped)
        )
    if problems:
        raise CheckError(f"[push.{name}]", problems)
    return FieldMapping(
        tuple(assignments), lists[0] if lists else "", settings.source_format not in ("jsonl", "records")
    )


def _unmapped(target: Target, mapped: list[str]) -> list[str]:
    """Required paths that no column and no constant can fill. Rules of lines bite only where lines are mapped."""
    required = list(target.required)
    for name in {path.split(".")[0] for path in mapped} & set(target.model.lists):
        required += [f"{name}.{path}" for path in target.line_required(name)]
    found = []
    for path in required:
        stem = path.removesuffix(".id")
        if not any(m == path or m.startswith(f"{path}.") or m in (f"{stem}.id", f"{stem}.key") for m in mapped):
            found.append(path)
    return found


def check_columns(settings: PushSettings, name: str, source: Source) -> tuple[str, ...]:
    """Raise CheckError for every named column the header lacks -> the columns that nothing uses."""
    wanted = [(f"[push.{name}] id", column) for column in settings.id_columns]
    wanted += [(f"[push.{name}] group_by", column) for column in settings.group_columns]
    wanted += [
        (f"[push.{name}.fields] {path}", entry.column)
        for path, entry in settings.columns().items()
        if entry.column is not None
    ]
    absent = [(where, column) for where, column in wanted if column not in source.columns]
    if absent:
        problems = []
        for where, column in absent:
            reason = f"{source.name} has no column {column!r}"
            problems.append(Problem(path=where, reason=reason, nearest=_near(column, source.columns)))
        separator = source.likely_separator()
        advice = f"Nothing was sent. Its columns are: {', '.join(name for name in source.columns if name)}."
        if separator is not None:
            advice += f" The header looks separated by {separator!r}: set separator in [push.{name}]."
        raise CheckError(f"[push.{name}]", problems, advice=advice)
    used = {column for _, column in wanted}
    return tuple(column for column in source.columns if column and column not in used)


def _near(column: str, columns: Sequence[str]) -> str:
    """The column that a misspelt one means, or "": of two columns that merely begin alike neither means the other."""
    for near in catalogue.nearest(column, columns, 1):
        ours, theirs = column.casefold(), near.casefold()
        if sorted(ours) == sorted(theirs) or SequenceMatcher(None, ours, theirs).ratio() > _ALIKE:
            return near
    return ""


def _problem(row: int, column: str, path: str, raw: object, misfit: Misfit) -> Problem:
    text = shown(raw, f"{path} {column}")
    reason = f"{text!r} {misfit.reason}" if text else misfit.reason
    return Problem(path=f"row {row}, column {column}", reason=reason, nearest=misfit.nearest, row=row, value=text)
