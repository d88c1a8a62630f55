"""The audit file of one run: what came in, who sent it where, what became of every record, and a hash over all of it.

JSON Lines: a head, a line for each document in the order of the source, and a foot with counts, sums and the SHA-256 of
everything before it. `check` reads one later and needs neither Intacct nor the state database. The hash shows that
nobody edited the file since; it does not show who wrote it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from tieout.errors import SourceError
from tieout.project.report import TieOutLine
from tieout.push.report import BUCKETS

if TYPE_CHECKING:
    from tieout.push.proof.tieout import Read
    from tieout.push.report import PushReport
    from tieout.push.stage import Staged
    from tieout.store.ledger import LedgerRecord

VERSION = 1
_encode = msgspec.json.Encoder(order="deterministic").encode
_GOOD = ("posted", "skipped", "corrected")
"""Outcomes of documents that Intacct holds as they are to be."""


class Head(msgspec.Struct, kw_only=True):
    """Whose run it was, of what, into what. Moments are ISO 8601 in UTC."""

    tieout_audit: int = VERSION
    run: str
    tieout_version: str
    push: str
    object: str
    operation: str
    source: str
    source_sha256: str
    source_rows: int
    blank_rows: int
    skipped_rows: int = 0
    mapping_sha256: str
    environment: str
    company: str
    entity: str
    connection: str
    sage_user: str
    started_at: str
    planned_by: str = ""
    planned_at: str = ""
    applied_by: str = ""


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One document: its source rows, what became of it, and what Intacct said of it when it was read back."""

    id: str
    entity: str = ""
    rows: tuple[int, ...]
    outcome: str
    key: str | None = None
    sage_id: str | None = None
    state: str | None = None
    """In Sage's word: `draft`, `posted`, `submitted` ..."""
    posting_date: str | None = None
    sent: dict[str, Decimal] = {}
    """Exact sums by field path."""
    read_back: dict[str, Decimal] | None = None
    """The same as Intacct returned them; None where it was not read."""
    reason: str | None = None


class Foot(msgspec.Struct, kw_only=True):
    """What it comes to. `sha256` is over every byte of the lines before this one and over this one without it."""

    finished_at: str
    documents: dict[str, int]
    rows: dict[str, int]
    sums: list[dict[str, Any]]
    """Of posted records by entity, period, currency and field: what was sent, and what Intacct returned."""
    tie_out: list[dict[str, Any]]
    corrections: list[dict[str, Any]] = []
    """Cells that people changed in the corrected file that was read: row, column, before, after, by whom. Values of
    columns that may be personal are null here."""
    sha256: str = ""


