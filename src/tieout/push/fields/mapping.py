"""Columns -> fields: which cell of a row goes where, resolved once against the live model, then applied row by row.

Knows columns and paths; what rows make a document is `documents`' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, TypeAlias

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Field
from tieout.errors import CheckError, Problem
from tieout.push.checks.check import Place, Target, UnknownPath, lacks
from tieout.push.fields.columns import Column, as_column, columns_of, every
from tieout.push.fields.expressions import Step, cell, compiled, is_blank, label
from tieout.push.fields.fitting import problems
from tieout.push.fields.lookups import Lookup, NoSuchLookup, Wanted, resolved
from tieout.push.fields.places import Places
from tieout.push.fields.straight import Straight, straight
from tieout.push.fields.values import Misfit, Wire, convert, shown, text_of
from tieout.push.settings import PushSettings
from tieout.push.sources import Source, SourceRow

__all__ = ["Assignment", "FieldMapping", "MappedRow", "Value", "cell", "check_columns", "is_blank", "resolve"]

Value: TypeAlias = Wire | Wanted
"""A converted value, or one that Intacct is still to be asked for."""

_AS_IS = Column()
_ALIKE = 0.8
_MANY, _SHORT = 4096, 64
"""How many texts of a column are remembered, and how long they may be."""
_ENTITY = _WORD = Field()


class Assignment(msgspec.Struct, frozen=True):
    """One field and where its value comes from."""

    place: Place
    column: Column
    step: Step
    label: str
    """The columns it reads, for messages."""
    fixed: Wire = None
    """The constant or the default, converted; None where there is neither."""
    cell: str = ""
    """The one column that all depends on, or ""."""
    straight: Straight | None = None
    """The straight way from its one cell, where nothing but a conversion lies between."""
    strips: bool = False
    """White space around its one cell means nothing."""
    known: dict[str, Wire] = msgspec.field(default_factory=dict)
    """What texts of that column came to before: most cells of a file say what others said, and to look that up takes a
    fraction of the time."""

    def value(self, values: Mapping[str, Any]) -> Value:
        """What a row gives, converted; None where nothing is to be sent. Raises Misfit, with the cell in it."""
        raw: object = None
        try:
            raw = self.step(values)
            if isinstance(raw, Wanted):
                return raw
            value = self.fixed if raw is None else convert(raw, self.place.field, self.column)
        except Misfit as misfit:
            if not misfit.column:
                misfit.column, misfit.raw = self.label, raw
            raise
        if self.cell and self.straight is None:
            text = values.get(self.cell)
            if type(text) is str and len(text) <= _SHORT and len(self.known) < _MANY:
                self.known[text] = value
        return value


class MappedRow(msgspec.Struct, gc=False):
    """What one row says: values for the header, values for its line, and what is wrong with it."""

    number: int
    header: dict[str, Any] = msgspec.field(default_factory=dict)
    """Field path -> Value."""
    line: dict[str, Any] = msgspec.field(default_factory=dict)
    problems: list[Problem] = msgspec.field(default_factory=list)
    entity: str = ""
    """The entity that the row names; "" where the push has one, and on a row that leaves it to the row above."""
    files: tuple[str, ...] = ()
    """Names of the files that the row wants attached."""
    last_step: str = ""
    """The last action that the row wants carried out, or `draft`; "" where it does not say."""


class FieldMapping(msgspec.Struct, frozen=True):
    """A [push.NAME.fields] table, resolved."""

    assignments: tuple[Assignment, ...]
    list: str
    """The list that `lines.x` paths fill; "" where there is none."""
    trims: bool = False
    """Cells are text around which white space means nothing: all but JSON and what a program gives."""
    settings: PushSettings | None = None
    entity: Step | None = None
    last_step: Step | None = None

    def row(self, row: SourceRow, continues: bool = False) -> MappedRow:
        """Apply to one row. A blank cell is left out of the body, so that Intacct's own default applies.

        `continues` says that the row belongs to the document above, whose header it need not repeat. Never raises: what
        is wrong with the row is in `problems`, with row and column."""
        mapped = MappedRow(row.number)
        values, header, line = row.values, mapped.header, mapped.line
        for assignment in self.assignments:
            text = values.get(assignment.cell)
            value: Value = None
            if type(text) is str:
                if assignment.straight is None:
                    value = assignment.known.get(text)
                elif bare := text.strip():
                    value = assignment.straight(bare if assignment.strips else text)
            if value is None:
                try:
                    value = assignment.value(values)
                except Misfit as misfit:
                    problem = _problem(row.number, assignment.place.path, misfit)
                    if problem not in mapped.problems:  # two fields may read one cell
                        mapped.problems.append(problem)
                    continue
                if isinstance(value, Wanted):
                    value.row = row.number
            if value is not None:
                (line if assignment.place.list else header)[assignment.place.path] = value
        if self.entity is not None:
            self._enter(mapped, row, self.entity, continues)
        if self.last_step is not None:
            self._end(mapped, row, self.last_step)
        if self.settings is not None and self.settings.attachment is not None:
            mapped.files = _files(row, self.settings)
        return mapped

    def _end(self, mapped: MappedRow, row: SourceRow, step: Step) -> None:
        """Take over how far the steps of the row's document go."""
        assert self.settings is not None
        assert self.settings.last_column is not None
        raw: object = None
        try:
            raw = step(row.values)
            word = "" if raw is None else text_of(raw)
            allowed = ("draft", *self.settings.actions)
            if word and word not in allowed:
                near = catalogue.nearest(word, allowed, 1)
                raise Misfit(f"is not one of {', '.join(allowed)}", near[0] if near else "")
            mapped.last_step = word
        except Misfit as misfit:
            if not misfit.column:
                misfit.column, misfit.raw = label(self.settings.last_column), raw
            mapped.problems.append(_problem(row.number, "last_step", misfit))

    def _enter(self, mapped: MappedRow, row: SourceRow, step: Step, continues: bool) -> None:
        assert self.settings is not None
        assert isinstance(self.settings.entity, Column)
        column = self.settings.entity
        name = label(column) or "entity"
        raw: object = None
        try:
            raw = step(row.values)
            if raw is None and column.default is not None:
                raw = column.default
            mapped.entity = str(convert(raw, _ENTITY, _AS_IS)) if raw is not None else ""
        except Misfit as misfit:
            if not misfit.column:
                misfit.column, misfit.raw = name, raw
            mapped.problems.append(_problem(row.number, "entity", misfit))
            return
        if not mapped.entity and not continues:
            reason = "is blank, but it tells which entity the row belongs to"
            mapped.problems.append(Problem(path=f"row {row.number}, column {name}", reason=reason, row=row.number))

    def column_of(self, path: str) -> str:
        """The column that a field comes from, for messages."""
        return self.columns_of(path)[0]

    def columns_of(self, path: str) -> tuple[str, ...]:
        """What messages call the place that a field comes from, then each column that has a part in it. Where nothing
        maps to it, its path."""
        for assignment in self.assignments:
            if assignment.place.path == path or assignment.place.path.startswith(f"{path}."):
                names = tuple(name for name, _ in columns_of(assignment.column))
                return (assignment.label or path, *names)
        return (path,)

    def places(self) -> dict[str, Place]:
        """Field path -> where it leads."""
        return {a.place.path: a.place for a in self.assignments}


