"""One cell -> one value as Intacct wants it on the wire, or the reason why not.

Knows field types (REST reference 6, 9.1) and how people write dates, numbers and booleans. Knows no rows and no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal, TypeAlias

from tieout.catalogue import nearest
from tieout.catalogue.model import Field
from tieout.catalogue.personal import personal
from tieout.push.fields.columns import BooleanFormat, Column, NumberFormat

Wire: TypeAlias = str | int | bool | Decimal | None
"""A scalar as it goes into a body: Decimal becomes a JSON number, money is text already."""

YES = ("true", "t", "yes", "y", "1")
NO = ("false", "f", "no", "n", "0")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_NEGATIVES: tuple[Literal["sign", "parentheses"], ...] = ("sign", "parentheses")
_PLAIN_STYLE = NumberFormat()
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009", " "))
"""Non-breaking, narrow and thin spaces group digits as plain ones do."""
NUMBER_STYLES = [
    (
        NumberFormat(decimal=decimal, group=group, negative=negative),
        ", ".join(
            words
            for words, wanted in (
                (f'decimal = "{decimal}"', decimal != "."),
                (f'group = "{group}"', bool(group)),
                ('negative = "parentheses"', negative == "parentheses"),
            )
            if wanted
        ),
    )
    for negative in _NEGATIVES
    for decimal, group in ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
]
"""Ways to write numbers, the simplest first, and how the project file says each."""
_ISO_DATE = "%Y-%m-%d"
_MOST_DIGITS = 100
"""Before or after the point. Beyond all sums of money, and short enough to write out."""


class Misfit(Exception):
    """A value that does not fit its field: the reason, and the nearest right value if there is one.

    `column` and `raw` say which cell it was, where that is not the one of the field's own column."""

    def __init__(self, reason: str, nearest: str = "", column: str = "", raw: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.nearest = nearest
        self.column = column
        self.raw = raw


def convert(raw: object, field: Field, column: Column) -> Wire:
    """A cell or JSON value for one field. Raises Misfit."""
    if field.type in ("array", "object"):
        raise Misfit("is a structure that tieout cannot check; leave it out")
    if raw is None:
        if not field.nullable:
            raise Misfit("null is not allowed here")
        return None
    if isinstance(raw, list | dict):
        raise Misfit("a single value belongs here")
    value = _typed(raw, field, column)
    if field.enum is not None and value not in field.enum:
        words = [str(word) for word in field.enum if word]
        near = nearest(str(value), words, 1)
        raise Misfit(f"is not one of {', '.join(words)}", near[0] if near else "")
    if field.max_length is not None and isinstance(value, str) and len(value) > field.max_length:
        raise Misfit(f"has {len(value)} characters, Intacct takes {field.max_length}")
    return value


def _typed(raw: object, field: Field, column: Column) -> Wire:
    if field.type == "boolean":
        return _boolean(raw, column.boolean)
    if field.type == "integer":
        return _integer(raw, column.number)
    if field.type == "number":
        number = number_of(raw, column.number)
        return int(number) if number == number.to_integral_value() and number.adjusted() < 18 else number
    if field.scale is not None or (field.format or "").startswith("percent-precision"):
        return _scaled(raw, field.scale, column.number)
    if field.format == "date":
        return date_of(raw, column.date_formats).isoformat()
    if field.format == "date-time":
        return _date_time(raw, column.date_formats)
    if isinstance(raw, bool):
        # A JSON true in a text field, or an enum of "true" and "false" (REST reference 9.1).
        return "true" if raw else "false"
    return text_of(raw)


def text_of(raw: object) -> str:
    """A cell or a calculated value as text: numbers without exponent, dates as YYYY-MM-DD. Raises Misfit."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float | Decimal):
        return format(_finite(raw), "f")
    if isinstance(raw, datetime) and raw.time() == time() and raw.tzinfo is None:
        return raw.date().isoformat()
    if isinstance(raw, bytes | bytearray | memoryview):
        raise Misfit("is binary")
    return str(raw)


def number_of(raw: object, style: NumberFormat | None = None) -> Decimal:
    """A cell -> its exact number, written as `style` says. Raises Misfit."""
    if isinstance(raw, bool):
        raise Misfit("is not a number")
    if isinstance(raw, int | float | Decimal):
        return _finite(raw)
    text = text_of(raw).strip().translate(_SPACES)
    plain = _plain(text, style or _PLAIN_STYLE)
    if not _PLAIN_NUMBER.fullmatch(plain):
        raise Misfit(f"is not a number{_how_to_say(text, style or _PLAIN_STYLE)}")
    return _finite(plain)


def _finite(raw: int | float | Decimal | str) -> Decimal:
    # A float through its shortest form: 0.1 is one tenth, not what the binary comes to.
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    if not number.is_finite():
        raise Misfit("is not a number")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # a finite number has one
    if abs(number.adjusted()) > _MOST_DIGITS or exponent < -_MOST_DIGITS:
        raise Misfit(f"has more than {_MOST_DIGITS} digits")
    return number


def _plain(text: str, style: NumberFormat) -> str:
    """A number as its style writes it -> with a point and nothing else; anything else stays as it is, or gets worse."""
    if style.negative == "parentheses" and text.startswith("(") and text.endswith(")"):
        return f"-{_plain(text[1:-1].strip(), style)}"
    whole, sign, decimals = text.partition(style.decimal)
    if style.group and style.group in whole:
        groups = whole.lstrip("+-").split(style.group.translate(_SPACES))
        if not groups[0] or len(groups[0]) > 3 or any(len(group) != 3 for group in groups[1:]):
            return ""
        whole = whole.replace(style.group, "")
    if style.decimal != "." and "." in whole + decimals:
        return ""
    return f"{whole}.{decimals}" if sign else whole


def _how_to_say(text: str, declared: NumberFormat) -> str:
    """` (say number = { ... })` for what would be a number under a format of its own."""
    if declared.decimal != "." and _PLAIN_NUMBER.fullmatch(text):
        return f" with {declared.decimal!r} as the decimal sign"
    if re.fullmatch(r"[+-]?\d{1,3},\d{3}", text):
        whole = text.replace(",", "")
        point = text.replace(",", ".")
        return f' (if it means {whole}, say number = {{ group = "," }}; if {point}, number = {{ decimal = "," }})'
    for style, words in NUMBER_STYLES:
        plain = _plain(text, style) if style.group in text else ""
        if words and plain and _PLAIN_NUMBER.fullmatch(plain):
            return f" (written like this, it needs number = {{ {words} }})"
    return ""


def _integer(raw: object, style: NumberFormat | None) -> int:
    number = number_of(raw, style)
    if number != number.to_integral_value():
        raise Misfit("is not a whole number")
    return int(number)


def _scaled(raw: object, scale: int | None, style: NumberFormat | None) -> str:
    """Money and the like travel as text with a fixed number of decimals (REST reference 9.1)."""
    number = number_of(raw, style)
    if scale is None:
        return format(number, "f")
    exact = number.quantize(Decimal(1).scaleb(-scale)) if number.adjusted() + scale < 27 else number
    if exact != number:
        raise Misfit(f"has more than {scale} decimals")
    return format(exact, "f")


def _boolean(raw: object, style: BooleanFormat | None) -> bool:
    if isinstance(raw, bool):
        return raw
    word = text_of(raw).strip().casefold()
    yes = tuple(w.casefold() for w in style.true) if style else YES
    no = tuple(w.casefold() for w in style.false) if style else NO
    if word in yes:
        return True
    if word in no:
        return False
    raise Misfit(f"is neither {yes[0]} nor {no[0]}")


def date_of(raw: object, formats: tuple[str, ...] = ()) -> date:
    """A cell -> the calendar day it names, written as one of `formats`, else YYYY-MM-DD. Raises Misfit."""
    if isinstance(raw, datetime):
        if raw.time() != time():
            raise Misfit("is a time of day; a date belongs here")
        return raw.date()
    if isinstance(raw, date):
        return raw
    return _date(text_of(raw).strip(), formats)


@lru_cache(4096)
def _date(text: str, formats: tuple[str, ...]) -> date:
    # Remembered, because the days of a file are few and reading one costs more than all else that is done to a cell.
    for pattern in formats or (_ISO_DATE,):
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a calendar date has no zone
        except ValueError:
            continue
    if formats:
        raise Misfit(f"is not a date like {' or '.join(date(2026, 1, 31).strftime(f) for f in formats)}")
    hint = ' (say how it is written: date = "%m/%d/%Y")' if "/" in text or "." in text else ""
    raise Misfit(f"is not a date like 2026-01-31{hint}")


def _date_time(raw: object, formats: tuple[str, ...]) -> str:
    text = text_of(raw).strip()
    moment: datetime | None = raw if isinstance(raw, datetime) else None
    for pattern in formats if moment is None else ():
        try:
            moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - a pattern without a zone is refused below
            break
        except ValueError:
            continue
    if not formats and moment is None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
    if moment is None:
        raise Misfit("is not a time like 2026-01-31T17:00:00Z")
    if moment.tzinfo is None:
        raise Misfit("is a time without a zone; write it like 2026-01-31T17:00:00Z")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def near(text: str, words: Iterable[str]) -> str:
    """The value that a misspelt one most likely means, or "". Case does not count."""
    spelt = {word.casefold(): word for word in words}
    found = get_close_matches(text.strip().casefold(), spelt, n=1, cutoff=0.75)
    return spelt[found[0]] if found else ""


def numeric(field: Field) -> bool:
    """True for fields whose exact sum proves something: money, quantities, rates."""
    return field.type in ("number", "integer") or field.scale is not None


def shown(raw: object, path: str, limit: int = 40) -> str:
    """A value for a message: shortened, and empty where the field holds personal or bank data (rule 11)."""
    if personal(path):
        return ""
    try:
        text = "null" if raw is None else text_of(raw)
    except Misfit:
        text = type(raw).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
