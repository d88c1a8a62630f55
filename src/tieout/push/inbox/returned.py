"""A corrected file that comes back: its rows matched with what was not posted, cell by cell, and what people changed.

Rows are known by their `tieout_record`, whatever was sorted, deleted or renamed around them. Knows files and what is
kept of a push; mapping and sending are the same as for any source.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tieout.catalogue.personal import personal
from tieout.errors import CheckError, Problem, SourceError
from tieout.push.fields.columns import columns_of
from tieout.push.inbox import cells
from tieout.push.inbox.corrected import Words, saying
from tieout.push.inbox.originals import KeptRow, Token, kept_rows, token_of
from tieout.push.inbox.retyped import Doubt, Reading, compare, readings
from tieout.push.settings import format_of
from tieout.push.sources import Source, SourceRow
from tieout.push.sources.csv_file import CsvSource
from tieout.push.sources.workbook import WorkbookSource
from tieout.push.sources.xlsx import Book, NotAWorkbook
from tieout.push.stage_rows import Kept, ReturnedRow
from tieout.store.ledger_facts import Correction, Origin, Original, now_text

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
_SCHEMA = """
create table rows (id text not null, position integer not null, number integer not null, place text not null,
    generation text not null, cells blob not null, doubts text, said blob not null, corrected integer not null,
    primary key (id, position));