def _placed(step: Step, places: Places, name: str) -> Step:
    """The entity of what a step gives."""

    def place(values: Mapping[str, Any]) -> object:
        raw = step(values)
        if raw is None:
            return None
        try:
            return places.entity(text_of(raw))
        except Misfit as misfit:
            misfit.column, misfit.raw = name, raw
            raise

    return place


def _files(row: SourceRow, settings: PushSettings) -> tuple[str, ...]:
    assert settings.attachment is not None
    raw = cell(row.values, settings.attachment.column)
    if is_blank(raw):
        return ()
    separator = settings.attachment.separator
    names = str(raw).split(separator) if separator else [str(raw)]
    return tuple(name.strip() for name in names if name.strip())


def resolve(settings: PushSettings, name: str, target: Target) -> FieldMapping:
    """A [fields] table -> a mapping. Raises CheckError with every path, constant and requirement that is wrong."""
    return _Resolving(settings, name, target).mapping()


class _Resolving:
    def __init__(self, settings: PushSettings, name: str, target: Target) -> None:
        self._settings = settings
        self._name = name
        self._target = target
        self._trims = settings.source_format not in ("jsonl", "records")
        self._problems: list[Problem] = []

    def mapping(self) -> FieldMapping:
        assignments = [
            found for path, column in self._settings.columns().items() if (found := self._assignment(path, column))
        ]
        lists = list(dict.fromkeys(a.place.list for a in assignments if a.place.list))
        table = f"[push.{self._name}.fields]"
        if len(lists) > 1:
            self._problems.append(Problem(path=table, reason=f"one push fills one list, not {' and '.join(lists)}"))
        entity = self._entity()
        last_step = self._last_step()
        if not self._problems:
            mapped = [a.place.path for a in assignments]
            self._problems.extend(
                Problem(path=table, reason=f"nothing maps to {path}, which a create needs")
                for path in _unmapped(self._target, mapped)
            )
        if self._problems:
            raise CheckError(f"[push.{self._name}]", self._problems)
        return FieldMapping(
            tuple(assignments),
            lists[0] if lists else "",
            self._trims,
            settings=self._settings,
            entity=entity,
            last_step=last_step,
        )

    def _assignment(self, path: str, column: Column) -> Assignment | None:
        where = f"[push.{self._name}.fields] {path}"
        before = len(self._problems)
        try:
            place = self._target.place(path)
        except UnknownPath as unknown:
            self._problems.append(Problem(path=where, reason=unknown.reason, nearest=unknown.nearest))
            return None
        raw = column.constant if column.constant is not None else column.default
        fixed: Wire = None
        try:
            fixed = None if raw is None or self._is_changed(column) else convert(raw, place.field, _AS_IS)
        except Misfit as misfit:
            self._add(where, misfit.reason, misfit.nearest, shown(raw, path))
        for inside, reason, near in problems(column, place.field):
            self._add(f"{where}, {inside}" if inside else where, reason, near)
        step = self._step(column, place.field, where, path)
        if len(self._problems) > before or step is None:
            return None
        names = {name for name, _ in columns_of(column)}
        alone = len(names) == 1 and all(part.lookup is None for part in every(column))
        found = Assignment(place, column, step, label(column), fixed, cell=names.pop() if alone else "")
        if column.column is None or column.map is not None or column.calculates or column.turns_dates or not alone:
            return found
        way = straight(place.field, column)
        return msgspec.structs.replace(found, straight=way, strips=self._trims and column.trim)

    def _is_changed(self, column: Column) -> bool:
        """A constant that goes through a map or a look-up is not what is sent."""
        return column.constant is not None and (
            column.map is not None or column.lookup is not None or column.calculates or column.turns_dates
        )

    def _step(self, column: Column, field: Field, where: str, path: str) -> Step | None:
        if column.constant is not None and not self._is_changed(column):
            return lambda values: None  # `fixed` is the constant

        def lookup_of(entry: Column) -> Lookup:
            setting = entry.lookup_setting
            assert setting is not None
            return resolved(setting, path, self._target)

        try:
            return compiled(column, field, self._trims, lookup_of)
        except NoSuchLookup as error:
            self._add(where, error.reason, error.nearest)
            return None

    def _entity(self) -> Step | None:
        column = self._settings.entity
        if not isinstance(column, Column):
            return None
        where = f"[push.{self._name}] entity"
        for inside, reason, near in problems(column, _ENTITY):
            self._add(f"{where}, {inside}" if inside else where, reason, near)
        if self._problems:
            return None
        text = self._step(msgspec.structs.replace(column, lookup=None), _ENTITY, where, "entity")
        if column.lookup is None or text is None or self._target.places is None:
            return text  # checked before Intacct is asked where things are
        return _placed(text, self._target.places, label(column))

    def _last_step(self) -> Step | None:
        column = self._settings.last_column
        if column is None:
            return None
        where = f"[push.{self._name}] last_step"
        for inside, reason, near in problems(column, _WORD):
            self._add(f"{where}, {inside}" if inside else where, reason, near)
        step = None if self._problems else self._step(column, _WORD, where, "last_step")
        fixed = column.constant if column.constant is not None else column.default
        if step is None or fixed is None or self._is_changed(column):
            return step
        plain = step

        def or_fixed(values: Mapping[str, Any]) -> object:
            found = plain(values)
            return fixed if found is None else found

        return or_fixed

    def _add(self, where: str, reason: str, nearest: str = "", value: str = "") -> None:
        self._problems.append(Problem(path=where, reason=reason, nearest=nearest, value=value))


