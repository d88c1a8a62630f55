"""What became of a push as a workbook, for people who never open a shell; what is not posted also as a CSV file.

Sheets Summary, Posted, Draft, Failed and Open, in the source's own columns and order. Failed and Open can be corrected
and given back to `tieout retry --from`. Asks ledger and source, nothing of Intacct.
"""

from __future__ import annotations

import csv
import os
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.errors import BusyError, SourceError
from tieout.push.dispatch.requests import chunks
from tieout.push.documents import without_id
from tieout.push.fields.values import Misfit
from tieout.push.grouping import Grouping, Key, joined, spoken
from tieout.push.inbox import cells
from tieout.push.inbox.causes import Tally, row_reasons
from tieout.push.inbox.in_order import InOrder
from tieout.push.inbox.originals import KeptRow, kept_rows, original_of, tokens
from tieout.push.inbox.returned import OURS, RECORD
from tieout.push.inbox.text_workbook import Sheet, TextWorkbook
from tieout.push.intake import occurrence
from tieout.push.opening import Desks, Opened, lease, opened
from tieout.push.settings import settings_of
from tieout.push.sources import Source, SourceRow, open_source
from tieout.push.standing import waiting
from tieout.store.ledger_facts import now_text

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.push.report import FailedRecord
    from tieout.push.settings import PushSettings
    from tieout.store.ledger import LedgerRecord
    from tieout.store.ledger_facts import Original

COLUMNS = (RECORD, "tieout_row", "tieout_document", "tieout_entity", "tieout_state", "tieout_reason", "tieout_who_acts",
           "tieout_advice", "tieout_key", "tieout_link")  # fmt: skip
"""Ours, to the right of the source's own."""
SHEETS = ("Posted", "Draft", "Failed", "Open")
_WAITING = ("Failed", "Open")
_TO_CORRECT = ("failed", "held")


class Written(msgspec.Struct, kw_only=True):
    """What is in the file: documents and rows by sheet, and what its reader should know."""

    path: Path
    documents: dict[str, int]
    rows: dict[str, int]
    notes: list[str]
    is_whole: bool
    """Nothing is to be done: all is posted, each step is carried out, and the latest run came to its end."""


def write_workbook(project: Project, name: str, path: Path, connection: str | None = None) -> Written:
    """See `tieout.push.write_workbook`."""
    settings = settings_of(project, name, connection)
    with opened(project, name, settings) as desks, TextWorkbook(path) as book:
        inbox = _Inbox(desks, settings)
        inbox.complete()
        pages = {sheet: _Pages(book, sheet, inbox.columns) for sheet in SHEETS}
        tally = Tally()
        with closing(InOrder()) as waiting:
            for sheet, record, rows in inbox.waiting():
                tally.add(record)
                pages[sheet].document()
                waiting.put(sheet, rows)
            for sheet in _WAITING:
                for cells_of, link in waiting.of(sheet):
                    pages[sheet].add(cells_of, link)
        for sheet, is_new, row, link in inbox.sent():
            if is_new:
                pages[sheet].document()
            pages[sheet].add(row, link)
        summary = _summary(book, inbox, pages, tally, path)
        book.save([summary, *(each for sheet in SHEETS for each in pages[sheet].sheets)])
        return Written(
            path=path,
            documents={name: pages[name].documents for name in SHEETS},
            rows={name: pages[name].rows for name in SHEETS},
            notes=inbox.notes,
            is_whole=inbox.is_whole,
        )


def write_csv(project: Project, name: str, path: Path, connection: str | None = None) -> Written:
    """See `tieout.push.write_csv`."""
    settings = settings_of(project, name, connection)
    as_csv = settings.source_format == "csv"
    encoding, separator = (settings.encoding, settings.separator) if as_csv else ("utf-8", ",")
    documents: Counter[str] = Counter()
    count: Counter[str] = Counter()
    with opened(project, name, settings) as desks, closing(InOrder()) as waiting:
        inbox = _Inbox(desks, settings)
        inbox.complete()
        part: Path | None = None
        try:
            handle, part_name = tempfile.mkstemp(prefix=".tieout-", suffix=".part", dir=path.parent)  # mode 0600
            part = Path(part_name)
            # What the source says fits its encoding; our own words may not, and lose a letter rather than the file.
            with os.fdopen(handle, "w", encoding=encoding, errors="replace", newline="") as file:
                writer = csv.writer(file, delimiter=separator)
                writer.writerow((*inbox.columns, *COLUMNS))
                for sheet, _, rows in inbox.waiting():
                    documents[sheet] += 1
                    count[sheet] += len(rows)
                    waiting.put("", rows)
                writer.writerows(row for row, _ in waiting.of(""))
            part.replace(path)
        except OSError as error:
            if part is not None:
                part.unlink(missing_ok=True)
            raise SourceError(
                f"{str(path)!r} cannot be written: {error.strerror or type(error).__name__}.",
                advice="Name another file.",
            ) from None
        return Written(
            path=path, documents=dict(documents), rows=dict(count), notes=inbox.notes, is_whole=inbox.is_whole
        )


