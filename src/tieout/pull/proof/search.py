"""Reads rows of Intacct again and compares them with the copy value by value. Writes nothing.

A row that the windows do not bring is asked for by its key before it is called gone: it may have moved to another
window, or appeared behind the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tieout.pull.destinations.base import Window
from tieout.pull.destinations.batch import Batch, Misfit, Plain
from tieout.pull.findings import Findings, RowFinding, Why
from tieout.pull.proof.narrow import PAGE
from tieout.pull.proof.subject import Subject
from tieout.pull.reading.decode import Decoder, Page
from tieout.pull.reading.reader import Spent, read
from tieout.pull.schema.columns import MODIFIED, following

if TYPE_CHECKING:
    from tieout.rest import Filter

PAGES = 24
"""Pages that one search may read."""
KEYS_A_REQUEST = 500
"""Keys in one filter."""
MOST_CONFIRMED = 4000
"""Keys that are asked for by name."""


class Remedy(msgspec.Struct):
    """What would make the copy like Intacct."""

    batches: list[Batch] = msgspec.field(default_factory=list)
    misfits: list[Misfit] = msgspec.field(default_factory=list)
    gone: list[str] = msgspec.field(default_factory=list)
    asked_at: datetime | None = None
    """Intacct's clock at the last page."""


class Search:
    """Looks at windows one after the other; `findings` and `remedy` grow."""

    def __init__(self, subject: Subject, *, owner: str = "") -> None:
        """`owner`: the path that leads from a line to its document, where findings are to name it."""
        self.subject = subject
        self._owner = owner
        self.findings = Findings(subject=subject.name)
        self.remedy = Remedy()
        self._decoder = Decoder(subject.columns)
        self._spent = Spent()
        self._follows = following(subject.model)
        self._known: set[str] = set()
        """Keys whose finding is made."""

    def windows(self, windows: Sequence[Window | None], *, pages: int = PAGES) -> None:
        """Compare all rows of some windows, until so many pages are read. None is everything."""
        for window in windows:
            if not self._window(window, pages):
                self._stop(window)
                return

    def since(self, moment: str) -> None:
        """Compare the rows that changed in Intacct since a moment, however many: a pull would read them too."""
        from tieout.rest import F

        query_filter = F(MODIFIED) >= moment
        where = self.subject.where
        self._rows(query_filter if where is None else where & query_filter, None)

    def keys(self) -> tuple[int, int]:
        """Compare the keys of all rows, and by value those that are on one side only -> keys here, keys in Intacct. One
        transaction for 4,000 keys."""
        subject = self.subject
        ours = {key for lot in subject.destination.keys(subject.state.table) for key in lot}
        column = next(c for c in subject.columns if c.path == "key")
        theirs: set[str] = set()
        query = subject.query([column], subject.where)
        for step in read(subject.client, query, Decoder([column]), size=PAGE, spent=self._spent, share=subject.share):
            theirs.update(step.page.batch.keys)
        for lot in _lots(sorted(theirs - ours)):
            self._rows(subject.by_key(lot), None)
        self._confirm(sorted(ours - theirs))
        self.findings.transactions = self._spent.transactions
        return len(ours), len(theirs)

    def selected(self, where: Filter, ours: Sequence[str]) -> None:
        """Compare the rows of a filter, of which `ours` are here."""
        whole = self.subject.where
        came = self._rows(where if whole is None else whole & where, None) or set()
        self._confirm([key for key in ours if key not in came])

    def named(self, keys: Sequence[str]) -> None:
        """Compare rows that are here. One transaction for 500."""
        self._confirm([key for key in keys if key not in self._known])

    def _window(self, window: Window | None, pages: int) -> bool:
        subject = self.subject
        (ours,) = subject.destination.measure(subject.state.table, [], within=window)
        if self._spent.pages + ours.count // PAGE > pages:
            return False
        came = self._rows(subject.filter(window), pages)
        if came is None:
            return False
        keys = subject.destination.keys(subject.state.table, within=window)
        absent = [key for lot in keys for key in lot if key not in came and key not in self._known]
        if len(absent) > MOST_CONFIRMED:
            self.findings.guarded += len(absent)
        else:
            self._confirm(absent)
        return True

    def _rows(self, where: Filter | None, pages: int | None) -> set[str] | None:
        """Read and compare -> the keys that came, None where there are too many pages."""
        subject = self.subject
        query = subject.query(subject.columns, where)
        came: set[str] = set()
        before = self._spent.pages
        try:
            for step in read(subject.client, query, self._decoder, size=PAGE, spent=self._spent, share=subject.share):
                if pages is not None and before + -(-step.total // (PAGE - 1)) > pages:
                    return None
                self.remedy.asked_at = step.asked_at or self.remedy.asked_at
                self._compare(step.page)
                came.update(step.page.batch.keys)
        finally:
            self.findings.transactions = self._spent.transactions
        return came

    def _confirm(self, keys: Sequence[str]) -> None:
        """Ask for keys by name; those that do not come are not in Intacct."""
        for lot in _lots(keys):
            came = self._rows(self.subject.by_key(lot), None) or set()
            for key in lot:
                if key not in came:
                    self._note(RowFinding(key=key, what="extra", owner=self._owner_of(self._here(key))))
                    self.remedy.gone.append(key)

    def _compare(self, page: Page) -> None:
        subject, batch = self.subject, page.batch
        self.findings.read += batch.rows
        theirs = batch.columns()
        ours = subject.destination.rows(subject.state.table, batch.keys, subject.columns)
        differing: list[int] = []
        for at, key in enumerate(batch.keys):
            if key in self._known:
                continue
            row = {column.path: values[at] for column, values in zip(subject.columns, theirs, strict=True)}
            finding = self._judged(key, ours.get(key), row)
            if finding is not None:
                differing.append(at)
                self._note(finding)
        if differing:
            kept = {batch.keys[at] for at in differing}
            self.remedy.batches.append(batch.only(differing))
            self.remedy.misfits += [misfit for misfit in page.misfits if misfit.key in kept]

    def _judged(self, key: str, ours: dict[str, Plain] | None, theirs: dict[str, Plain]) -> RowFinding | None:
        stamp = self.subject.stamp
        theirs_at = theirs[stamp.path] if stamp is not None else None
        watermark = self.subject.state.watermark
        later = theirs_at is not None and bool(watermark) and _time(theirs_at) >= _time(watermark)
        owner = self._owner_of(theirs)
        if ours is None:
            why: Why = "later" if later else "missed" if theirs_at else ""
            return RowFinding(key=key, what="missing", why=why, owner=owner)
        fields = tuple(path for path, value in theirs.items() if ours[path] != value)
        if not fields:
            return None
        if stamp is not None and ours[stamp.path] == theirs_at:
            why = "follows" if self._follows.issuperset(fields) else "unmoved"
            return RowFinding(key=key, what="different", fields=fields, why=why, owner=owner)
        return RowFinding(key=key, what="different", fields=fields, why="later" if later else "missed", owner=owner)

    def _owner_of(self, row: Mapping[str, Plain]) -> str:
        return str(row.get(self._owner) or "") if self._owner else ""

    def _here(self, key: str) -> Mapping[str, Plain]:
        """The copy's row, where its document is asked for."""
        if not self._owner:
            return {}
        columns = [column for column in self.subject.columns if column.path == self._owner]
        return self.subject.destination.rows(self.subject.state.table, [key], columns).get(key, {})

    def _note(self, finding: RowFinding) -> None:
        self._known.add(finding.key)
        self.findings.rows.append(finding)

    def _stop(self, window: Window | None) -> None:
        self.findings.complete = False
        bounds = [] if window is None else [("from", window.low), ("until", window.high)]
        said = " ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
        self.findings.unread = f"rows modified {said}" if said else "there are too many rows to read again"


def _time(stamp: Plain) -> str:
    return str(stamp).rstrip("Z")


def _lots(keys: Iterable[str]) -> Iterator[list[str]]:
    every = list(keys)
    for at in range(0, len(every), KEYS_A_REQUEST):
        yield every[at : at + KEYS_A_REQUEST]
