"""What stood in a cell, and what came back: the same, changed by a person, or retyped by a spreadsheet program.

A program that opens a file makes 7 of 007, a date of MAR1, and another day of 03/04/2026. What it made is never sent:
where the meaning is certainly the same, the old spelling stays; where it is not, a person is asked. Knows cells, no
files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from tieout.push.fields.columns import Column, NumberFormat, every
from tieout.push.fields.values import Misfit, number_of
from tieout.push.inbox.cells import fitting, like, shown

_COMMON_DATES = ("%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y")
_FRAGILE = re.compile(r"\s|^[+-]?0\d|^\+|[eE]")
_EXPONENT = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")
_MADE_A_DATE = re.compile(r"\d{1,2}-[A-Za-z]{3}(-\d{2,4})?|[A-Za-z]{3}-\d{2,4}")
_SHORT_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_EXCELS_DIGITS = 15


class Reading(NamedTuple):
    """How the push reads a column: the formats of its dates, and how its numbers are written."""

    dates: tuple[str, ...] = ()
    number: NumberFormat | None = None


class Doubt(NamedTuple):
    """Nobody can tell what was meant; `reason` says what came back and what to do."""

    reason: str


class Changed(NamedTuple):
    """Somebody wrote another value."""

    value: Any


def readings(columns: Iterable[Column]) -> dict[str, Reading]:
    """How each column of a source is read, as far as a mapping says so."""
    found: dict[str, Reading] = {}
    for column in columns:
        for part in every(column):
            if part.column is None:
                continue
            known = found.get(part.column, Reading())
            found[part.column] = Reading(known.dates or part.date_formats, known.number or part.number)
    return found


def compare(original: Any, found: Any, how: Reading, *, typed: bool) -> Changed | Doubt | None:
    """What came back in the place of `original`; None where it is the same.

    `typed` is true of a workbook, whose cells went out as text: a text in it was written by a person, and what is no
    text was made by a program. In a CSV file nothing tells the two apart."""
    text = shown(original)
    if found is None or found == "":
        return None if text == "" else Changed("" if isinstance(original, str) else None)
    if not isinstance(found, str):
        return _typed(original, text, found, how)
    if _lines(found) == _lines(fitting(text)):
        return None
    if fitting(text) != text:
        return Doubt("is longer than a cell of a workbook; correct it in the source")
    if _same_time(text, found):
        return None
    return Changed(like(original, found)) if typed or not text else _rewritten(original, text, found, how)


def _typed(original: Any, text: str, found: Any, how: Reading) -> Changed | Doubt | None:
    """A cell that went out as text and came back as something else."""
    if isinstance(found, bool):
        return None if text.strip().lower() == str(found).lower() else Changed(found)
    if isinstance(found, datetime) and found.time() == time() and not isinstance(original, datetime):
        found = found.date()
    if type(found) is type(original):
        return None if found == original else Changed(found)
    if isinstance(found, date):
        return _date(original, text, found, how)
    number = _number(text, how)
    if number is None:
        return Changed(found)
    return _numbers(text, number, Decimal(found), shown(found), is_text=isinstance(original, str)) or (
        None if number == found else Changed(found)
    )


def _numbers(text: str, number: Decimal, found: Decimal, now: str, *, is_text: bool) -> Doubt | None:
    """A doubt where a program may have taken something off a number, else None."""
    digits = len(number.normalize().as_tuple().digits)
    if number == found:
        if is_text and (_FRAGILE.search(text) or digits > _EXCELS_DIGITS):
            return _doubt(text, now)
        return None
    if digits > _EXCELS_DIGITS and abs(number - found) <= abs(number).scaleb(1 - _EXCELS_DIGITS):
        return _doubt(text, now)
    return None


def _date(original: Any, text: str, found: date, how: Reading) -> Changed | Doubt | None:
    formats = how.dates or ("%Y-%m-%d",)
    before = _parsed(text, formats)
    day = found.date() if isinstance(found, datetime) else found
    if before == day:
        return None
    if before is not None and _swapped(before) == day:
        return _doubt(text, day.isoformat(), "with day and month the other way round")
    if text and before is None and not how.dates:
        return _doubt(text, f"the date {day.isoformat()}")
    if how.dates and isinstance(original, str):
        return Changed(day.strftime(how.dates[0]))
    return Changed(found)


def _rewritten(original: Any, text: str, found: str, how: Reading) -> Changed | Doubt | None:
    """A text of a CSV file, which may be a program's spelling of the old one."""
    if text.strip().lower() == found.strip().lower() in ("true", "false"):
        return None
    before, after = _number(text, how), _number(found, how)
    if before is not None and after is not None and before == after:
        return _numbers(text, before, after, found, is_text=True)
    if before is not None and _EXPONENT.fullmatch(found.strip()):
        rounded = Decimal(found.strip().replace(",", "."))
        if abs(before - rounded) <= abs(before).scaleb(-2):
            return _doubt(text, found)
    was = _parsed(text, how.dates or ("%Y-%m-%d",))
    if was is not None:
        if _parsed(found, how.dates) == was:
            return None
        days = {day for form in _COMMON_DATES if (day := _parsed(found, (form,))) is not None}
        if was in days:
            return None if len(days) == 1 else _doubt(text, found, "which can be read as several days")
    elif _MADE_A_DATE.fullmatch(found.strip()):
        return _doubt(text, found)
    return Changed(like(original, found))


def _doubt(text: str, now: str, more: str = "") -> Doubt:
    return Doubt(
        f"came back as {now} where the source has {text!r}{', ' + more if more else ''}: a spreadsheet program may "
        "have retyped it; write what is meant as text, with an apostrophe before it, into the workbook"
    )


def _number(text: str, how: Reading) -> Decimal | None:
    for style in (how.number, None):
        try:
            return number_of(text, style)
        except Misfit:
            continue
    return Decimal(text.strip()) if _EXPONENT.fullmatch(text.strip()) and "," not in text else None


def _parsed(text: str, formats: Iterable[str]) -> date | None:
    for form in formats:
        try:
            return datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def _swapped(day: date) -> date | None:
    try:
        return day.replace(month=day.day, day=day.month)
    except ValueError:
        return None


def _same_time(text: str, found: str) -> bool:
    if not (_SHORT_TIME.fullmatch(text.strip()) and _SHORT_TIME.fullmatch(found.strip())):
        return False
    one, other = (tuple(map(int, each.strip().split(":"))) for each in (text, found))
    return (*one, 0)[:3] == (*other, 0)[:3]


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