class _Inbox:
    """The documents of a push with their rows as the source has them, one by one."""

    def __init__(self, desks: Desks, settings: PushSettings) -> None:
        self.desks, self.settings = desks, settings
        self.notes: list[str] = []
        run = desks.main.ledger.last_run()
        self.is_whole = run is None or run.finished
        """Nothing is to be done, as far as `waiting` went."""
        self._listed: dict[tuple[str, str], FailedRecord] = {}
        """Posted documents that are not as they should be, by entity and id."""
        self._path = settings.path_in(desks.root)
        self._is_there = self._path is not None and self._path.exists()
        self.columns = self._columns()

    def _columns(self) -> tuple[str, ...]:
        """The source's own, then those that only rows of earlier sources have."""
        named: dict[str, None] = {}
        if self._is_there:
            try:
                source = self._source()
                named.update(dict.fromkeys(source.columns))
                source.close()
            except SourceError as error:
                self._is_there = False
                self.notes.append(f"The source cannot be read: {error.message}")
        for desk in self.desks.all():
            for columns in desk.ledger.originals.columns():
                named.update(dict.fromkeys(columns))
        return tuple(name for name in named if not name.startswith(OURS))

    def _source(self) -> Source:
        return open_source(self.settings, self._path, f"[push.{self.desks.name}]")

    # What is not posted --------------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Keep the rows of what an interrupted run left without a copy, as far as the source still has them."""
        missing: dict[str, Opened] = {}
        for desk in self.desks.all():
            for records in chunks(waiting(self.desks.name, self.settings, desk.ledger)):
                kept = desk.ledger.originals.kept([record.source_id for record in records])
                missing.update((r.source_id, desk) for r in records if r.source_id not in kept and _sheet(r) != "Draft")
        if not missing or not self._is_there:
            return
        found: dict[str, list[SourceRow]] = {}
        try:
            for id, row in _identified(self.settings, self._source()):
                if id in missing:
                    found.setdefault(id, []).append(row)
        except SourceError:
            return  # said where the columns were looked for
        by_desk: dict[str, list[Original]] = {}
        for id, rows in found.items():
            by_desk.setdefault(missing[id].entity, []).append(original_of(id, rows))
        try:
            with lease(self.desks.main) as held:
                for entity, originals in by_desk.items():
                    self.desks.at(entity).ledger.originals.keep(held, originals)
        except BusyError:
            self.notes.append("A push is going on: what it did not come to yet is here without its cells.")

    def waiting(self) -> Iterator[tuple[str, FailedRecord, list[tuple[int, list[str], str]]]]:
        """(sheet, record, its rows: number in the source, cells, link), record by record."""
        for desk in self.desks.all():
            ledger = desk.ledger
            for records in chunks(waiting(self.desks.name, self.settings, ledger)):
                originals = ledger.originals.of([record.source_id for record in records])
                known = ledger.known([record.source_id for record in records])
                self.is_whole = self.is_whole and not records
                for record in records:
                    here = known.get(record.source_id)
                    if here is not None and here.state == "posted":
                        self._listed[desk.entity, record.source_id] = record
                    sheet = _sheet(record)
                    if sheet == "Draft":
                        continue  # it is posted: `sent` has its rows
                    yield sheet, record, self._rows(desk, record, originals.get(record.source_id), here)

    def _rows(
        self, desk: Opened, record: FailedRecord, original: Original | None, here: LedgerRecord | None
    ) -> list[tuple[int, list[str], str]]:
        reasons = row_reasons(record)
        if original is None:
            rows: list[tuple[str, KeptRow]] = [("", KeptRow(number, {})) for number in record.rows]
        else:
            rows = list(zip(tokens(desk.ledger.scope, original), kept_rows(original), strict=False))
        made = []
        for token, row in rows:
            reason = reasons.get(row.number) or record.reason
            made.append((row.number, self._cells(row, token, desk, record, reason, here), _page(here)))
        return made

    def _cells(
        self,
        row: KeptRow | SourceRow,
        token: str,
        desk: Opened,
        record: FailedRecord | None,
        reason: str,
        here: LedgerRecord | None,
    ) -> list[str]:
        values = row.values
        found = [cells.shown(values.get(name)) for name in self.columns]
        id = record.source_id if record is not None else here.source_id if here is not None else ""
        state = record.state if record is not None else (here.sage_state if here is not None else "") or "posted"
        found += [token, str(row.number), spoken(id), desk.ledger.scope.entity, state, reason]
        found += [record.whose_move, record.advice] if record is not None else ["", ""]
        return [*found, (here.sage_key if here is not None else "") or "", _link(here, desk.object)]

    # What is -------------------------------------------------------------------------------------------------------

    def sent(self) -> Iterator[tuple[str, bool, list[str], str]]:
        """(sheet, whether its document begins, cells, link) for rows of posted documents, in the order of the source;
        without a source one row for each document."""
        if not self._is_there:
            yield from self._sent_without_rows()
            return
        seen: set[tuple[str, str]] = set()
        for found in chunks(_identified(self.settings, self._source())):
            ids = list({id for id, _ in found})
            known = [(desk, desk.ledger.known(ids)) for desk in self.desks.all()]
            instead = self._corrected([id for id in ids if not any(id in records for _, records in known)])
            for id, row in found:
                there = [(desk, r[id]) for desk, r in known if id in r and r[id].state == "posted"]
                there += instead.get(id, [])
                if not there:
                    continue
                desk, here = next((pair for pair in there if row.number in pair[1].rows), there[0])
                if (sheet := self._sent_sheet(desk, here)) is None:
                    continue
                if row.number in here.rows:
                    is_new = row.number == here.rows[0]
                else:  # the source was written anew since: its rows have other numbers
                    is_new = (desk.entity, id) not in seen
                    seen.add((desk.entity, id))
                yield sheet, is_new, self._sent_cells(desk, here, row), _page(here)

    def _corrected(self, ids: Sequence[str]) -> dict[str, list[tuple[Opened, LedgerRecord]]]:
        """What is posted of records whose ids were corrected in a workbook, by the ids that the source gives them."""
        found: dict[str, list[tuple[Opened, LedgerRecord]]] = {}
        for desk in self.desks.all() if ids else ():
            for (id, _), became in desk.ledger.corrected.of(ids).items():
                for each in became:
                    there = self.desks.of_ledger(each.entity)
                    record = there.ledger.known([each.source_id]).get(each.source_id)
                    if record is not None and record.state == "posted":
                        found.setdefault(id, []).append((there, record))
        return found

    def _sent_without_rows(self) -> Iterator[tuple[str, bool, list[str], str]]:
        self.notes.append("Without the source, of what is posted only ids and keys are listed.")
        for desk in self.desks.all():
            for here in desk.ledger.records(("posted",)):
                if (sheet := self._sent_sheet(desk, here)) is not None:
                    row = SourceRow(here.rows[0] if here.rows else 0, {})
                    yield sheet, True, self._sent_cells(desk, here, row), _page(here)

    def _sent_sheet(self, desk: Opened, here: LedgerRecord) -> str | None:
        listed = self._listed.get((desk.entity, here.source_id))
        if listed is not None:
            return "Draft" if _sheet(listed) == "Draft" else None
        return "Draft" if (here.sage_state or "").lower() == "draft" else "Posted"

    def _sent_cells(self, desk: Opened, here: LedgerRecord, row: SourceRow) -> list[str]:
        listed = self._listed.get((desk.entity, here.source_id))
        return self._cells(row, "", desk, listed, listed.reason if listed is not None else "", here)