def _unmapped(target: Target, mapped: list[str]) -> list[str]:
    """Required paths that no column and no constant can fill. Rules of lines bite only where lines are mapped."""
    fullest: dict[str, Any] = {}
    for path in mapped:
        first, _, rest = path.partition(".")
        if rest and first in target.model.lists:
            _put(fullest.setdefault(first, [{}])[0], rest.split("."))
        else:
            _put(fullest, path.split("."))
    # How many lines there are, and whether a part is sent, rows decide.
    return [
        f"{lack.path} or {lack.rule.unless}" if lack.rule.unless else lack.path
        for lack in lacks(target, fullest)
        if not lack.rule.part and not (lack.rule.least and lack.path in fullest)
    ]


def _put(body: dict[str, Any], path: Sequence[str]) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = "any"


def named_columns(settings: PushSettings, name: str) -> Iterator[tuple[str, str, bool]]:
    """(where it is named, column, whether the source may lack it) for every column that a section names."""
    section = f"[push.{name}]"
    for what, entries in (("id", settings.id_entries), ("group_by", settings.group_entries)):
        for entry in entries:
            yield from ((f"{section} {what}", column, optional) for column, optional in columns_of(as_column(entry)))
    yield from ((f"{section} skip", skip.column, True) for skip in settings.skips)  # the source checks them itself
    if settings.line_number is not None:
        yield f"{section} line_number", settings.line_number, False
    if isinstance(settings.entity, Column):
        yield from ((f"{section} entity", column, optional) for column, optional in columns_of(settings.entity))
    if settings.last_column is not None:
        named = columns_of(settings.last_column)
        yield from ((f"{section} last_step", column, optional) for column, optional in named)
    if settings.attachment is not None:
        yield f"{section} attachment", settings.attachment.column, False
    yield from ((f"{section} control", column, False) for column in settings.control)
    for path, entry in settings.columns().items():
        yield from ((f"[push.{name}.fields] {path}", column, optional) for column, optional in columns_of(entry))


