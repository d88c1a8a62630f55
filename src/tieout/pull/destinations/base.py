"""What a database must do to be a destination: each is a module beside this one, held to one suite of tests for all.

Everything that belongs together is one `Commit`: rows, misfits, deletions and the state that is true once they are in.
No database here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from tieout.errors import BusyError, StoreError
from tieout.pull.destinations.batch import Batch, Misfit, Plain
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    import pyarrow as pa


AGAIN: Final = "Undo the change, or run `tieout pull NAME --reset` for this table, which reads all of it."
"""Advice where a table is not as tieout left it."""


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination likes its rows. A commit follows whichever limit is reached first: a crash loses no more than
    that, and memory stays bounded."""

    commit_rows: int
    idle_rows: int = 0
    """So many are enough while the table is by itself and nothing of it is being written; 0: never."""
    commit_bytes: int = 96 * 2**20
    commit_cells: int = 2_000_000
    """Rows times columns."""
    commit_seconds: float = 5.0
    plain: bool = False
    """It calls `Batch.columns` or `Batch.at_hand`, not `Batch.arrow`."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Rows with `low` <= column < `high`; None is open. Values are spelt as `Batch.columns` does."""

    column: Column
    low: str | None = None
    high: str | None = None
    null: bool = False
    """The rows where it is null instead."""
    among: Sequence[str] | None = None
    """The rows where it is one of these texts instead."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """Live rows, counted and added up exactly, of one group or of all."""

    group: str | None = None
    """The group's value, spelt as `Batch.columns` does; None of all rows, and of those where it is null."""
    count: int
    sums: dict[str, Decimal | None]
    """By column name. None is the sum of nothing."""
    newest: str | None = None
    """The latest stamp, where a column of stamps was named and has one."""


class Found(msgspec.Struct, frozen=True):
    """A table that tieout has written, and what is wrong with it, in a sentence, or nothing."""

    state: TableState
    damage: str = ""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit means to a read whose end tells which rows are gone: all keys of its commits are kept until then,
    in the destination, so that another run can go on with it."""

    first: bool
    """Keys that an earlier read left are forgotten first."""
    last: bool
    """All is read: live rows that were in none of the commits are gone."""
    hard: bool = False
    keys: Sequence[str] = ()
    """Seen besides those of `batch`: of a read that brings keys alone. The table need not have them."""


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """Rows found to be missing in Intacct. Keys that the table does not have are passed over."""

    keys: Sequence[str]
    hard: bool = False


class OwnedLines(msgspec.Struct, kw_only=True):
    """All lines that some documents have now: other lines of theirs are gone."""

    column: str
    """The column that holds the key of a line's document."""
    owners: Sequence[str]
    present: list[str]
    """Keys of the lines there are; those of other documents may be among them."""
    hard: bool = False


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A table of lines: those of documents that this commit finds to be gone (`seen`, `gone`) go with them, in the same
    way."""

    state: TableState
    """As read: compared and set as `before` is."""
    owner: str
    """The column that holds the key of a line's document."""


class Commit(msgspec.Struct, kw_only=True):
    """One transaction."""

    before: TableState
    """As read, or new with version 0. Its version and watermark are compared with the stored ones, and set."""
    after: TableState
    """What is true once the rows are in. `version`, `rows` and `unstamped` are filled in by the destination."""
    batch: Batch
    """Each key once. Columns of the table that it does not have are left as they are."""
    synced: str
    """Intacct's clock: the moment of what is marked deleted by this commit, and of its misfits."""
    misfits: Sequence[Misfit] = ()
    """Of rows of `batch`, and of rows without a key."""
    lines: OwnedLines | None = None
    seen: Seen | None = None
    gone: Gone | None = None
    children: Sequence[Child] = ()

    @property
    def touches_rows(self) -> bool:
        """Whether more than the state is written: else its counts stay as they are, and counting again would take
        longer than all else."""
        removes = self.lines is not None or self.gone is not None or self.seen is not None
        before, after = self.before, self.after
        same = bool(before.version) and before.columns == after.columns and before.stamp == after.stamp
        ends = before.backfill is not None  # until then a long read's counts may be its own
        return removes or ends or not same or bool(self.batch.rows or self.misfits)


