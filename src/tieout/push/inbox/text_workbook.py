"""Writes an .xlsx workbook whose every cell is text: no formula runs, no leading zero is eaten, nothing becomes a date.

Streams: a sheet's rows go to a file without a name while they come, so that memory stays flat however many there are.
Knows cells, no records. Source of the format: ECMA-376 part 1, 18.3 (sheets), 18.8 (styles), 22.9.2.19 (escapes).
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from tieout.errors import SourceError
from tieout.push.inbox.cells import fitting
from tieout.push.sources.sheet import letters_of

MOST_ROWS = 1_048_576
"""Rows of a sheet, the header included."""
_MOST_LINKS = 65_000
"""Excel follows 65,530 of a sheet; an address beyond is text like all else."""
_NOT_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff"
_ESCAPE = re.compile(f"_(?=x[0-9A-Fa-f]{{4}}(?:_|[{_NOT_XML}\r]))|[{_NOT_XML}&<>\r]")
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "_": "_x005F_"}
_STARTS_FORMULA = tuple("=+-@\t\r'")
"""What a program may take for the start of a formula, or swallow, once a cell is edited or saved as CSV."""
_TEXT, _QUOTED, _HEADER, _OUR_HEADER, _LINK = 1, 2, 3, 4, 5
_WIDTH_ROWS = 200
_WIDEST = 60

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES = (
    f'{_DECLARED}<styleSheet xmlns="{_MAIN}"><fonts count="3"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font>'
    '<font><u/><sz val="11"/><color rgb="FF0563C1"/><name val="Calibri"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFE2EFDA"/></patternFill></fill></fills>'
    "<borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs>"
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" quotePrefix="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1"/>'
    '<xf numFmtId="49" fontId="2" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


class Sheet:
    """One sheet: a header that stays in view and can be filtered by, then rows. `TextWorkbook.sheet` makes one."""

    def __init__(self, name: str, columns: Sequence[str], ours: int, spool: IO[bytes]) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.rows = 0
        """Without the header."""
        self._spool = spool
        self._first_own = len(columns) - ours
        self._widths = [min(_WIDEST, len(column) + 4) for column in columns]
        self._letters = [letters_of(number) for number in range(len(columns))]
        self._links: list[tuple[str, str]] = []
        self._row([(column, self._header(number)) for number, column in enumerate(columns)], 1)

    @property
    def is_full(self) -> bool:
        return self.rows + 1 >= MOST_ROWS

    def add(self, cells: Sequence[str], link: str = "") -> None:
        """A row. `link` is the address that its last cell leads to, https only."""
        self.rows += 1
        number = self.rows + 1
        styled = [(cell, _QUOTED if cell.startswith(_STARTS_FORMULA) else _TEXT) for cell in cells]
        if link.startswith("https://") and len(self._links) < _MOST_LINKS and len(link) <= 2_000:
            self._links.append((f"{self._letters[len(cells) - 1]}{number}", link))
            styled[-1] = (styled[-1][0], _LINK)
        if self.rows <= _WIDTH_ROWS:
            longest = [min(_WIDEST, len(cell.partition("\n")[0]) + 2) for cell in cells]
            self._widths = [max(pair) for pair in zip(self._widths, longest, strict=True)]
        self._row(styled, number)

    def _header(self, number: int) -> int:
        return _OUR_HEADER if number >= self._first_own else _HEADER

    def _row(self, cells: Sequence[tuple[str, int]], number: int) -> None:
        parts = [f'<row r="{number}">']
        for letters, (text, style) in zip(self._letters, cells, strict=True):
            if text:
                value = f'<is><t xml:space="preserve">{_ESCAPE.sub(_escaped, fitting(text))}</t></is>'
                parts.append(f'<c r="{letters}{number}" s="{style}" t="inlineStr">{value}</c>')
        parts.append("</row>")
        self._spool.write("".join(parts).encode())

    def write(self, book: zipfile.ZipFile, number: int, *, chosen: bool) -> None:
        """The whole part, and the addresses of its links."""
        last = f"{self._letters[-1]}{self.rows + 1}"
        widths = "".join(
            f'<col min="{n}" max="{n}" width="{width}" style="{_TEXT}" customWidth="1"/>'
            for n, width in enumerate(self._widths, 1)
        )
        view = (
            f'<sheetViews><sheetView workbookViewId="0"{" tabSelected=" + chr(34) + "1" + chr(34) if chosen else ""}>'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        )
        links = "".join(f'<hyperlink ref="{cell}" r:id="r{n}"/>' for n, (cell, _) in enumerate(self._links, 1))
        head = (
            f'{_DECLARED}<worksheet xmlns="{_MAIN}" xmlns:r="{_REL}"><dimension ref="A1:{last}"/>{view}'
            f"<cols>{widths}</cols><sheetData>"
        )
        # A number kept as text is meant: without this Excel offers to eat its zeros.
        foot = (
            f'</sheetData><autoFilter ref="A1:{last}"/>{f"<hyperlinks>{links}</hyperlinks>" if links else ""}'
            f'<ignoredErrors><ignoredError sqref="A1:{last}" numberStoredAsText="1" twoDigitTextYear="1"/>'
            "</ignoredErrors></worksheet>"
        )
        with book.open(f"xl/worksheets/sheet{number}.xml", "w", force_zip64=True) as part:
            part.write(head.encode())
            self._spool.seek(0)
            shutil.copyfileobj(self._spool, part, 1 << 18)
            part.write(foot.encode())
        if links:
            targets = "".join(
                f'<Relationship Id="r{n}" Type="{_REL}/hyperlink" Target="{_attribute(link)}" TargetMode="External"/>'
                for n, (_, link) in enumerate(self._links, 1)
            )
            relations = f'{_DECLARED}<Relationships xmlns="{_PACKAGE}/relationships">{targets}</Relationships>'
            book.writestr(f"xl/worksheets/_rels/sheet{number}.xml.rels", relations)


class TextWorkbook:
    """A workbook being written; a context manager. The file is there, whole and for its owner's eyes alone, after
    `save`, and not at all before. Raises SourceError where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._spools: list[IO[bytes]] = []

    def __enter__(self) -> TextWorkbook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for spool in self._spools:
            spool.close()

    def sheet(self, name: str, columns: Sequence[str], ours: int = 0) -> Sheet:
        """A new sheet. The last `ours` columns look different from those of the source."""
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the workbook; it has no name in any folder
        self._spools.append(spool)
        return Sheet(name, columns, ours, spool)

    def save(self, sheets: Sequence[Sheet]) -> None:
        """Write these sheets, in this order, and put the file into its place."""
        part = None
        try:
            handle, name = tempfile.mkstemp(prefix=".tieout-", suffix=".part", dir=self.path.parent)  # mode 0600
            part = Path(name)
            with (
                os.fdopen(handle, "wb") as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as book,
            ):
                book.writestr("[Content_Types].xml", _content_types(len(sheets)))
                book.writestr("_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")]))
                book.writestr("xl/workbook.xml", _workbook([sheet.name for sheet in sheets]))
                parts = [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)]
                book.writestr("xl/_rels/workbook.xml.rels", _relations([*parts, ("styles", "styles.xml")]))
                book.writestr("xl/styles.xml", _STYLES)
                for number, sheet in enumerate(sheets, 1):
                    sheet.write(book, number, chosen=number == 1)
            part.replace(self.path)
        except OSError as error:
            if part is not None:
                part.unlink(missing_ok=True)
            raise SourceError(
                f"The workbook {str(self.path)!r} cannot be written: {error.strerror or type(error).__name__}.",
                advice="Close it where it is open, or name another file.",
            ) from None


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return _XML.get(character) or f"_x{ord(character):04X}_"


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _relations(parts: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<Relationship Id="r{number}" Type="{_REL}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(parts, 1)
    )
    return f'{_DECLARED}<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def _workbook(names: Sequence[str]) -> str:
    sheets = "".join(
        f'<sheet name="{_attribute(name)}" sheetId="{number}" r:id="r{number}"/>'
        for number, name in enumerate(names, 1)
    )
    return (
        f'{_DECLARED}<workbook xmlns="{_MAIN}" xmlns:r="{_REL}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{sheets}</sheets></workbook>"
    )


def _content_types(sheets: int) -> str:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
    parts += [(f"/xl/worksheets/sheet{number}.xml", "worksheet") for number in range(1, sheets + 1)]
    listed = "".join(f'<Override PartName="{part}" ContentType="{kind}.{name}+xml"/>' for part, name in parts)
    return (
        f'{_DECLARED}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    )
