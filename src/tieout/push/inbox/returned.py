"""A corrected file that comes back: its rows matched with what was not posted, cell by cell, and what people changed.

Rows are known by their `tieout_record`, whatever was sorted, deleted or renamed around them. Knows files and what is
kept of a push; mapping and sending are the same as for any source.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tieout.catalogue.personal import personal
from tieout.errors import CheckError, Problem, SourceError
from tieout.push.fields.columns import columns_of
from tieout.push.inbox import cells
from tieout.push.inbox.corrected import Words
from tieout.push.inbox.matched import Matched, MatchedRow
from tieout.push.inbox.originals import KeptRow, Token, kept_lines, kept_rows, token_of, unpacked_row
from tieout.push.inbox.retyped import Doubt, Reading, compare, readings
from tieout.push.settings import format_of
from tieout.push.sources import Source, SourceRow
from tieout.push.sources.csv_file import CsvSource
from tieout.push.sources.workbook import WorkbookSource
from tieout.push.sources.xlsx import Book, NotAWorkbook
from tieout.store.ledger_facts import Correction, Original, now_text

if TYPE_CHECKING:
    from tieout.push.documents import Document
    from tieout.push.settings import PushSettings
    from tieout.push.stage_rows import StageRows
    from tieout.store.ledger_originals import Originals

RECORD = "tieout_record"
"""The column by which rows are known."""
OURS = "tieout_"
"""Columns that begin so are ours, and are not read back."""
_NOT_READ = re.compile(r"(summary|posted|draft)( \d+| \(\d+\))?", re.IGNORECASE)
"""Sheets of ours that nobody corrects, more of the same, and what a spreadsheet program calls copies of them."""
_READ = ("failed", "open")
_CHUNK = 500
_SHOWN = 20


class _Found(NamedTuple):
    place: str
    """`row 12 of sheet 'Failed'`."""
    token: Token
    values: Mapping[str, Any]
    typed: bool


class CameBack(NamedTuple):
    """A file that has come out of `tieout failed`, opened."""

    parts: list[Source]
    """What is read of it: sheets that people correct, or the CSV file."""
    lost: list[str]
    """Sheets of ours, with rows, that lost the column by which these are known."""


def came_back(path: Path, settings: PushSettings, section: str) -> CameBack | None:
    """A file that has come out of `tieout failed`: a sheet, or the CSV file, has the column of records; of a workbook
    any sheet, also where those that people correct are gone. None for any other, and for what cannot be read: whoever
    reads it says what is wrong with it."""
    plain = msgspec.structs.replace(settings, header_row=1, skip=(), format=None, sheet=None)
    try:
        if format_of(path.name) == "excel":
            return _sheets(path, plain, section)
        if settings.source_format != "csv":
            plain = msgspec.structs.replace(plain, encoding="utf-8", separator=",")
        source = CsvSource(path, plain, section)
        return CameBack([source], []) if RECORD in source.columns else None
    except (SourceError, NotAWorkbook, OSError):
        return None


def _sheets(path: Path, plain: PushSettings, section: str) -> CameBack | None:
    found, is_ours = CameBack([], []), False
    with path.open("rb") as file:
        book = Book(file)
        texts = book.texts()  # once for all sheets: they are most of what a workbook holds
    for sheet in book.sheets:
        source = WorkbookSource(path, msgspec.structs.replace(plain, sheet=sheet.name), section, texts)
        try:
            has_records = RECORD in source.columns
        except SourceError:
            continue  # a sheet of their own, blank or without a header
        is_ours = is_ours or has_records
        if _NOT_READ.fullmatch(sheet.name.strip()):
            source.close()
        elif has_records:
            found.parts.append(source)
        elif sheet.name.lower().startswith(_READ) and _has_rows(source):
            found.lost.append(sheet.name)
    return found if is_ours else None


def hashed(path: Path) -> Any:
    """SHA-256 of a file, so far."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