class _Pages:
    """A sheet, and more of the same name where it has more rows than a sheet holds."""

    def __init__(self, book: TextWorkbook, name: str, columns: Sequence[str]) -> None:
        self._book, self._name, self._columns = book, name, (*columns, *COLUMNS)
        self.sheets: list[Sheet] = [book.sheet(name, self._columns, len(COLUMNS))]
        self.documents = 0

    @property
    def rows(self) -> int:
        return sum(sheet.rows for sheet in self.sheets)

    def document(self) -> None:
        self.documents += 1

    def add(self, row: Sequence[str], link: str) -> None:
        if self.sheets[-1].is_full:
            name = f"{self._name} {len(self.sheets) + 1}"
            self.sheets.append(self._book.sheet(name, self._columns, len(COLUMNS)))
        self.sheets[-1].add(row, link)


def _summary(book: TextWorkbook, inbox: _Inbox, pages: Mapping[str, _Pages], tally: Tally, path: Path) -> Sheet:
    desks = inbox.desks
    scope = desks.main.ledger.scope
    sheet = book.sheet("Summary", ["What", "Documents", "Rows", "Who acts", "What to do"])
    run = desks.main.ledger.last_run()
    origin = inbox.settings.source if isinstance(inbox.settings.source, str) else inbox.settings.source_format
    for what, value in (
        ("Push", desks.name), ("Object", desks.object), ("Company", scope.company), ("Environment", scope.environment),
        ("Source", str(origin)), ("Latest run begun", _moment(run.started_at) if run else "never"),
        ("Written", _moment(now_text())),
    ):  # fmt: skip
        sheet.add([f"{what}: {value}", "", "", "", ""])
    if run is not None and not run.finished:
        sheet.add(["The latest run did not finish: there may be records that are not listed here.", "", "", "", ""])
    meaning = _meaning(inbox, path)
    for name in SHEETS:
        sheet.add([name, str(pages[name].documents), str(pages[name].rows), "", meaning[name]])
    for cause in tally.causes():
        place = f"{cause.field}: " if cause.field and cause.field not in cause.reason else ""
        what = f"{cause.code + ': ' if cause.code else ''}{place}{cause.reason}"
        sheet.add([what, str(cause.documents), str(cause.rows), cause.whose_move, cause.advice])
    for note in inbox.notes:
        sheet.add([note, "", "", "", ""])
    return sheet


