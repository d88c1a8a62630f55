"""Reads a source file, CSV or JSON Lines -> numbered rows, streamed; one clear sentence for each way it can be wrong.

Knows files, not fields: what a column means is the mapping's business.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tieout.errors import SourceError
from tieout.push.settings import PushSettings

_NUL = "\x00"
_LIKELY_SEPARATORS = (";", "\t", "|", ",")


class SourceRow(NamedTuple):
    """One row. `number` counts as a spreadsheet does (the header is row 1); in JSON Lines it is the line."""

    number: int
    values: Mapping[str, Any]


class Source:
    """One pass over a file. `sha256` and `row_count` are complete once `rows()` is exhausted."""

    def __init__(self, path: Path, settings: PushSettings, section: str) -> None:
        self.path = path
        self.section = section
        self._settings = settings
        self._digest = hashlib.sha256()
        self.row_count = 0
        self.blank_rows = 0
        self.columns: tuple[str, ...] = ()
        """The header's names; empty for JSON Lines and until `rows()` was called."""

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def rows(self) -> Iterator[SourceRow]:
        """Every row in file order. Raises SourceError."""
        lines = self._lines()
        if self._settings.source_format == "jsonl":
            return self._json_rows(lines)
        reader = csv.reader(lines, delimiter=self._settings.separator, strict=True)
        self.columns = self._header(reader)
        return self._csv_rows(reader)

    # Lines ---------------------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[str]:
        try:
            codec = codecs.lookup(self._settings.encoding)
        except LookupError:
            raise SourceError(
                f"{self.section} names the encoding {self._settings.encoding!r}, which does not exist.",
                advice='Use encoding = "utf-8", "cp1252" (Windows) or "utf-16".',
            ) from None
        # A byte order mark belongs to the encoding, not to the first column's name.
        encoding = "utf-8-sig" if codec.name == "utf-8" else codec.name
        by_line = codecs.encode("\n", codec.name) == b"\n"
        return self._decoded_lines(encoding) if by_line else self._wide_lines(encoding)

    def _decoded_lines(self, encoding: str) -> Iterator[str]:
        try:
            with self.path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    self._digest.update(raw)
                    try:
                        # Only the very first line may begin with a byte order mark.
                        text = raw.decode(encoding if number == 1 else encoding.removesuffix("-sig"))
                    except UnicodeDecodeError as error:
                        raise self._undecodable(number, raw, error) from None
                    yield self._without_nul(text, number)
        except OSError as error:
            raise self._unreadable(error) from None

    def _wide_lines(self, encoding: str) -> Iterator[str]:
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from None
        self._digest.update(data)
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self.path.name}: byte {error.start + 1} is not {self._settings.encoding}.",
                advice=f"Save the file as UTF-8, or correct encoding in {self.section}.",
            ) from None
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(keepends=True), 1):
            yield self._without_nul(line, number)

    def _without_nul(self, text: str, number: int) -> str:
        if _NUL in text:
            raise SourceError(
                f"{self.path.name}, line {number} holds a NUL byte, so this is not a text file in this encoding.",
                advice=f'Export it again as text; Excel\'s "Unicode Text" needs encoding = "utf-16" in {self.section}.',
            )
        return text

    def _undecodable(self, number: int, raw: bytes, error: UnicodeDecodeError) -> SourceError:
        byte = raw[error.start]
        if number == 1 and raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            hint = "utf-16"
        elif self._settings.encoding.lower().replace("-", "").replace("_", "") == "utf8":
            hint = "cp1252"
        else:
            hint = "utf-8"
        return SourceError(
            f"{self.path.name}, line {number}, byte {error.start + 1}: 0x{byte:02x} is not {self._settings.encoding}.",
            advice=f"If the file comes from {'Windows' if hint == 'cp1252' else 'another program'}, "
            f'say encoding = "{hint}" in {self.section}.',
        )

    def _unreadable(self, error: OSError) -> SourceError:
        if isinstance(error, FileNotFoundError):
            return SourceError(
                f"There is no file {str(self.path)!r}.",
                advice=f"Correct source in {self.section}; it is relative to the project file.",
            )
        if isinstance(error, IsADirectoryError):
            return SourceError(
                f"{str(self.path)!r} is a directory, not a file.", advice=f"Correct source in {self.section}."
            )
        reason = error.strerror or type(error).__name__
        return SourceError(
            f"{str(self.path)!r} cannot be read: {reason}.", advice="Check the file and its permissions."
        )

    # CSV -----------------------------------------------------------------------------------------------------------

    def _header(self, reader: Iterator[list[str]]) -> tuple[str, ...]:
        try:
            names = next(reader, None)
        except csv.Error as error:
            raise self._malformed(1, error) from None
        if names is None or not any(name.strip() for name in names):
            raise SourceError(
                f"{self.path.name} {'is empty' if names is None else 'has no header in its first line'}.",
                advice="The first line must hold the column names.",
            )
        columns = tuple(name.strip() for name in names)
        seen: dict[str, int] = {}
        for position, name in enumerate(columns, 1):
            if name and name in seen:
                raise SourceError(
                    f"{self.path.name}, line 1: the column {name!r} occurs twice, at {seen[name]} and {position}.",
                    advice="Rename one of them.",
                )
            seen[name] = position
        return columns

    def _csv_rows(self, reader: Any) -> Iterator[SourceRow]:
        width = len(self.columns)
        number = 1
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise self._malformed(line, error) from None
            if cells is None:
                return
            number += 1
            if not any(cells):
                self.blank_rows += 1
                continue
            if len(cells) != width:
                raise self._ragged(line, number, len(cells), width)
            self.row_count += 1
            yield SourceRow(number, dict(zip(self.columns, cells, strict=True)))

    def _ragged(self, line: int, number: int, cells: int, width: int) -> SourceError:
        cause = (
            "A cell that holds the separator must be quoted."
            if cells > width
            else "A line break inside a cell must be quoted, and no cell may be left off."
        )
        return SourceError(
            f"{self.path.name}, line {line} (row {number}) has {cells} cell{'s' if cells != 1 else ''}, "
            f"the header has {width}.",
            advice=f"{cause} Nothing was sent.",
        )

    def _malformed(self, line: int, error: csv.Error) -> SourceError:
        if "unexpected end of data" in str(error):
            return SourceError(
                f"{self.path.name}, line {line}: a quoted cell begins here and never ends.",
                advice="Close the quote, or double quotes that belong to the text.",
            )
        if "field larger" in str(error):
            return SourceError(
                f"{self.path.name}, line {line}: a cell holds more than {csv.field_size_limit():,} characters.",
                advice="Look for a quote that is never closed.",
            )
        return SourceError(
            f"{self.path.name}, line {line} is not well-formed CSV: {error}.",
            advice=f"Double quotes that belong to the text, and check separator in {self.section}.",
        )

    def likely_separator(self) -> str | None:
        """The separator the header seems to use, where it is not the declared one."""
        if len(self.columns) != 1:
            return None
        return next((s for s in _LIKELY_SEPARATORS if s in self.columns[0] and s != self._settings.separator), None)

    # JSON Lines ----------------------------------------------------------------------------------------------------

    def _json_rows(self, lines: Iterator[str]) -> Iterator[SourceRow]:
        # Decimal, because a float already has lost the digits that a tie-out needs.
        decoder = msgspec.json.Decoder(float_hook=Decimal)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                self.blank_rows += 1
                continue
            try:
                record = decoder.decode(line)
            except msgspec.DecodeError as error:
                raise SourceError(
                    f"{self.path.name}, line {number} is not JSON: {error}.",
                    advice="JSON Lines holds one whole record a line.",
                ) from None
            if not isinstance(record, dict):
                raise SourceError(
                    f"{self.path.name}, line {number} holds {_kind(record)}, not a record.",
                    advice='Each line must be a JSON object, such as {"id": "C1", "name": "..."}.',
                )
            self.row_count += 1
            yield SourceRow(number, record)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a bare {type(value).__name__}"