class Returned(Source):
    """The rows of a corrected file, whole documents in the order of their source, with the types they had.

    Made of a file and what is kept of the push. Raises SourceError for a file that cannot be read or lacks a column of
    the source, CheckError naming every `tieout_record` that is unknown, blank or there twice: nothing is sent then."""

    path: Path

    def __init__(
        self,
        file: CameBack,
        path: Path,
        settings: PushSettings,
        section: str,
        originals: Originals,
        by: str,
        stage: StageRows,
    ) -> None:
        """What people changed, and where the rows came from, is noted on the stage."""
        super().__init__(path.name, settings, section)
        self.path = path
        self.by = by
        self._stage = stage
        self._read_at = now_text()
        self.settled: Counter[str] = Counter()
        """Rows of records that were posted, dismissed or renamed since the file was written; they are left out."""
        self._originals = originals
        self._words = Words(settings)
        self._how = readings(settings.columns().values())
        self._personal = _personal_columns(settings)
        self._matched = Matched()
        self._latest: dict[str, tuple[Original, list[bytes]]] = {}
        self._names: dict[str, None] = {}
        """Columns of the source."""
        self._doubts: dict[int, list[Problem]] = {}
        self._added: dict[str, None] = {}
        self._read_file(file)
        if settings.source_format not in ("jsonl", "records"):
            self._columns = tuple(self._names)

    @property
    def can_repeat(self) -> bool:
        return False

    def _open(self) -> Iterator[SourceRow]:
        return self._rows()

    def _rows(self) -> Iterator[SourceRow]:
        for row in self._matched.rows():
            self.row_count += 1
            yield row

    def check(self, documents: Sequence[Document]) -> None:
        """Hold documents with cells of which nobody can tell what is meant."""
        for document in documents:
            for row in document.rows:
                document.problems += self._doubts.get(row, ())

    def _hides(self, column: str) -> bool:
        return column in self._personal or personal(column)

    # Reading and matching ------------------------------------------------------------------------------------------

    def _read_file(self, file: CameBack) -> None:
        self._digest = hashed(self.path)
        if file.lost:  # what people corrected there must not be passed over
            raise SourceError(
                f"The sheet {file.lost[0]!r} of {self.name} has lost its column {RECORD}, by which its rows are known.",
                advice="Undo that, or write the workbook anew with `tieout failed` and correct it there. "
                "Nothing was sent.",
            )
        problems: list[Problem] = []
        for part in file.parts:
            waiting: list[_Found] = []
            for found in self._tokens(part, problems):
                waiting.append(found)
                if len(waiting) >= _CHUNK:
                    self._match(waiting, part.columns, problems)
                    waiting.clear()
            self._match(waiting, part.columns, problems)
        if problems:
            raise CheckError(self.name, problems)
        self._latest.clear()
        self._miss_failed(file.parts)
        self._complete()
        self._number()
        self._stage.note_returned(self._matched.origins())
        self._say()

    def _miss_failed(self, parts: Sequence[Source]) -> None:
        """Say so where the sheet of what people correct did not come back: deleted, or without its rows."""
        if format_of(self.path.name) != "excel" or any(not _is_open(sheet_of(part)) for part in parts):
            return
        if self._matched.is_empty() and not self.settled:
            raise SourceError(
                f"The workbook {self.name} came back without its sheet Failed, and nothing else in it was corrected.",
                advice="Undo that, or write the workbook anew with `tieout failed` and correct it there. "
                "Nothing was sent.",
            )
        self._notes.append(f"{self.name} came back without its sheet Failed: only its sheet Open was read.")

    def _tokens(self, part: Source, problems: list[Problem]) -> Iterator[_Found]:
        rules = self.rules() if all(skip.column in part.columns for skip in self._settings.skips) else []
        sheet = sheet_of(part)
        for row in part.rows():
            place = f"row {row.number}" + (f" of sheet {sheet!r}" if sheet else "")
            if any(rule(row.values) for rule in rules):
                self.skipped["marked in the corrected file"] += 1
                continue
            text = cells.shown(row.values.get(RECORD))
            token = token_of(text)
            if token is None:
                what = f"{text!r} is no record of tieout" if text else "is blank: rows that people add are not read"
                problems.append(Problem(path=f"{place}, column {RECORD}", reason=what, row=row.number))
            else:
                yield _Found(place, token, row.values, bool(sheet))

    def _match(self, rows: Sequence[_Found], columns: Sequence[str], problems: list[Problem]) -> None:
        originals = self._known({found.token.id for found in rows})
        kept = {id: lines for id, (original, lines) in originals.items() if original.rows is not None}
        places = self._matched.places([found.token for found in rows])
        matched: list[MatchedRow] = []
        for found in rows:
            token = found.token
            original, reason = originals[token.id][0] if token.id in originals else None, ""
            if original is None or (token.id in kept and token.position > len(kept[token.id])):
                reason = f"{token} is not one of this push"
            elif token.id not in kept:
                self.settled[original.source_id] += 1
                continue
            elif original.generation != token.generation:
                reason = f"{token}: the source said something else since this file was written; write the file anew"
            elif twice := places.get((token.id, token.position)):
                reason = f"{token} is also in {twice}"
            if reason or original is None:
                path = f"{found.place}, column {RECORD}"
                problems.append(Problem(path=path, reason=reason, row=0))
                continue
            places[token.id, token.position] = found.place
            matched.append(self._settle(found, original, unpacked_row(kept[token.id][token.position - 1]), columns))
        named = {row.token.id: originals[row.token.id][0] for row in matched}
        self._matched.put_records(named, {id: len(kept[id]) for id in named})
        self._matched.put_rows(matched)

    def _known(self, ids: set[str]) -> dict[str, tuple[Original, list[bytes]]]:
        """What is kept under these names, with its rows. Large documents go on from one call to the next: to open them
        anew for each five hundred of their rows would take quadratic time."""
        new = self._originals.by_id(ids - self._latest.keys())
        self._latest = {id: self._latest[id] for id in ids & self._latest.keys()}
        self._latest |= {id: (original, kept_lines(original)) for id, original in new.items()}
        return self._latest

    def _settle(self, found: _Found, original: Original, kept: KeptRow, columns: Sequence[str]) -> MatchedRow:
        """One row: each cell against what it was."""
        if missing := [name for name in original.columns if name not in columns]:
            raise SourceError(
                f"{self.name} lacks the column {missing[0]!r} of the source.",
                advice="Put it back; a cell that is meant to be blank is left blank.",
            )
        self._added.update(
            (name, None) for name in columns if name not in original.columns and not name.startswith(OURS)
        )
        self._names.update(dict.fromkeys(original.columns))
        values = dict(kept.values)
        doubts: list[tuple[str, str]] = []
        corrections: list[tuple[Correction, bool]] = []
        for name in original.columns:
            before = kept.values.get(name)
            verdict = compare(before, found.values.get(name), self._how.get(name, Reading()), typed=found.typed)
            if verdict is None:
                continue
            if isinstance(verdict, Doubt):
                reason = verdict.reason
                if self._hides(name):
                    reason = "came back as a spreadsheet program may have retyped it; write it as text"
                doubts.append((name, f"{reason} ({found.place})"))
                continue
            values[name] = verdict.value
            made = Correction(
                source_id=original.source_id,
                entity=original.entity,
                row=kept.number,
                column=name,
                before=cells.shown(before),
                after=cells.shown(verdict.value),
                by=self.by,
                at=self._read_at,
                file=self.name,
            )
            corrections.append((made, self._hides(name)))
        self._stage.note_corrections(corrections)
        return self._row(found.token, kept, found.place, values, doubts, is_corrected=bool(corrections))

    def _row(
        self,
        token: Token,
        kept: KeptRow,
        place: str,
        values: Mapping[str, Any],
        doubts: Sequence[tuple[str, str]],
        *,
        is_corrected: bool,
    ) -> MatchedRow:
        said = self._words.of(kept.values)
        return MatchedRow(token, kept.number, place, cells.packed(values), doubts, said, is_corrected)

    def _complete(self) -> None:
        """A document of which rows were deleted gets them back and is held: half of it must not go out, and rows that
        remain must not become part of the document above."""
        doubts = [("", "was deleted from the corrected file, but other rows of its document were not")]
        for id, there in self._matched.incomplete():
            original = self._originals.by_id([id])[id]
            self._matched.put_rows(
                [
                    self._row(Token(id, position, original.generation), row, "", row.values, doubts, is_corrected=False)
                    for position, row in enumerate(kept_rows(original), 1)
                    if position not in there
                ]
            )

    def _number(self) -> None:
        """Give every row a number of its own, and say what is in doubt by these."""
        again, first = self._matched.number_anew()
        if again:
            self._notes.append(
                f"{self.name}: {again:,} rows have numbers of other rows, as they come from several sources; they "
                f"are counted from {first:,} on."
            )
        for number, doubts in self._matched.doubts():
            for column, reason in doubts:
                path = f"row {number}, column {column}" if column else f"row {number}"
                self._doubts.setdefault(number, []).append(Problem(path=path, reason=reason, row=number))

    def _say(self) -> None:
        if self.settled:
            names = list(self.settled)
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            self._notes.append(
                f"{self.name}: {self.settled.total():,} rows are of records that are not in the inbox any more, as "
                f"they were posted, dismissed or named otherwise; they are left out: {', '.join(names[:_SHOWN])}{more}."
            )
        if self._added:
            self._notes.append(f"{self.name}: columns that people added are not read: {', '.join(self._added)}.")