def _meaning(inbox: _Inbox, path: Path) -> dict[str, str]:
    again = retry_command(inbox.desks.name, path.name, inbox.settings)
    return {
        "Posted": "Intacct holds them.",
        "Draft": "Intacct holds them as drafts, or a step that follows was not carried out.",
        "Failed": f"Correct the source's cells here, save, and run: {again}",
        "Open": "Not settled yet; what the column tieout_advice says, or nothing but the next push.",
    }


def retry_command(name: str, file: str, settings: PushSettings) -> str:
    """What takes a corrected file back."""
    plan = " --plan PLAN" if settings.two_people else ""
    return f"tieout retry {name} --from {shlex.quote(file)}{plan}"


def _sheet(record: FailedRecord) -> str:
    if record.state in _TO_CORRECT:
        return "Failed"
    return "Draft" if ", " in record.state else "Open"  # a step: `draft, submit refused`


def _identified(settings: PushSettings, source: Source) -> Iterator[tuple[str, SourceRow]]:
    """Each row of a source with the id of its document, as `documents` and `intake` make them."""
    grouping = Grouping(settings) if settings.is_grouped else None
    key = Key(settings.id_entries)
    times: Counter[str] = Counter()
    for row in source.rows():
        if grouping is not None:
            id = grouping.of(row.values).id
        else:
            id = _id(key, row.values)
            if len(key.names) > 1 and id:
                times[id] += 1
                id = occurrence(id, times[id])
        yield id or without_id(row.number, source.name), row


def _id(key: Key, values: Mapping[str, Any]) -> str:
    try:
        texts = key.texts(values)
    except Misfit:
        return ""
    return "" if key.blank(texts) else joined([text for text in texts if text is not None])


def _page(here: LedgerRecord | None) -> str:
    """The address of the record's own page, where Intacct gave one. That of the API is none that a person could
    open."""
    return (here.page if here is not None and here.gone_at is None else "") or ""


def _link(here: LedgerRecord | None, object: str) -> str:
    """The same, or what to look for in Intacct where it holds the record and gives no address."""
    if here is None or here.state != "posted" or not here.sage_key or here.gone_at is not None:
        return ""
    word = object.rpartition("::")[2].rpartition("/")[2].replace("-", " ")
    return here.page or f"{word} with key {here.sage_key}"


def _moment(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"
