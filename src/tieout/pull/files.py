"""Attachments' files in a folder, and a table beside the attachments' own that says which file is where.

A file is fetched with its attachment, one billable transaction each (REST reference 7.5), and only where the attachment
is new or has changed: its stamp is another one than when its files came. What Intacct deletes stays in the folder.
Knows one folder and one table.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from tieout.errors import ConfigurationError, NotFoundError, StoreError
from tieout.project.report import TieOutLine
from tieout.pull.abreast import Share
from tieout.pull.destinations.base import Commit, Destination, Gone, OwnedLines
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.state import Backfill, TableState
from tieout.pull.plan.planning import TablePlan
from tieout.pull.report import OnProgress, Phase, Progress, PullReport
from tieout.pull.schema.columns import MODIFIED
from tieout.pull.schema.types import Column, Kind, arrow_type

if TYPE_CHECKING:
    from tieout.rest import AttachedFile, Intacct

ATTACHMENT = "company-config/attachment"
OBJECT = "tieout:attachment-files"
A_COMMIT = 20
"""Attachments fetched between two commits: what an interrupted run fetches again at most."""
MAX_FILE_NAME = 150
"""Bytes of a name that are kept: folders everywhere take as many, with the key before it."""

LATE = timedelta(days=3)
"""How long an attachment without files is looked at again: it may have been late in the making."""

END_OF_TIME = "9999-12-31T23:59:59Z"

OWNER = Column(path="attachment.key", name="attachment__key", kind=Kind.TEXT)
STAMP = Column(
    path="attachment.audit.modifiedDateTime", name="attachment__audit__modifiedDateTime", kind=Kind.TIMESTAMP
)
COLUMNS = (
    Column(path="key", name="key", kind=Kind.TEXT),
    OWNER,
    STAMP,
    Column(path="name", name="name", kind=Kind.TEXT),
    Column(path="size", name="size", kind=Kind.INTEGER),
    Column(path="sha256", name="sha256", kind=Kind.TEXT),
    Column(path="path", name="path", kind=Kind.TEXT),
)


class FilesJob(msgspec.Struct, kw_only=True):
    """The files of one pulled table of attachments."""

    client: Intacct
    company: str
    destination: Destination
    attachments: str
    """The table of attachments, pulled just now."""
    folder: Path
    progress: OnProgress | None = None
    share: Share = msgspec.field(default_factory=Share)
    """What it may have of the run."""

    @property
    def table(self) -> str:
        """The table of files."""
        return file_table(self.attachments)


def file_table(attachments: str) -> str:
    """The table of the files of a table of attachments."""
    return f"{attachments}_file"


class FilesPull:
    """One pull of files. `report` is filled as it goes."""

    def __init__(self, job: FilesJob) -> None:
        self.job = job
        self.report = PullReport(object=OBJECT, table=job.table, destination=str(job.destination))
        self._run = uuid4().hex
        self._stored = TableState(table=job.table, object=OBJECT, company=job.company, entity="")
        self._stamps: dict[str, tuple[Any, ...]] = {}
        self._told = self._got = self._untold = self._empty = 0

    def run(self) -> PullReport:
        """Fetch what is new. Raises StoreError for a folder that cannot be written, and whatever the client raises;
        what was fetched before stays, and the next run goes on after it."""
        began = time.monotonic()
        job, report = self.job, self.report
        main = job.destination.state(job.attachments)
        if main is None:
            raise StoreError(f"Table {job.attachments} of {job.destination.place} is not there.")
        state = self._state()
        report.watermark_before = state.watermark
        self._stamps = self._read(main, next((c for c in main.columns if c.path == MODIFIED), None))
        files = self._read(self._stored, OWNER, STAMP)
        begun = state.backfill
        since = begun.since if begun else main.watermark
        keys = sorted(self._wanted(state, dict(files.values()), since))
        report.strategy, report.resumed = ("incremental" if state.watermark else "full"), begun is not None
        left = [key for key in keys if begun is None or key > begun.last_key]
        done = len(keys) - len(left)
        with ThreadPoolExecutor(max(job.client.concurrency, 1), "tieout-files") as threads:
            for at in range(0, len(left), A_COMMIT):
                job.share.check()
                some = left[at : at + A_COMMIT]
                found = list(threads.map(self._fetch, some))
                done += len(some)
                place = Backfill(since=since, position=done, last_key=some[-1])
                state = self._keep(msgspec.structs.replace(state, backfill=place), some, found)
                self.tell("reading", done, len(keys))
        gone = [file for file, (owner, _) in files.items() if owner not in self._stamps]
        after = msgspec.structs.replace(state, watermark=since, backfill=None)
        if gone or after != self._stored:
            state = self._commit(after, [], gone=Gone(keys=gone) if gone else None)
        report.watermark_after = state.watermark
        report.seconds = time.monotonic() - began
        self._conclude()
        self.tell("done", done, done)
        return report

    def plan(self, attachments: int) -> TablePlan:
        """What fetching the files would cost where so many rows of attachments come before. Asks nobody."""
        job = self.job
        main, state = job.destination.state(job.attachments), self._state()
        wanted: list[str] = []
        if main is not None:
            self._stamps = self._read(main, next((c for c in main.columns if c.path == MODIFIED), None))
            wanted = self._wanted(state, dict(self._read(self._stored, OWNER, STAMP).values()), END_OF_TIME)
        return TablePlan(
            object=OBJECT,
            table=job.table,
            destination=str(job.destination),
            strategy="incremental" if state.watermark else "full",
            held=state.rows,
            rows=attachments,
            transactions=0 if state.watermark else attachments,
            at_most=attachments + len(wanted),
            notes=["one transaction for each attachment that is new or changed"],
        )

    def tell(self, phase: Phase, done: int, of: int) -> None:
        if self.job.progress is not None:
            so_far = (self.report.pages, self.report.transactions, str(self.job.destination))
            self.job.progress(Progress(OBJECT, self.job.table, done, of, phase, *so_far))

    def _state(self) -> TableState:
        job = self.job
        ours = TableState(
            table=job.table,
            object=OBJECT,
            company=job.company,
            entity=job.client.entity or "",
            parent=job.attachments,
            selection=str(job.folder.resolve()),
        )
        found = job.destination.state(job.table)
        self._stored = found or ours
        if found is None:
            return ours
        if (found.object, found.company, found.entity) != (OBJECT, ours.company, ours.entity):
            raise ConfigurationError(
                f"Table {job.table} of {job.destination.place} holds something else than these files.",
                advice="Set `table` to another name, or name another destination.",
            )
        if found.selection != ours.selection:  # another folder: nothing is in it yet
            return msgspec.structs.replace(found, selection=ours.selection, watermark="", backfill=None)
        return found

    def _read(self, state: TableState, *columns: Column | None) -> dict[str, tuple[Any, ...]]:
        """key -> values of live rows; nothing where there is no table yet."""
        if not state.version:
            return {}
        wanted = [column for column in columns if column is not None]
        found: dict[str, tuple[Any, ...]] = {}
        for lot in list(self.job.destination.keys(state.table)):
            rows = self.job.destination.rows(state.table, lot, wanted)
            found |= {key: tuple(row[c.path] for c in wanted) or (None,) for key, row in rows.items()}
        return found

    def _wanted(self, state: TableState, known: dict[str, Any], until: str) -> list[str]:
        """Attachments that may have files which are not here. `known`: those that have some, and their stamp then;
        `until`: how far these are read now."""
        if not state.watermark:
            return list(self._stamps)
        early = (datetime.fromisoformat(state.watermark) - LATE).strftime("%Y-%m-%dT%H:%M:%SZ")
        # A second change may bear the stamp of the one whose files are here: once the stamp lies behind the watermark,
        # where nothing is under way any more, they are fetched a last time.
        return [
            key
            for key, (stamp,) in self._stamps.items()
            if stamp is None
            or (known[key] != stamp if key in known else stamp >= early)
            or state.watermark <= stamp < until
        ]

    def _fetch(self, key: str) -> list[AttachedFile]:
        try:
            return self.job.client.attached_files(ATTACHMENT, key)
        except NotFoundError:  # deleted since its table was read
            return []

    def _keep(self, after: TableState, owners: Sequence[str], found: Sequence[Sequence[AttachedFile]]) -> TableState:
        """Write files, then say so."""
        job, report = self.job, self.report
        report.pages += len(owners)
        report.transactions += len(owners)
        every = [(owner, file) for owner, files in zip(owners, found, strict=True) for file in files]
        columns = {column.path: column for column in COLUMNS}
        known = (
            job.destination.rows(job.table, [file.key for _, file in every], [columns["sha256"], columns["path"]])
            if self._stored.version
            else {}
        )
        rows = []
        for owner, file in every:
            (stamp,) = self._stamps[owner]
            row: dict[str, Any] = {"key": file.key, OWNER.name: owner, "name": file.name, "size": file.size}
            row[STAMP.name] = datetime.fromisoformat(stamp) if stamp is not None else None
            if file.data is None:
                self._empty += 1
            else:
                row |= self._write(owner, file, file.data, known.get(file.key, {}))
            rows.append(row)
        lines = OwnedLines(column=OWNER.name, owners=owners, present=[file.key for _, file in every], hard=True)
        report.rows_read += len(rows)
        return self._commit(after, rows, lines=lines)

    def _write(self, owner: str, file: AttachedFile, data: bytes, known: dict[str, Any]) -> dict[str, Any]:
        if file.size is None:
            self._untold += 1
        else:
            self._told, self._got = self._told + file.size, self._got + len(data)
        digest = hashlib.sha256(data).hexdigest()
        path = Path(safe_name(owner)) / f"{safe_name(file.key)}-{safe_name(file.name)}"
        there = self.job.folder / path
        if (known.get("sha256"), known.get("path")) != (digest, path.as_posix()) or not there.is_file():
            write_file(there, data)
        return {"size": len(data), "sha256": digest, "path": path.as_posix()}

    def _commit(self, after: TableState, rows: list[dict[str, Any]], **more: Any) -> TableState:
        import pyarrow as pa

        arrays = {c.name: pa.array([row.get(c.name) for row in rows], arrow_type(c)) for c in COLUMNS}
        done = self.job.destination.commit(
            Commit(
                before=self._stored,
                after=msgspec.structs.replace(after, columns=COLUMNS, run=self._run),
                batch=Batch(COLUMNS, pa.table(arrays), [row["key"] for row in rows]).unique(),
                synced=(after.backfill.since if after.backfill else after.watermark) or _now(),
                **more,
            )
        )
        self.report.new += done.new
        self.report.changed += done.changed
        self.report.deleted += done.lines_gone
        self.report.missing += done.gone
        self._stored = done.state
        return done.state

    def _conclude(self) -> None:
        """Whether as many bytes are in the folder as Intacct says."""
        report = self.report
        if self._told or self._got:
            report.tie_out = [
                TieOutLine(
                    subject=f"files of {self.job.attachments}",
                    what="bytes fetched",
                    source=self._got,
                    intacct=self._told,
                    difference=self._got - self._told,
                    ties=self._got == self._told,
                )
            ]
        if self._empty:
            report.notes.append(f"{self._empty:,} files came without content: they have a row, and no file")


def write_file(path: Path, data: bytes) -> None:
    """The whole file or nothing, for this user only. Raises StoreError."""
    beside = path.with_name(f".{path.name[:40]}.{uuid4().hex}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"The file {path} cannot be written: {error.strerror or error}.",
            advice="Make the folder writable or free some space, then run the command again: nothing is fetched twice.",
        ) from None


def safe_name(name: str) -> str:
    """A name from Intacct as the name of a file: no folders, nothing hidden, no control characters, not too long."""
    kept = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name).strip(" .") or "_"
    if len(kept.encode()) <= MAX_FILE_NAME:
        return kept
    stem, dot, suffix = kept.rpartition(".")
    ending = f"{dot}{suffix}" if stem and len(suffix.encode()) <= 10 else ""
    return kept.encode()[: MAX_FILE_NAME - len(ending.encode())].decode(errors="ignore") + ending


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
