"""What the first rows of a file say about how it is written. Proposals only: nothing here decides how a file is read.

A format is proposed where it reads every value of a column; where several do, all are named: the data does not tell.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tieout.catalogue.model import Field
from tieout.errors import SourceError
from tieout.push.drafting.toml_text import text, value
from tieout.push.fields.columns import Column
from tieout.push.fields.values import NUMBER_STYLES, Misfit, convert, near, numeric, text_of
from tieout.push.settings import PushSettings, format_of
from tieout.push.sources import open_source

ROWS = 200
"""Rows that are looked at."""
_DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%Y/%m/%d", "%Y%m%d",
    "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y",
)  # fmt: skip
_SEPARATORS = (",", ";", "\t", "|")
_WORDS = 6
"""Different words of a column that are shown."""


class Sample(msgspec.Struct):
    """The columns of a file and its first rows, with what had to be supposed to read them."""

    columns: tuple[str, ...]
    rows: list[Mapping[str, Any]]
    encoding: str = "utf-8"
    separator: str = ","

    def values(self, column: str) -> list[object]:
        """What a column holds, blanks left out."""
        found = (row.get(column) for row in self.rows)
        return [v for v in found if v is not None and not (isinstance(v, str) and not v.strip())]

    def is_filled(self, column: str) -> bool:
        return bool(self.rows) and len(self.values(column)) == len(self.rows)

    def is_unique(self, columns: Sequence[str]) -> bool:
        """Whether no two of the rows are alike in these columns."""
        seen = [tuple(str(row.get(column)) for column in columns) for row in self.rows]
        return len(set(seen)) == len(seen)


def sample(path: Path) -> Sample:
    """The first rows of a file. Raises SourceError."""
    form = format_of(path.name)
    encoding, separator = "utf-8", ","
    if form == "csv":
        encoding = _encoding(path)
        separator = _separator(path, encoding)
    settings = PushSettings(source=str(path), encoding=encoding, separator=separator)
    source = open_source(settings, path, "the file")
    rows = [row.values for row in islice(source.rows(), ROWS)]
    columns = tuple(column for column in source.columns if column)
    source.close()
    if not columns:
        columns = tuple(dict.fromkeys(name for row in rows for name in _paths(row, "")))
        rows = [{name: _at(row, name) for name in columns} for row in rows]
    return Sample(columns, rows, encoding, separator)


def _paths(record: Mapping[str, Any], prefix: str) -> list[str]:
    found = []
    for name, part in record.items():
        if isinstance(part, Mapping):
            found += _paths(part, f"{prefix}{name}.")
        elif not isinstance(part, list):
            found.append(prefix + name)
    return found


def _at(record: Mapping[str, Any], path: str) -> object:
    here: Any = record
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


def _encoding(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            head = file.read(4)
            if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return "utf-16"
            decoder.decode(head)
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    except FileNotFoundError:
        raise SourceError(f"There is no file {str(path)!r}.", advice="Correct its name.") from None
    except OSError as error:
        raise SourceError(
            f"{str(path)!r} cannot be read: {error.strerror}.", advice="Check the name and its permissions."
        ) from None
    return "utf-8"


def _separator(path: Path, encoding: str) -> str:
    try:
        with path.open(encoding=encoding, newline="") as file:
            header = file.readline()
    except UnicodeDecodeError:
        return ","
    return max(_SEPARATORS, key=header.count) if header else ","


# Formats of a column -----------------------------------------------------------------------------------------------


def remark(found: Sequence[object], field: Field, column: str) -> str:
    """What must be said beside a column so that its values fit a field, to be confirmed; "" where they fit already.
    What can be said is written as it goes into the project file."""
    if not found or _all_fit(found, field, Column()):
        return ""
    if field.format == "date":
        return _dates(found, column)
    if numeric(field):
        return _numbers(found, field, column)
    words = list(dict.fromkeys(_shown(v) for v in found))
    if field.type == "boolean":
        return f'say which words mean yes and no: boolean = {{ true = ["…"], false = ["…"] }}; it holds {_list(words)}'
    if field.enum is not None:
        known = [word for word in field.enum if word]
        pairs = {word: near(word, known) or "…" for word in words[:_WORDS] if word not in known}
        return f"Intacct takes {', '.join(known)}; translate: map = {value(pairs)}"
    return ""


def _dates(found: Sequence[object], column: str) -> str:
    texts = [v.strip() for v in found if isinstance(v, str)]
    fitting = [pattern for pattern in _DATES if all(_reads(pattern, word) for word in texts)]
    example = f"such as {texts[0]}" if texts else ""
    if len(fitting) == 1:
        return f"confirm: {value(Column(column=column, date=fitting[0]))} reads every value, {example}"
    if fitting:
        return f"the data does not tell: date = {' or '.join(text(p) for p in fitting)}, {example}"
    return f'say how dates are written, {example}: date = ["…"]'


def _reads(pattern: str, word: str) -> bool:
    try:
        return datetime.strptime(word, pattern).year > 1900  # noqa: DTZ007 - a calendar date has no zone
    except ValueError:
        return False


def _numbers(found: Sequence[object], field: Field, column: str) -> str:
    texts = [_shown(one) for one in found]
    fitting = []
    for style, words in NUMBER_STYLES:
        seen = style.group in "".join(texts) and (style.negative == "sign" or any("(" in word for word in texts))
        if words and seen and _all_fit(found, field, Column(number=style)):
            fitting.append(words)
    example = next(_shown(v) for v in found if not _all_fit([v], field, Column()))
    if not fitting:
        others = sum(not _all_fit([one], field, Column()) for one in found) - 1
        return f"{example} and {others:,} more are no numbers as they stand" if others else f"{example} is no number"
    if len(fitting) > 1:
        return (
            f"the data does not tell: number = {' or '.join(f'{{ {words} }}' for words in fitting[:2])}, for {example}"
        )
    return f"confirm: {{ column = {text(column)}, number = {{ {fitting[0]} }} }} reads every value, such as {example}"


def _all_fit(found: Sequence[object], field: Field, column: Column) -> bool:
    try:
        for one in found:
            convert(one.strip() if isinstance(one, str) else one, field, column)
    except Misfit:
        return False
    return True


def _shown(given: object) -> str:
    try:
        return text_of(given).strip()
    except Misfit:
        return type(given).__name__


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:_WORDS]) + (", …" if len(words) > _WORDS else "")