class Committed(msgspec.Struct, kw_only=True):
    """What a commit did. `hard` deletions count as soft ones do."""

    state: TableState
    """As stored: `before` of the next commit."""
    new: int = 0
    changed: int = 0
    """Rows in which something differs, and rows marked deleted that came back."""
    gone: int = 0
    """By `seen` and `gone`."""
    lines_gone: int = 0
    """By `lines`."""
    children: dict[str, TableState] = msgspec.field(default_factory=dict)
    """Table -> its state as stored, of each child."""
    children_gone: int = 0


class Destination(Protocol):
    """Tables that tieout keeps. Every method raises StoreError, in one sentence, where the place, the database or a
    table is not as it should be, and never shows a password. Methods may be called from any thread, one at a time a
    table, also of several objects for one place, and see live rows only: those not marked deleted. Keys, names and
    texts hold any character. There is nothing to close.

    What each method promises is numbered in tests/pull/destinations/suite.py.
    """

    @property
    def takes(self) -> Takes: ...

    @property
    def place(self) -> str:
        """How messages call it: the path of a file, `host/database`."""
        ...

    def __str__(self) -> str:
        """Its URL, to show."""
        ...

    def identity(self) -> str:
        """Equal for equal places, however they were spelt, and for no others: that of a file names its machine. Never
        opens anything."""
        ...

    def check(self) -> None:
        """Raises StoreError for what would otherwise be found out when the first rows are written: no such place, not
        writable, of another kind, written by something newer."""
        ...

    def tables(self) -> list[Found]:
        """Every table tieout has written, by name. Empty where there is nothing yet."""
        ...

    def state(self, table: str, *, to_write: bool = False) -> TableState | None:
        """The state as it was committed, None where tieout has not written the table. Names are compared without case.
        `to_write`: what would stop a commit is found out now, as by `check`.

        Raises StoreError if the table is not as tieout left it: removed, or a column gone or of another type. Columns
        and indexes that people added are no damage."""
        ...

    def commit(self, commit: Commit) -> Committed:
        """Write all of it or nothing. In this order: what is stored is compared with `before`, the table gets its new
        columns, `batch` is merged by key, `lines`, `seen` and `gone` are marked or deleted, children follow, misfits
        of the keys in `batch`, and those without a key that are the same, are replaced, the states are stored.

        Raises BusyError where another run has committed since `before` (or a child's state) was read, StoreError where
        a table of that name is there that tieout did not make."""
        ...

    def measure(
        self,
        table: str,
        columns: Sequence[Column],
        *,
        by: Column | None = None,
        within: Window | None = None,
        stamp: Column | None = None,
    ) -> list[Measure]:
        """Count, exact sums of `columns` and latest `stamp`, of one snapshot: one for all rows, or one for each value
        of `by`."""
        ...

    def keys(self, table: str, *, within: Window | None = None) -> Iterator[list[str]]:
        """All keys in lots, of one snapshot, in no order. To be read to its end or closed."""
        ...

    def keys_since(self, table: str, stamp: str, since: str) -> list[str]:
        """Keys of rows whose column `stamp` is at or after a moment, in the order of text; also those marked
        deleted, since what belongs to them has to go as well."""
        ...

    def unseen(self, table: str) -> Iterator[list[str]]:
        """Keys of live rows that were in none of the commits with `seen` since the first of them, in lots, of one
        snapshot: what `last` would find gone. To be read to its end or closed."""
        ...

    def quantiles(self, table: str, parts: int) -> list[str]:
        """At most `parts` - 1 keys that cut the rows into about equal parts: in the order of numbers where all keys are
        digits, else of text."""
        ...

    def rows(self, table: str, keys: Sequence[str], columns: Sequence[Column]) -> dict[str, dict[str, Plain]]:
        """key -> path -> value, spelt as `Batch.columns` does, of those keys that are there."""
        ...

    def arrow(self, table: str, columns: Sequence[Column]) -> pa.Table:
        """All rows, with these columns by name and in their types, in no order."""
        ...

    def misfits(self, table: str) -> dict[str, int]:
        """path -> how many values are kept raw because they fit no column."""
        ...

    def drop(self, table: str) -> None:
        """The table with its state, misfits and kept keys. Nothing happens where tieout has not written it."""
        ...


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A view over tables of the destination, beside them."""

    name: str
    sql: str
    """A SELECT in the destination's own dialect."""