def sheet_of(part: Source) -> str:
    """The name of the sheet that a part of a file is; "" for a CSV file."""
    return part.sheet if isinstance(part, WorkbookSource) else ""


def _is_open(sheet: str) -> bool:
    return sheet.lower().startswith("open")


def _has_rows(sheet: Source) -> bool:
    try:
        return next(sheet.rows(), None) is not None
    except SourceError:
        return False  # a sheet of their own, blank or without a header


def _personal_columns(settings: PushSettings) -> frozenset[str]:
    """Columns whose values are not to be shown, by the field that they go to."""
    found: set[str] = set()
    for path, column in settings.columns().items():
        found |= {name for name, _ in columns_of(column) if personal(path)}
    return frozenset(found)


class Planned(Source):
    """A corrected file whose rows are on a plan by now: nothing but its hash is wanted. Raises SourceError where it
    cannot be read."""

    path: Path

    def __init__(self, path: Path, settings: PushSettings, section: str, rows: int) -> None:
        super().__init__(path.name, settings, section)
        self.path = path
        self.row_count = rows
        try:
            self._digest = hashed(path)
        except OSError as error:
            raise SourceError(
                f"{str(path)!r}, of which the plan was made, cannot be read: {error.strerror or type(error).__name__}.",
                advice="Say with --from where it lies by now. Nothing was sent.",
            ) from None

    @property
    def can_repeat(self) -> bool:
        return False
