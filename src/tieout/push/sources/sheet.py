"""One sheet of a workbook, streamed: rows of cells as they pass, and what was hidden or merged.

Source of the format: ECMA-376 part 1, 18.3. Knows cells, no columns and no header.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from tieout.push.sources.plain import Unusable, exact
from tieout.push.sources.xlsx import Book, Look, SheetPart, Texts, new_parser, unescaped

_LAST_DAY = 2_958_465
"""31 December 9999, the last day that Excel knows."""
_NO_DAYS = {0: "1/0/1900", 60: "2/29/1900"}
"""Days of the 1900 system that never were, as Excel shows them."""


class Flawed:
    """A cell whose value cannot be used; `reason` completes "cell B7 ..."."""

    def __init__(self, reason: str, advice: str) -> None:
        self.reason = reason
        self.advice = advice


class SheetReader:
    """Reads a sheet once. `rows()` gives (row number, {column from 0: value}) for rows that hold anything."""

    def __init__(self, book: Book, sheet: SheetPart, texts: Texts, looks: list[Look]) -> None:
        self._book, self._sheet, self._texts, self._looks = book, sheet, texts, looks
        self.hidden_rows: list[int] = []
        self.hidden_columns: list[int] = []
        self.merged: list[str] = []
        """Ranges like A2:A5, known at the end."""
        self._done: list[tuple[int, dict[int, Any]]] = []
        self._row = 0
        self._cells: dict[int, Any] = {}
        self._column = -1
        self._kind = "n"
        self._style = 0
        self._has_formula = False
        self._value: str | None = None
        self._pieces: list[str] = []
        self._is_hint = False

    def rows(self) -> Iterator[tuple[int, dict[int, Any]]]:
        """Raises NotAWorkbook where the file is damaged."""
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._pieces.append
        with self._book.explained(self._sheet.part):
            for chunk in self._book.chunks(self._sheet.part):
                parser.Parse(chunk, False)
                yield from self._take()
            parser.Parse(b"", True)
            yield from self._take()

    def _take(self) -> list[tuple[int, dict[int, Any]]]:
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "c":
            reference = attributes.get("r")
            self._column = self._column + 1 if reference is None else column_of(reference)
            self._kind = attributes.get("t", "n")
            self._style = int(attributes.get("s", 0))
            self._has_formula = False
            self._value = None
        elif name in ("v", "t"):
            self._pieces.clear()
        elif name == "f":
            self._has_formula = True
        elif name == "is":
            self._value = ""
        elif name == "rPh":
            self._is_hint = True
        elif name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._cells, self._column = {}, -1
            if attributes.get("hidden") in ("1", "true"):
                self.hidden_rows.append(self._row)
        elif name == "mergeCell":
            self.merged.append(attributes.get("ref", ""))
        elif name == "col" and attributes.get("hidden") in ("1", "true"):
            first, last = int(attributes["min"]), int(attributes["max"])
            # A width for all 16,384 columns is no news.
            self.hidden_columns += range(first - 1, min(last, first + 255))

    def _end(self, name: str) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "v":
            self._value = "".join(self._pieces)
        elif name == "t" and not self._is_hint and self._value is not None:
            self._value += "".join(self._pieces)
        elif name == "rPh":
            self._is_hint = False
        elif name == "c":
            value = self._cell()
            if value is not None:
                self._cells[self._column] = value
        elif name == "row" and self._cells:
            self._done.append((self._row, self._cells))
            self._cells = {}

    def _cell(self) -> Any:
        value, kind = self._value, self._kind
        if self._has_formula and kind == "n" and (not value or (value == "0" and self._book.is_uncalculated)):
            return Flawed("holds a formula that was never calculated", "Open the workbook in Excel and save it.")
        if value is None:
            return None
        if kind == "s":
            return self._texts[int(value)]
        if kind in ("str", "inlineStr"):
            return unescaped(value)
        if not value:
            return None
        if kind == "b":
            return value in ("1", "true")
        if kind == "e":
            return Flawed(f"holds the error {value}", "Correct the formula, or delete the column if it is not needed.")
        try:
            if kind == "d":
                return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
            look = self._looks[self._style] if self._style < len(self._looks) else "number"
            if look == "number":
                return int(value) if len(value) <= 15 and value.isdigit() else exact(float(value))
            return dressed(float(value), look, self._book.is_1904)
        except (Unusable, ValueError) as unusable:
            return Flawed(f"holds {unusable}", "Correct it in Excel.")


def column_of(reference: str) -> int:
    """`B7` -> 1. Raises ValueError."""
    return _column(reference.rstrip("0123456789"))


@lru_cache(maxsize=20_000)
def _column(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    if not 0 < column <= 16_384:
        raise ValueError(f"there is no column {letters!r}")
    return column - 1


def letters_of(column: int) -> str:
    """1 -> `B`."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@lru_cache(maxsize=10_000)  # dates repeat
def dressed(number: float, look: Look, is_1904: bool) -> Any:
    """A number as its format shows it: a date, a time of day, digits with leading zeros.

    What is no day stays a number, or becomes the text that Excel shows, so that its row is refused where a date is
    wanted: day 0 is what a formula makes of a blank cell, and 1900 had no 29 February, though Excel counts it.
    Raises Unusable for what is no number at all."""
    if not math.isfinite(number):
        return exact(number)
    if isinstance(look, int):
        value = exact(number)
        return f"{value:0{look}d}" if isinstance(value, int) and value >= 0 else value
    if look == "duration":
        return str(timedelta(milliseconds=round(number * 86_400_000)))
    if look == "time" and 0 <= number < 1:
        return str(_time(number))
    day = int(number)
    if not 0 <= number < _LAST_DAY + 1:
        return exact(number)
    if day in _NO_DAYS and not is_1904:
        return _NO_DAYS[day]
    milliseconds = round((number - day) * 86_400_000)
    moment = _first_day(day, is_1904) + timedelta(days=day, milliseconds=milliseconds)
    return moment.date() if look == "date" and not milliseconds else moment


def _first_day(day: int, is_1904: bool) -> datetime:
    """Day 0: one later before the 29 February that Excel has in 1900."""
    if is_1904:
        return datetime(1904, 1, 1)  # noqa: DTZ001 - a spreadsheet knows no zones
    return datetime(1899, 12, 31) if day < 60 else datetime(1899, 12, 30)  # noqa: DTZ001


def _time(number: float) -> time:
    # Within the day, however close to midnight.
    return (datetime(1904, 1, 1) + timedelta(milliseconds=min(round(number * 86_400_000), 86_399_999))).time()  # noqa: DTZ001