create index rows_number on rows (number);
"""


class _Found(NamedTuple):
    place: str
    """`row 12 of sheet 'Failed'`."""
    token: Token
    values: Mapping[str, Any]
    typed: bool


def is_returned(path: Path, settings: PushSettings) -> bool:
    """Whether a file has come out of `tieout failed`: a sheet, or the CSV file, has the column of records; of a
    workbook any sheet, also where those that people correct are gone."""
    try:
        return bool(_parts(path, settings, "", every=True))
    except (SourceError, NotAWorkbook, OSError):
        return False  # whoever reads it says what is wrong with it


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
        self, path: Path, settings: PushSettings, section: str, originals: Originals, by: str, stage: StageRows
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
        self._database = sqlite3.connect("", isolation_level=None)  # a file without a name
        self._database.executescript(_SCHEMA)
        self._known: dict[str, Original] = {}
        self._doubts: dict[int, list[Problem]] = {}
        self._added: dict[str, None] = {}
        self._read_file()
        if settings.source_format not in ("jsonl", "records"):
            self._columns = tuple(dict.fromkeys(name for each in self._known.values() for name in each.columns))

    @property
    def can_repeat(self) -> bool:
        return False

    def _open(self) -> Iterator[SourceRow]:
        return self._rows()

    def _rows(self) -> Iterator[SourceRow]:
        for number, data in self._database.execute("select number, cells from rows order by number"):
            self.row_count += 1
            yield SourceRow(number, cells.unpacked(data))

    def check(self, documents: Sequence[Document]) -> None:
        """Hold documents with cells of which nobody can tell what is meant."""
        for document in documents:
            for row in document.rows:
                document.problems += self._doubts.get(row, ())

    def _hides(self, column: str) -> bool:
        return column in self._personal or personal(column)

    # Reading and matching ------------------------------------------------------------------------------------------

    def _read_file(self) -> None:
        self._digest = hashed(self.path)
        _refuse_without_records(self.path, self._settings, self.section)
        problems: list[Problem] = []
        self._database.execute("begin")
        parts = _parts(self.path, self._settings, self.section)
        for part in parts:
            waiting: list[_Found] = []
            for found in self._tokens(part, problems):
                waiting.append(found)
                if len(waiting) >= _CHUNK:
                    self._match(waiting, part.columns, problems)
                    waiting.clear()
            self._match(waiting, part.columns, problems)
        if problems:
            raise CheckError(self.name, problems)
        self._miss_failed(parts)
        self._complete()
        self._number()
        self._stage.note_returned(self._origins())
        self._say()

    def _miss_failed(self, parts: Sequence[Source]) -> None:
        """Say so where the sheet of what people correct did not come back: deleted, or without its rows."""
        if format_of(self.path.name) != "excel" or any(not _is_open(sheet_of(part)) for part in parts):
            return
        if self._database.execute("select 1 from rows limit 1").fetchone() is None and not self.settled:
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
        new = {found.token.id for found in rows} - self._known.keys()
        self._known.update(self._originals.by_id(new))
        whole: dict[str, list[Any]] = {}
        for found in rows:
            token = found.token
            original = self._known.get(token.id)
            reason = ""
            if original is None:
                reason = f"{token} is not one of this push"
            elif original.rows is None:
                self.settled[original.source_id] += 1
                continue
            elif original.generation != token.generation:
                reason = f"{token}: the source said something else since this file was written; write the file anew"
            else:
                kept = whole.get(token.id) or whole.setdefault(token.id, list(kept_rows(original)))
                if token.position > len(kept):
                    reason = f"{token} is not one of this push"
                elif twice := self._place_of(token):
                    reason = f"{token} is also in {twice}"
            if reason or original is None:
                path = f"{found.place}, column {RECORD}"
                problems.append(Problem(path=path, reason=reason, row=0))
                continue
            self._settle(found, original, whole[token.id][token.position - 1], columns)

    def _place_of(self, token: Token) -> str:
        query = "select place from rows where id = ? and position = ?"
        row = self._database.execute(query, (token.id, token.position)).fetchone()
        return str(row[0]) if row else ""

    def _settle(self, found: _Found, original: Original, kept: KeptRow, columns: Sequence[str]) -> None:
        """One row: each cell against what it was."""
        if missing := [name for name in original.columns if name not in columns]:
            raise SourceError(
                f"{self.name} lacks the column {missing[0]!r} of the source.",
                advice="Put it back; a cell that is meant to be blank is left blank.",
            )
        self._added.update(
            (name, None) for name in columns if name not in original.columns and not name.startswith(OURS)
        )
        values = dict(kept.values)
        doubts: list[str] = []
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
                doubts.append(msgspec.json.encode((name, f"{reason} ({found.place})")).decode())
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
        self._insert(found.token, kept, found.place, cells.packed(values), doubts, is_corrected=bool(corrections))

    def _insert(
        self, token: Token, kept: KeptRow, place: str, data: bytes, doubts: Sequence[str], *, is_corrected: bool
    ) -> None:
        said = self._words.of(kept.values)
        row = (token.id, token.position, kept.number, place, token.generation, data, "\n".join(doubts) or None)
        self._database.execute("insert into rows values (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, said, is_corrected))

    def _complete(self) -> None:
        """A document of which rows were deleted gets them back and is held: half of it must not go out, and rows that
        remain must not become part of the document above."""
        there: dict[str, set[int]] = {}
        for id, position in self._database.execute("select id, position from rows"):
            there.setdefault(id, set()).add(position)
        for id, positions in there.items():
            original = self._known[id]
            kept = kept_rows(original)
            for position, row in enumerate(kept, 1):
                if position not in positions:
                    reason = "was deleted from the corrected file, but other rows of its document were not"
                    doubt = msgspec.json.encode(("", reason)).decode()
                    token = Token(id, position, original.generation)
                    self._insert(token, row, "", cells.packed(row.values), [doubt], is_corrected=False)
        self._known = {id: original for id, original in self._known.items() if id in there}

    def _number(self) -> None:
        """Give every row a number of its own: that of its source, unless rows of two sources have the same."""
        run = self._database.execute
        beyond = int(run("select coalesce(max(number), 0) from rows").fetchone()[0])
        twice = "select rowid from rows where rowid not in (select min(rowid) from rows group by number)"
        again = run(twice).fetchall()
        for offset, (rowid,) in enumerate(again, 1):
            run("update rows set number = ? where rowid = ?", (beyond + offset, rowid))
        if again:
            self._notes.append(
                f"{self.name}: {len(again):,} rows have numbers of other rows, as they come from several sources; they "
                f"are counted from {beyond + 1:,} on."
            )
        for number, doubts in run("select number, doubts from rows where doubts is not null"):
            for text in doubts.split("\n"):
                column, reason = msgspec.json.decode(text)
                path = f"row {number}, column {column}" if column else f"row {number}"
                self._doubts.setdefault(number, []).append(Problem(path=path, reason=reason, row=number))

    def _origins(self) -> Iterator[tuple[int, ReturnedRow]]:
        """(Number of a row, where it came from) for every row."""
        query = "select id, number, position, said, corrected from rows order by id, position"
        for id, found in groupby(self._database.execute(query), itemgetter(0)):
            original, rows = self._known[id], list(found)
            itself = Origin(original.entity, original.source_id, saying(said for *_, said, _ in rows))
            kept = Kept(id, original.entity, original.source_id, original.generation)
            is_corrected = bool(original.origins) or any(corrected for *_, corrected in rows)
            for _, number, position, *_ in rows:
                origin = original.origins[position - 1] if original.origins else itself
                yield number, ReturnedRow(origin, kept, is_corrected)

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


def _parts(path: Path, settings: PushSettings, section: str, *, every: bool = False) -> list[Source]:
    """The sheets of a workbook that are read back, or the CSV file, where they have the column of records. `every`: the
    others too."""
    plain = msgspec.structs.replace(settings, header_row=1, skip=(), format=None, sheet=None)
    if format_of(path.name) != "excel":
        if settings.source_format != "csv":
            plain = msgspec.structs.replace(plain, encoding="utf-8", separator=",")
        source = CsvSource(path, plain, section)
        return [source] if RECORD in source.columns else []
    with path.open("rb") as file:
        names = [sheet.name for sheet in Book(file).sheets if every or not _NOT_READ.fullmatch(sheet.name.strip())]
    sheets = [WorkbookSource(path, msgspec.structs.replace(plain, sheet=name), section) for name in names]
    return [sheet for sheet in sheets if _has_records(sheet)]


def _refuse_without_records(path: Path, settings: PushSettings, section: str) -> None:
    """Raise SourceError for a sheet of ours that lost the column by which its rows are known: what people corrected in
    it must not be passed over."""
    if format_of(path.name) != "excel":
        return
    plain = msgspec.structs.replace(settings, header_row=1, skip=(), format=None)
    with path.open("rb") as file:
        names = [sheet.name for sheet in Book(file).sheets if sheet.name.lower().startswith(_READ)]
    for name in names:
        sheet = WorkbookSource(path, msgspec.structs.replace(plain, sheet=name), section)
        if not _has_records(sheet) and _has_rows(sheet):
            raise SourceError(
                f"The sheet {name!r} of {path.name} has lost its column {RECORD}, by which its rows are known.",
                advice="Undo that, or write the workbook anew with `tieout failed` and correct it there. "
                "Nothing was sent.",
            )


def _has_rows(sheet: Source) -> bool:
    try:
        return next(sheet.rows(), None) is not None
    except SourceError:
        return False  # a sheet of their own, blank or without a header


def _has_records(sheet: Source) -> bool:
    try:
        return RECORD in sheet.columns
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
