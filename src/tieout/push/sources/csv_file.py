"""CSV files, and whatever else separates cells by one character."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieout.errors import SourceError
from tieout.push.sources.base import Source, SourceRow
from tieout.push.sources.text import TextFile

if TYPE_CHECKING:
    from tieout.push.settings import PushSettings

_LIKELY_SEPARATORS = (";", "\t", "|", ",")


class CsvSource(Source):
    """A CSV file: cells are text, exactly as they stand between the separators. Quotes must be well-formed."""

    path: Path

    def __init__(self, path: Path, settings: PushSettings, section: str) -> None:
        super().__init__(path.name, settings, section)
        self.path = path

    def _open(self) -> Iterator[SourceRow]:
        rows = self._read()
        next(rows)  # up to the header
        return rows

    def _read(self) -> Iterator[SourceRow]:
        """First a row of no meaning, once the header is known."""
        text = TextFile(self.path, self._settings.encoding, self.section, self._digest)
        with text.lines() as lines:
            reader = csv.reader(lines, delimiter=self._settings.separator, strict=True)
            self._columns = self._header(reader)
            yield SourceRow(0, {})
            yield from self._rows(reader)

    def _header(self, reader: Any) -> tuple[str, ...]:
        names: list[str] | None = None
        wanted = self._settings.header_row
        for _ in range(wanted):
            line = reader.line_num + 1
            try:
                names = next(reader, None)
            except csv.Error as error:
                raise self._malformed(line, error) from None
            if names is None:
                break
        if names is None or not any(name.strip() for name in names):
            place = "its first line" if wanted == 1 else f"row {wanted}"
            raise SourceError(
                f"{self.name} {'is empty' if names is None and wanted == 1 else f'has no header in {place}'}.",
                advice="The first line must hold the column names, or say header_row "
                f"= the row that does in {self.section}.",
            )
        return self.header(names, f"line {reader.line_num}")

    def _rows(self, reader: Any) -> Iterator[SourceRow]:
        columns = self._columns
        width = len(columns)
        rules = self.rules()
        number = self._settings.header_row
        line: int = reader.line_num
        count = 0
        try:
            for cells in reader:
                number += 1
                if not any(cells):
                    self.blank_rows += 1
                elif rules and self._is_skipped(cells, rules):
                    pass
                elif len(cells) != width:
                    raise self._ragged(line + 1, number, len(cells), width)
                else:
                    count += 1
                    yield SourceRow(number, dict(zip(columns, cells)))  # noqa: B905 - counted above
                line = reader.line_num
        except csv.Error as error:
            raise self._malformed(line + 1, error) from None
        finally:
            self.row_count += count

    def _is_skipped(self, cells: list[str], rules: list[Any]) -> bool:
        """Before cells are counted: who marks a row as none of the data need not fill it."""
        values = dict(zip(self._columns, cells, strict=False))
        for rule in rules:
            if reason := rule(values):
                self.skipped[reason] += 1
                return True
        return False

    def _ragged(self, line: int, number: int, cells: int, width: int) -> SourceError:
        cause = (
            "A cell that holds the separator must be quoted."
            if cells > width
            else "A line break inside a cell must be quoted, and no cell may be left off."
        )
        return SourceError(
            f"{self.name}, line {line} (row {number}) has {cells} cell{'s' if cells != 1 else ''}, "
            f"the header has {width}.",
            advice=f"{cause} Nothing was sent.",
        )

    def _malformed(self, line: int, error: csv.Error) -> SourceError:
        if "unexpected end of data" in str(error):
            return SourceError(
                f"{self.name}, line {line}: a quoted cell begins here and never ends.",
                advice="Close the quote, or double quotes that belong to the text.",
            )
        if "field larger" in str(error):
            return SourceError(
                f"{self.name}, line {line}: a cell holds more than {csv.field_size_limit():,} characters.",
                advice="Look for a quote that is never closed.",
            )
        return SourceError(
            f"{self.name}, line {line} is not well-formed CSV: {error}.",
            advice=f"Double quotes that belong to the text, and check separator in {self.section}.",
        )

    def likely_separator(self) -> str | None:
        """The separator the header seems to use, where it is not the declared one."""
        if len(self._columns) != 1:
            return None
        return next((s for s in _LIKELY_SEPARATORS if s in self._columns[0] and s != self._settings.separator), None)
