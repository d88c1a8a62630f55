"""What a pull tells its caller: progress while it runs, a report per table when it is done.

Knows nothing of how rows are read or written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from tieout.errors import Exit, TieoutError
from tieout.project.report import TieOutLine
from tieout.pull.findings import Findings

Strategy: TypeAlias = Literal["full", "incremental"]
Phase: TypeAlias = Literal["waiting", "reading", "writing", "sweeping", "proving", "done"]


class Progress(msgspec.Struct, frozen=True):
    """One step forward. `rows` of `total`, as Intacct counts them for this read, are read so far; when `sweeping`,
    their keys. `waiting`: Intacct makes a report."""

    object: str
    table: str
    rows: int
    total: int
    phase: Phase
    pages: int = 0
    """Read so far for this table."""
    transactions: int = 0
    """Billable transactions so far for this table."""
    destination: str = ""
    """Its URL, to show."""


OnProgress: TypeAlias = Callable[[Progress], None]


def in_turn(progress: OnProgress | None) -> OnProgress | None:
    """The same for threads: it is called by one of them at a time."""
    if progress is None:
        return None
    lock = threading.Lock()

    def follow(step: Progress) -> None:
        with lock:
            progress(step)

    return follow


class TableRead(msgspec.Struct, kw_only=True):
    """How one table is read, or why it is not: what is said of a pull beforehand and afterwards alike."""

    object: str
    table: str
    destination: str
    strategy: Strategy = "full"
    reason: str = ""
    """Why the whole object is read, where one could have expected less."""
    resumed: bool = False
    """A read that was interrupted is continued."""
    skipped: str = ""
    """For an object of `all`: why it is not pulled, not subscribed or not permitted; and `fix`, what makes it come."""
    fix: str = ""
    error: TieoutError | None = None
    """Why this table cannot be read, or not to its end, while the others of the run can."""
    notes: list[str] = msgspec.field(default_factory=list)


class PullReport(TableRead, kw_only=True):
    """What happened to one table. Stamps are ISO 8601 UTC, the server's clock; empty where there is none."""

    rows_read: int = 0
    new: int = 0
    changed: int = 0
    deleted: int = 0
    """Lines that left a document which changed: marked or removed as other rows are."""
    missing: int = 0
    """Rows that Intacct no longer shows, and lines of such documents: marked in `_tieout_deleted`, or removed where the
    section says so, and no longer counted."""
    filtered: bool = False
    """Only rows of a filter are read. What is `missing` may have left it, and be in Intacct still."""
    guarded: int = 0
    """Rows that Intacct does not show and that are still there, since they were too many to go at once."""
    pages: int = 0
    transactions: int = 0
    """Billable transactions, the tie-out included."""
    seconds: float = 0.0
    watermark_before: str = ""
    watermark_after: str = ""
    added: tuple[str, ...] = ()
    """Paths of new columns of a table that was there before."""
    widened: tuple[str, ...] = ()
    """Paths of columns that got a wider type."""
    misfits: int = 0
    """Values that fit no column type: null in the table, raw in `_tieout_misfits`."""
    left_out: tuple[str, ...] = ()
    """Fields not read: not queryable, or personal and not named."""
    tie_out: list[TieOutLine] = msgspec.field(default_factory=list)
    findings: list[Findings] = msgspec.field(default_factory=list)
    """What a closer look found where the table did not tie at first; empty where it did."""
    children: list[PullReport] = msgspec.field(default_factory=list)

    def all(self) -> list[PullReport]:
        """This table and its line tables, in reading order."""
        return [self, *(report for child in self.children for report in child.all())]

    @property
    def ties(self) -> bool:
        """False if this table or one of its line tables could not be read, has a line that does not tie, or rows that
        were too many to be marked deleted. `None` (not provable) does not count."""
        return not any(
            report.error is not None or report.guarded or any(line.ties is False for line in report.tie_out)
            for report in self.all()
        )

    @property
    def exit_code(self) -> int:
        """What the command line ends with: the worst error's code, 1 where something does not tie, else 0."""
        codes = [report.error.exit_code for report in self.all() if report.error is not None]
        return max([*codes, Exit.DONE if self.ties else Exit.RECORDS])