def check_columns(settings: PushSettings, name: str, source: Source) -> tuple[str, ...]:
    """Raise CheckError for every named column the header lacks -> the columns that nothing uses."""
    wanted = list(named_columns(settings, name))
    absent = [(where, column) for where, column, optional in wanted if not optional and column not in source.columns]
    if absent:
        found = []
        for where, column in absent:
            reason = f"{source.name} has no column {column!r}"
            found.append(Problem(path=where, reason=reason, nearest=_near(column, source.columns)))
        separator = source.likely_separator()
        advice = f"Nothing was sent. Its columns are: {', '.join(name for name in source.columns if name)}."
        if separator is not None:
            advice += f" The header looks separated by {separator!r}: set separator in [push.{name}]."
        raise CheckError(f"[push.{name}]", found, advice=advice)
    used = {column for _, column, _ in wanted}
    return tuple(column for column in source.columns if column and column not in used)


def _near(column: str, columns: Sequence[str]) -> str:
    """The column that a misspelt one means, or "": of two columns that merely begin alike neither means the other."""
    for near in catalogue.nearest(column, columns, 1):
        ours, theirs = column.casefold(), near.casefold()
        if sorted(ours) == sorted(theirs) or SequenceMatcher(None, ours, theirs).ratio() > _ALIKE:
            return near
    return ""


def _problem(row: int, path: str, misfit: Misfit) -> Problem:
    text = shown(misfit.raw, f"{path} {misfit.column}")
    reason = f"{text!r} {misfit.reason}" if text else misfit.reason
    return Problem(
        path=f"row {row}, column {misfit.column}", reason=reason, nearest=misfit.nearest, row=row, value=text
    )
