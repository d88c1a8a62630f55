"""An .xlsx file's parts: which sheets there are, their texts, what number formats mean, which day is day one.

Our own reader, because a push needs what the libraries do not tell: whether a formula was ever calculated, which cells
hold errors, which rows are hidden, and rows one by one in little memory (docs/architecture.md has the comparison).
Source of the format: ECMA-376 part 1, 18.2 (workbook), 18.4 (shared strings), 18.8 (styles).
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal, NamedTuple, TypeAlias
from xml.parsers import expat

Look: TypeAlias = Literal["number", "date", "datetime", "time", "duration"] | int
"""What a number format makes of a number; an int is the count of digits that leading zeros fill up."""

_CHUNK = 1 << 16
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_BUILT_IN: dict[int, Look] = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)), "date"),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 34, 35, 45, 47), "time"),
    22: "datetime",
    46: "duration",
}
"""Number formats that a file names by number only (18.8.30)."""


class NotAWorkbook(Exception):
    """The file is no .xlsx, or a damaged one; the text says what it is."""


class SheetPart(NamedTuple):
    name: str
    is_visible: bool
    part: str


class Texts:
    """The distinct texts of a workbook by number, one after the other in one buffer: an object each would take three
    times the memory."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("Q", (0,))

    def append(self, text: str) -> None:
        self._data += text.encode(errors="surrogatepass")
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self):
            raise IndexError(f"there is no text {number}")
        return self._data[self._ends[number] : self._ends[number + 1]].decode(errors="surrogatepass")


class Book:
    """An open workbook. Texts and formats are read when a sheet first needs them, and kept: memory is that of the
    distinct texts. Raises NotAWorkbook, here and later."""

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(8)
        file.seek(0)
        if start.startswith(_OLD_EXCEL):
            raise NotAWorkbook("is an old .xls workbook, or one protected by a password")
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError):
            raise NotAWorkbook("is not an .xlsx workbook, whatever its ending says") from None
        self._names = {name.lower(): name for name in self._zip.namelist()}  # names of parts have no case (OPC)
        root = next((part for kind, part in self._related("").values() if kind == "officeDocument"), "")
        if not root or root.endswith(".bin"):
            raise NotAWorkbook("is a binary workbook (.xlsb)" if root else "is a zip file, but not an .xlsx workbook")
        self._parts = self._related(root)
        self.sheets: list[SheetPart] = []
        self.is_1904 = False
        self.is_uncalculated = False
        """The writer left the formulas to whoever opens the file: a cached 0 may mean nothing."""
        self._read(root, self._workbook)

    def _workbook(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.is_1904 = _true(attributes.get("date1904"))
        elif name == "calcPr":
            self.is_uncalculated = _true(attributes.get("fullCalcOnLoad"))
        elif name == "sheet":
            identifier = next((value for key, value in attributes.items() if _local(key) == "id"), "")
            kind, part = self._parts.get(identifier, ("", ""))
            if kind == "worksheet":
                visible = attributes.get("state", "visible") == "visible"
                self.sheets.append(SheetPart(attributes.get("name", ""), visible, part))

    def texts(self) -> Texts:
        """The workbook's distinct texts, by the number that cells name them by. Phonetic hints are no text."""
        found = Texts()
        pieces: list[str] = []
        depth = {"rPh": 0}

        def start(name: str, _: dict[str, str]) -> None:
            if name == "si":
                pieces.clear()
            elif name == "rPh":
                depth["rPh"] += 1
            keeping[0] = name == "t" and not depth["rPh"]

        def end(name: str) -> None:
            keeping[0] = False
            if name == "si":
                found.append(unescaped("".join(pieces)))
            elif name == "rPh":
                depth["rPh"] -= 1

        def text(data: str) -> None:
            if keeping[0]:
                pieces.append(data)

        keeping = [False]
        self._read_kind("sharedStrings", start, end, text)
        return found

    def looks(self) -> list[Look]:
        """What each cell style's number format makes of a number."""
        codes: dict[int, str] = {}
        styles: list[int] = []
        inside = [False]

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "numFmt":
                codes[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name == "cellXfs":
                inside[0] = True
            elif name == "xf" and inside[0]:
                styles.append(int(attributes.get("numFmtId", "0")))

        def end(name: str) -> None:
            if name == "cellXfs":
                inside[0] = False

        self._read_kind("styles", start, end)
        return [look_of(codes[i]) if i in codes else _BUILT_IN.get(i, "number") for i in styles]

    def chunks(self, part: str) -> Iterator[bytes]:
        """A part's bytes, unpacked piece by piece."""
        with self.explained(part), self._zip.open(self._names[part.lower()]) as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    @contextmanager
    def explained(self, part: str) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, expat.ExpatError, ValueError) as error:
            raise NotAWorkbook(f"is damaged: its part {part} cannot be read ({error})") from None
        except (RuntimeError, NotImplementedError):
            raise NotAWorkbook("is packed in a way that cannot be read, or protected by a password") from None

    def _read_kind(self, kind: str, start: Start, end: End, text: Text | None = None) -> None:
        for found, part in self._parts.values():
            if found == kind:
                self._read(part, start, end, text)

    def _read(self, part: str, start: Start, end: End | None = None, text: Text | None = None) -> None:
        with self.explained(part):
            parser = new_parser()
            parser.StartElementHandler = lambda name, attributes: start(_local(name), attributes)
            if end is not None:
                parser.EndElementHandler = lambda name: end(_local(name))
            if text is not None:
                parser.CharacterDataHandler = text
            for chunk in self.chunks(part):
                parser.Parse(chunk, False)
            parser.Parse(b"", True)

    def _related(self, part: str) -> dict[str, tuple[str, str]]:
        """What a part refers to: id -> kind, part."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, tuple[str, str]] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
                found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], target)

        if relations.lower() in self._names:
            self._read(relations, start)
        return found


Start: TypeAlias = Callable[[str, dict[str, str]], None]
End: TypeAlias = Callable[[str], None]
Text: TypeAlias = Callable[[str], None]


def new_parser() -> expat.XMLParserType:
    """A parser that refuses what no workbook has: declarations that could make a small file huge."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: Any) -> None:
    raise NotAWorkbook("holds a document type declaration, which no workbook has")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _true(value: str | None) -> bool:
    return value in ("1", "true")


def unescaped(text: str) -> str:
    """`_x000D_` stands for a character that XML cannot hold (22.9.2.19)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def look_of(code: str) -> Look:
    """What a number format makes of a number: `m/d/yyyy` a date, `00000` five digits. Its first section counts."""
    bare = _LITERAL.sub("", code).partition(";")[0]
    if _ELAPSED.search(bare):
        return "duration"
    letters = re.sub(r"am/pm|a/p|general|e[+-]", "t", bare.lower().replace("am/pm", "h"))
    has_time = "h" in letters or "s" in letters
    has_date = "y" in letters or "d" in letters or ("m" in letters and not has_time)
    if has_date or has_time:
        return "datetime" if has_date and has_time else "date" if has_date else "time"
    return len(bare) if re.fullmatch(r"0{2,}", bare) else "number"