class AuditWriter:
    """Writes the file beside its place and moves it there when it is whole: an interrupted run leaves none.

    Raises SourceError where it cannot be written, or is there already: an audit file is never replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._sums: dict[tuple[str, str, str, str], list[Decimal]] = {}
        if path.exists():
            raise SourceError(
                f"{str(path)!r} is there already, and an audit file is never replaced.",
                advice="Give another name.",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".tieout-", suffix=".part", dir=path.parent)  # mode 0600
        except OSError as error:
            raise self._unwritable(error) from None
        self._part = Path(name)
        self._file = os.fdopen(handle, "wb")

    def __enter__(self) -> AuditWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def head(self, head: Head) -> None:
        self._write(head)

    def documents(
        self, documents: Sequence[Staged], records: Mapping[str, LedgerRecord], read: Mapping[str, Read]
    ) -> None:
        """A group of documents of one entity, with what the ledger has of them and what Intacct returned."""
        for document in documents:
            record = records.get(document.source_id)
            seen = read.get(document.source_id)
            there = record is not None and record.state == "posted"
            line = Line(
                id=document.source_id,
                entity=document.entity,
                rows=document.rows,
                outcome="pending" if document.fate == "send" else document.fate,
                key=record.sage_key if record is not None else None,
                sage_id=record.sage_id if record is not None else None,
                state=(seen.state if seen is not None else None) or (record.sage_state if record is not None else None),
                posting_date=seen.posting_date if seen is not None else None,
                sent=record.totals if record is not None and there else document.totals,
                read_back=dict(seen.amounts) if seen is not None else None,
                reason=_reason(document, record),
            )
            self._write(line)
            if seen is not None:
                self._add(document.entity, seen, line.sent)

    def finish(self, report: PushReport, finished_at: str) -> None:
        """Write the foot and put the file into its place."""
        foot = Foot(
            finished_at=finished_at,
            documents={bucket: getattr(report, bucket) for bucket in BUCKETS},
            rows=dict(report.rows_by_outcome),
            sums=[
                {
                    "entity": entity,
                    "period": period,
                    "currency": currency,
                    "field": path,
                    "sent": ours,
                    "intacct": theirs,
                }
                for (entity, period, currency, path), (ours, theirs) in sorted(self._sums.items())
            ],
            tie_out=[msgspec.to_builtins(line) for line in report.tie_out],
            corrections=[msgspec.to_builtins(correction) for correction in report.corrections],
        )
        foot.sha256 = _sealed(self._digest, foot)
        self._write(foot)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            os.link(self._part, self.path)  # fails where somebody was faster
        except OSError as error:
            raise self._unwritable(error) from None

    def _add(self, entity: str, seen: Read, sent: Mapping[str, Decimal]) -> None:
        for path in sent.keys() | seen.amounts.keys():
            key = (entity, (seen.posting_date or "")[:7], seen.currency or "", path)
            sums = self._sums.setdefault(key, [Decimal(0), Decimal(0)])
            sums[0] += sent.get(path, Decimal(0))
            sums[1] += seen.amounts.get(path, Decimal(0))

    def _write(self, what: msgspec.Struct) -> None:
        data = _encode(what) + b"\n"
        self._digest.update(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> SourceError:
        return SourceError(
            f"The audit file {str(self.path)!r} cannot be written: {error.strerror or type(error).__name__}.",
            advice="What was posted is posted and in the ledger; name another file and push again to have it written.",
        )


def _reason(document: Staged, record: LedgerRecord | None) -> str | None:
    if document.fate == "corrected":
        return "Intacct holds what was corrected in the workbook, and the source still says the old"
    if document.problems:
        return "; ".join(str(problem) for problem in document.problems)
    error = record.error if record is not None else None
    return None if error is None else str(error.get("reason") or error.get("message") or "") or None


def _sealed(digest: Any, foot: Foot) -> str:
    """The hash over what came before and over the foot without it."""
    last = digest.copy()
    last.update(_encode(msgspec.structs.replace(foot, sha256="")))
    return str(last.hexdigest())


# Later -------------------------------------------------------------------------------------------------------------


class Checked(msgspec.Struct, kw_only=True):
    """What reading an audit file again showed. `lines` say whether it adds up, `wrong` why it cannot be trusted."""

    head: Head | None
    finished_at: str = ""
    lines: list[TieOutLine] = msgspec.field(default_factory=list)
    wrong: list[str] = msgspec.field(default_factory=list)

    @property
    def ties(self) -> bool:
        return not self.wrong and all(line.ties is True for line in self.lines)


def check(path: Path) -> Checked:
    """Read an audit file: is it unedited, is every source row accounted for, do the sums agree.

    Raises SourceError where it cannot be read. Whatever is wrong inside is in the answer."""
    made = Checked(head=None)
    rows: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    sums: dict[str, list[Decimal]] = {}
    seen: set[tuple[str, str]] = set()
    unlike: list[str] = []
    foot: Foot | None = None
    as_written = False
    digest = hashlib.sha256()
    with _opened(path) as file:
        for number, data in enumerate(file, 1):
            if foot is not None:
                made.wrong.append(f"line {number} comes after the end")
                break
            try:
                if number == 1:
                    made.head = msgspec.json.decode(data, type=Head)
                elif b'"sha256":' in data and b'"tie_out":' in data:
                    foot = msgspec.json.decode(data, type=Foot)
                    as_written = data.strip() == _encode(foot)  # byte by byte: a word that is not ours decodes too
                    continue
                else:
                    line = msgspec.json.decode(data, type=Line)
                    _count(line, rows, documents, sums, seen, unlike)
            except (msgspec.MsgspecError, ValueError):
                made.wrong.append(f"line {number} is not one of an audit file")
                break
            digest.update(data)
    if made.head is None or foot is None:
        made.wrong.append("it has no end: the file is cut off" if made.head else "it is no audit file of tieout")
        return made
    made.finished_at = foot.finished_at
    if not as_written or _sealed(digest, foot) != foot.sha256:
        made.wrong.append("its hash does not agree: somebody changed it since it was written")
    made.lines = _adds_up(made.head, foot, rows, documents, sums, unlike)
    return made


def _count(
    line: Line,
    rows: Counter[str],
    documents: Counter[str],
    sums: dict[str, list[Decimal]],
    seen: set[tuple[str, str]],
    unlike: list[str],
) -> None:
    documents[line.outcome] += 1
    rows[line.outcome] += len(line.rows)
    if (line.entity, line.id) in seen:
        unlike.append(f"{line.id} is there twice")
    seen.add((line.entity, line.id))
    if line.outcome not in _GOOD:
        return
    if line.read_back is None:
        unlike.append(f"{line.id} was not read back")
        return
    for path in line.sent.keys() | line.read_back.keys():
        ours, theirs = line.sent.get(path, Decimal(0)), line.read_back.get(path, Decimal(0))
        total = sums.setdefault(path, [Decimal(0), Decimal(0)])
        total[0] += ours
        total[1] += theirs
        if ours != theirs:
            unlike.append(f"{line.id}: {path} {ours:f} sent, {theirs:f} in Intacct")


def _adds_up(
    head: Head,
    foot: Foot,
    rows: Counter[str],
    documents: Counter[str],
    sums: Mapping[str, Sequence[Decimal]],
    unlike: Sequence[str],
) -> list[TieOutLine]:
    subject = f"push {head.push}"
    there = {name for name in (*rows, *foot.rows) if rows[name] or foot.rows.get(name)}
    told = [
        f"{name}: {rows[name]} listed, {foot.rows.get(name, 0)} reported"
        for name in sorted(there)
        if rows[name] != foot.rows.get(name, 0) or documents[name] != foot.documents.get(name, 0)
    ]
    stated = "; ".join(told) or ", ".join(f"{rows[name]:,} {name}" for name in BUCKETS if rows[name])
    every = _line(subject, "rows accounted for", head.source_rows, rows.total(), stated)
    found = [every if not told else msgspec.structs.replace(every, ties=False)]
    good = sum(documents[outcome] for outcome in _GOOD)
    agreeing = good - len({text.partition(":")[0] for text in unlike})
    found.append(_line(subject, "records agree", good, agreeing, "; ".join(unlike[:5])))
    found += [_line(subject, f"sum {path}", ours, theirs) for path, (ours, theirs) in sorted(sums.items())]
    return found


def _line(subject: str, what: str, ours: int | Decimal, theirs: int | Decimal, note: str = "") -> TieOutLine:
    gap = ours - theirs
    return TieOutLine(subject=subject, what=what, source=ours, intacct=theirs, difference=gap, ties=gap == 0, note=note)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise SourceError(
            f"{str(path)!r} cannot be read: {error.strerror or type(error).__name__}.",
            advice="Name an audit file that a push wrote.",
        ) from None
