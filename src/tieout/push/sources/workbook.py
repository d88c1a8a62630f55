"""Excel workbooks (.xlsx, .xlsm): the values that Excel last calculated, as its formats show them.

Chooses the sheet and names columns; how a workbook is built is `xlsx`' and `sheet`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tieout.catalogue import nearest
from tieout.errors import SourceError
from tieout.push.sources.base import Source, SourceRow, counted
from tieout.push.sources.plain import words
from tieout.push.sources.sheet import Flawed, SheetReader, column_of, letters_of
from tieout.push.sources.text import unreadable
from tieout.push.sources.xlsx import Book, NotAWorkbook, SheetPart, Texts

if TYPE_CHECKING:
    from tieout.push.settings import PushSettings

_SHOWN = 5


class WorkbookSource(Source):
    """One sheet of a workbook.

    Numbers are whole numbers or decimals to the 15 digits that Excel keeps; dates, times, digits with leading zeros
    (`00000`) are read as they are shown, dates by the workbook's date system. A cell that holds an error, or a formula
    that was never calculated, is refused if its column has a name. Hidden rows and columns are read; of merged cells
    the first holds the value. `notes` says so."""

    path: Path

    def __init__(self, path: Path, settings: PushSettings, section: str, texts: Texts | None = None) -> None:
        """`texts` are the workbook's, where they were read already."""
        super().__init__(path.name, settings, section)
        self.path = path
        self._texts = texts
        self.sheet = ""
        """The name of the sheet, once it was chosen."""

    def _open(self) -> Iterator[SourceRow]:
        rows = self._read()
        next(rows)  # up to the header
        return counted(self, rows)

    def _read(self) -> Iterator[SourceRow]:
        """First a row of no meaning, once the header is known."""
        try:
            with self.path.open("rb") as file:
                for block in iter(lambda: file.read(1 << 17), b""):
                    self._digest.update(block)
                file.seek(0)
                yield from self._read_book(file)
        except NotAWorkbook as error:
            raise SourceError(
                f"{self.name} {error}.", advice="Open it in Excel and save it as .xlsx, or save the sheet as CSV."
            ) from None
        except OSError as error:
            raise unreadable(self.path, error, self.section) from None

    def _read_book(self, file: IO[bytes]) -> Iterator[SourceRow]:
        book = Book(file)
        texts = self._texts if self._texts is not None else book.texts()
        looks = book.looks()
        chosen = self._choose(book, texts)
        self.sheet = chosen.name
        reader = SheetReader(book, chosen, texts, looks)
        rows = reader.rows()
        names = self._header(rows)
        self._columns = tuple(name for name in names if name)
        yield SourceRow(0, {})
        last = self._settings.header_row
        rules = self.rules()
        outside = ""
        for number, cells in rows:
            values = dict.fromkeys(self._columns)
            flaw: tuple[int, str, Flawed] | None = None
            for column, value in cells.items():
                name = names[column] if column < len(names) else ""
                if not name:
                    outside = outside or ("" if value == "" else f"{letters_of(column)}{number}")
                elif isinstance(value, Flawed):
                    flaw = flaw or (column, name, value)
                else:
                    values[name] = value
            if flaw is not None and not any(rule(values) for rule in rules):
                raise self._flawed(number, *flaw)
            if all(value is None or value == "" for value in values.values()):
                continue
            self.blank_rows += number - last - 1
            last = number
            yield SourceRow(number, values)
        self._note(reader, names, last, outside)

    def _choose(self, book: Book, texts: Texts) -> SheetPart:
        wanted = self._settings.sheet
        if wanted is not None:
            for sheet in book.sheets:
                if sheet.name.casefold() == wanted.casefold():
                    return sheet
            known = [sheet.name for sheet in book.sheets]
            near = nearest(wanted, known, 1)
            raise SourceError(
                f"{self.name} has no sheet {wanted!r}; it has {', '.join(known)}.",
                advice=f"Did you mean {near[0]!r}?" if near else f"Correct sheet in {self.section}.",
            )
        visible = [sheet for sheet in book.sheets if sheet.is_visible]
        if len(visible) > 1:
            visible = [s for s in visible if next(SheetReader(book, s, texts, []).rows(), None) is not None]
        if not visible:
            raise SourceError(f"{self.name} is empty.", advice="The first row must hold the column names.")
        if len(visible) > 1:
            raise SourceError(
                f"{self.name} has several sheets: {', '.join(sheet.name for sheet in visible)}.",
                advice=f'Say which one in {self.section}, such as sheet = "{visible[0].name}".',
            )
        return visible[0]

    def _header(self, rows: Iterator[tuple[int, dict[int, Any]]]) -> list[str]:
        wanted = self._settings.header_row
        place = f"sheet {self.sheet!r}, row {wanted}"
        cells: dict[int, Any] = {}
        for number, found in rows:
            if number >= wanted:
                cells = found if number == wanted else {}
                break
        for column, value in cells.items():
            if isinstance(value, Flawed):
                raise self._flawed(wanted, column, "", value)
        names = [words(cells.get(column)) for column in range(max(cells, default=-1) + 1)]
        if not any(names):
            raise SourceError(
                f"{self.name}, {place} holds no column names.",
                advice=f"Put them there, or say header_row = the row that holds them in {self.section}.",
            )
        return list(self.header(names, place))

    def _flawed(self, number: int, column: int, name: str, flaw: Flawed) -> SourceError:
        cell = f"{letters_of(column)}{number}" + (f" (column {name!r})" if name else "")
        return SourceError(
            f"{self.name}, sheet {self.sheet!r}, row {number}: cell {cell} {flaw.reason}.",
            advice=flaw.advice,
        )

    def _note(self, reader: SheetReader, names: list[str], last: int, outside: str) -> None:
        first = self._settings.header_row + 1
        hidden = [str(row) for row in reader.hidden_rows if first <= row <= last]
        if hidden:
            which = f"rows {_some(hidden)} are hidden" if len(hidden) > 1 else f"row {hidden[0]} is hidden"
            self._notes.append(f"{self.name}: {which}, and read like the others.")
        columns = [names[column] for column in reader.hidden_columns if column < len(names) and names[column]]
        if columns:
            self._notes.append(f"{self.name}: hidden columns are read like the others: {_some(columns)}.")
        merged = [ref for ref in reader.merged if _within(ref, first, last, len(names))]
        if merged:
            self._notes.append(
                f"{self.name}: of merged cells only the first holds the value, the others are blank: {_some(merged)}."
            )
        if outside:
            self._notes.append(f"{self.name}: cells in columns without a name are not read, the first is {outside}.")


def _within(reference: str, first: int, last: int, width: int) -> bool:
    """Whether a merged range reaches into the rows of data and the columns of the header."""
    start, _, end = reference.partition(":")
    rows = [int("".join(filter(str.isdigit, corner)) or 0) for corner in (start, end or start)]
    return rows[1] >= first and rows[0] <= last and column_of(start) < width


def _some(parts: list[str]) -> str:
    more = f" and {len(parts) - _SHOWN:,} more" if len(parts) > _SHOWN else ""
    return f"{', '.join(parts[:_SHOWN])}{more}"
