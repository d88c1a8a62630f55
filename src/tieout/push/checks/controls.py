"""Control totals: a column of the source says what the lines of its document must add up to.

Knows columns, documents and exact sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.catalogue.model import Field
from tieout.errors import CheckError, Problem
from tieout.push.checks.blame import Blame
from tieout.push.checks.books import money
from tieout.push.checks.check import Target, UnknownPath
from tieout.push.fields.columns import Column
from tieout.push.fields.mapping import is_blank
from tieout.push.fields.values import Misfit, convert, numeric

if TYPE_CHECKING:
    from tieout.push.documents import Document
    from tieout.push.settings import PushSettings

_NUMBER = Field(type="number")


class _Control(msgspec.Struct, frozen=True):
    column: str
    path: str
    list: str
    inner: tuple[str, ...]
    style: Column
    """How numbers are written there: as in the column that is added up."""


class Controls:
    """Each control column against the sum that it controls. The value may stand on each row of a document or on one."""

    def __init__(self, settings: PushSettings, name: str, target: Target, blame: Blame) -> None:
        """Raises CheckError for a path that is no field, or none that can be added up."""
        self._blame = blame
        self._controls: list[_Control] = []
        self._without: dict[str, int] = {}
        problems: list[Problem] = []
        columns = settings.columns()
        for column, path in settings.control.items():
            where = f"[push.{name}] control {column}"
            try:
                place = target.place(path)
            except UnknownPath as unknown:
                problems.append(Problem(path=where, reason=unknown.reason, nearest=unknown.nearest))
                continue
            if not numeric(place.field):
                problems.append(Problem(path=where, reason=f"{path} holds no numbers"))
            number = columns[path].number if path in columns else None
            self._controls.append(_Control(column, path, place.list, place.inner, Column(number=number)))
        if problems:
            raise CheckError(f"[push.{name}]", problems)

    def __call__(self, documents: Sequence[Document]) -> None:
        """Add a problem to each document whose lines do not add up, and one for each value that is no number or not the
        same as the others."""
        for document in documents:
            for position, control in enumerate(self._controls):
                document.problems.extend(self._check(document, position, control))

    def _check(self, document: Document, position: int, control: _Control) -> list[Problem]:
        said = [
            (row, values[position])
            for row, values in zip(document.rows, document.controls, strict=True)
            if not is_blank(values[position])
        ]
        if not said:
            self._without[control.column] = self._without.get(control.column, 0) + 1
            return []
        problems: list[Problem] = []
        first: tuple[Decimal, int, object] | None = None
        for row, raw in said:
            try:
                amount = Decimal(str(convert(raw, _NUMBER, control.style)))
            except Misfit as misfit:
                problems.append(_problem(row, control, f"{raw!s} {misfit.reason}", raw))
                continue
            if first is None:
                first = amount, row, raw
            elif amount != first[0]:
                problems.append(_problem(row, control, f"{raw!s} differs from {first[2]!s} in row {first[1]}", raw))
        if problems or first is None:
            return problems
        found = _values(document, control)
        if self._blame.has_trouble(document, control.path) or (document.problems and None in found):
            return []  # an amount that cannot be read is named already
        total = sum((Decimal(str(value)) for value in found if value is not None), Decimal(0))
        if total == first[0]:
            return []
        reason = f"{first[2]!s} is not the sum of {control.path}, which is {money(total)}"
        return [_problem(first[1], control, reason, first[2])]

    def notes(self) -> Iterator[str]:
        for column, count in self._without.items():
            if count == 1:
                yield f"1 document has no {column}, so that its sum is not checked."
            else:
                yield f"{count:,} documents have no {column}, so that their sums are not checked."


def _values(document: Document, control: _Control) -> list[Any]:
    """The value of the controlled field in each line, or in the header; None where there is none."""
    levels = document.body.get(control.list, []) if control.list else [document.body]
    found = []
    for level in levels:
        here: Any = level
        for part in control.inner:
            here = here.get(part) if isinstance(here, dict) else None
        found.append(here)
    return found


def _problem(row: int, control: _Control, reason: str, raw: object) -> Problem:
    return Problem(path=f"row {row}, column {control.column}", reason=reason, row=row, value=str(raw))