class Views(Protocol):
    """A destination that can hold views."""

    @property
    def dialect(self) -> Literal["duckdb", "sqlite", "postgresql"]:
        """In which words a SELECT is written."""
        ...

    def named(self, table: str) -> str:
        """A table as a view's SELECT names it."""
        ...

    def layouts(self) -> list[str]:
        """The layouts whose views tieout has made here."""
        ...

    def views(self, layout: str, views: Sequence[View]) -> None:
        """Create them, or replace those that tieout made, where they are not there as they should be. Raises StoreError
        where something else has a name.

        Views of layouts never stand in the way of a commit or of `drop`: they are dropped then, and `views` makes them
        again."""
        ...


class SignOff(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a table up to a date, as somebody has signed them."""

    through: date
    date: Column
    by: str
    at: str
    rows: int
    digest: str
    """SHA-256 over them, in hexadecimal."""
    otherwise: Column | None = None
    """The date of rows that have none in `date`: a column of the same table and type."""
    parent: str = ""
    """For lines without a date: the table of their documents, whose column `date` is."""
    owner: str = ""
    """For those: the column that holds the key of a line's document."""
    paths: tuple[str, ...] = ()
    """The fields that are kept of each row; the destination fills them in."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is not as it was signed. `before` and `now` hold the fields that differ, by path."""

    key: str
    date: str | None
    what: Literal["added", "changed", "deleted"]
    before: dict[str, Plain]
    now: dict[str, Plain]


class SignOffs(Protocol):
    """A destination that can keep rows as they were signed."""

    def sign_off(self, table: str, sign: SignOff) -> SignOff:
        """Keep live rows dated up to `through` as they are now, in the place of those signed before -> `sign`, with
        `rows`, `digest` and `paths` filled in."""
        ...

    def signed(self, table: str) -> SignOff | None:
        """The last one."""
        ...

    def differences(self, table: str, ignore: Sequence[str]) -> Iterator[Difference]:
        """Signed rows against live ones of the same dates, without the paths of `ignore` and those that the table has
        no more, by key. To be read to its end, where StoreError is raised if the signed rows are not those that were
        signed, or closed."""
        ...


def refuse_overtaken(before: TableState, stored: TableState | None, place: str) -> None:
    """Raises BusyError unless what is stored is what a commit began from: another run has written meanwhile."""
    if stored is None:
        stored = TableState(table=before.table, object="", company="", entity="")
    if (stored.version, stored.watermark) != (before.version, before.watermark):
        raise BusyError(
            f"Another run has written table {before.table} of {place} while this one was reading.",
            advice="Nothing was overwritten. Run the command again.",
        )


def counted(commit: Commit, *, rows: int, unstamped: int) -> TableState:
    """The state to store: `after`, one version on, with what the destination has counted."""
    return msgspec.structs.replace(commit.after, version=commit.before.version + 1, rows=rows, unstamped=unstamped)


def refused_by_rule(place: str, rule: str) -> StoreError:
    """What is said where an index or a constraint that people added keeps rows out; `rule` names it, without values."""
    return StoreError(
        f"A rule that somebody added in {place} refuses rows from Intacct: {rule}.",
        advice="Drop or loosen it, then run the command again: nothing of this step was written.",
    )


def refused_value(place: str, reason: str) -> StoreError:
    """What is said where a value does not go into its column; `reason` holds no value."""
    return StoreError(
        f"{place} does not take a value of a row: {reason}.",
        advice="Nothing of this step was written. Keep the field as text (`types`), or report this as a bug.",
    )
