"""What a destination remembers about each table: how far it has read, and which column holds which field.

The state lies in the destination, beside the rows, and is committed with them (DESIGN rule 5). No I/O here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec

from tieout.errors import StoreError
from tieout.pull.schema.columns import MODIFIED
from tieout.pull.schema.types import Column

FORMAT = 2
"""Rises when an older tieout could misread the state."""


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """A long read that has committed some rows but not all. The next run goes on after them."""

    kind: Literal["full", "changes", "fill", "sweep"] = "full"
    """Every row; what changed; the new fields of every row; the keys of every row."""
    since: str
    """Intacct's clock when it began, less the look-back: the watermark it leaves when it is complete."""
    position: int
    """Rows read in the read's own order."""
    last_key: str
    """Empty with a position in a sweep: all keys are known, and what is gone was not concluded from them."""
    marking: bool = False
    """The table had rows before: the keys read so far are kept (`Seen`), and the end marks the others deleted."""
    size: int = 0
    """Rows a page; 0 where that does not matter."""
    rows_at_start: int = 0
    """Rows Intacct counted when it began."""
    filter: str = ""
    """What is left beside the place: ranges of keys, where the read was cut into some; from which moment, where it is
    of what changed."""


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """What the table held when a pull that found nothing new proved that Intacct holds the same."""

    version: int
    """The table's, at that moment: another one means that rows may be others."""
    count: int
    sums: dict[str, Decimal | None]
    """By path."""
    newest: str
    """The latest modified stamp, "" for none."""
    at: str
    """Intacct's clock when it was last compared."""
    measured: str
    """This machine's clock when the table itself was last counted and added up."""


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """One table. Stamps are ISO 8601 UTC with Z, the server's clock; "" is never, or not known."""

    table: str
    object: str
    company: str
    environment: str = ""
    """Of the company's connection; "" where the table is from before it was kept."""
    entity: str
    parent: str = ""
    """For lines: the table of their documents."""
    lines: tuple[str, ...] = ()
    """Tables of the lines that are pulled with it."""
    left: tuple[str, ...] = ()
    """Tables of lines that were pulled with it once."""
    selection: str = ""
    """Canonical text of filter and scope; another one means reading everything again."""
    columns: tuple[Column, ...] = ()
    """Every column the table ever got: names never change."""
    fields: tuple[str, ...] = ()
    """Paths the last read kept up to date in every row; a column outside of them may be stale."""
    gone: tuple[str, ...] = ()
    """Paths whose field the company's model no longer has; their columns keep the last values."""
    stamp: str = ""
    """The column of modified stamps, "" where the read brings none."""
    watermark: str = ""
    """Everything changed before this moment has been read; "" before the first complete read."""
    tail: str = ""
    """While a backfill is open: changes before this moment were read beside it."""
    backfill: Backfill | None = None
    proven: Proven | None = None
    """Kept from one pull that finds nothing to the next."""
    unstamped: int = 0
    """Rows whose modified stamp is null, without those marked deleted. Counted by the destination."""
    swept_at: str = ""
    """When all keys were last looked through."""
    deep_at: str = ""
    """When the long look-back was last taken."""
    unstamped_at: str = ""
    """When rows without a stamp were last read."""
    rows: int = 0
    """Without those marked deleted. Counted by the destination."""
    run: str = ""
    version: int = 0
    """Rises with every commit; the compare-and-set that keeps a late writer from moving the watermark back."""
    format: int = FORMAT

    def names(self) -> dict[str, str]:
        """path -> column name, as given once and for all."""
        return {column.path: column.name for column in self.columns}

    @property
    def has_stamps(self) -> bool:
        """Whether some rows tell when they were modified."""
        return bool(self.stamp) and (self.unstamped < self.rows or not self.rows)

    @property
    def derived(self) -> bool:
        """Whether tieout made the table of something else than an object's records, so that there is nothing in Intacct
        to count it against."""
        return self.object.startswith("tieout:")

    @property
    def stamped(self) -> bool:
        """Whether every row tells when it was modified, so that reading what changed is enough."""
        return bool(self.stamp) and not self.unstamped

    def text(self) -> str:
        """How a destination keeps it."""
        return msgspec.json.encode(self).decode()


def read_state(table: str, text: str) -> TableState:
    """The state behind a text, also one of an earlier format. Raises StoreError for that of a newer tieout."""
    raw: dict[str, Any] = msgspec.json.decode(text)
    if raw.get("format", 1) > FORMAT:
        raise StoreError(f"Table {table} was written by a newer tieout.", advice="Upgrade tieout.")
    if raw.get("format", 1) == 1:
        raw = _from_first(raw)
    return msgspec.convert(raw, TableState)


def _from_first(raw: dict[str, Any]) -> dict[str, Any]:
    """Format 1 had `whole` (rows without a stamp, or none with one) and `unfinished` (a full read under way)."""
    raw = {**raw, "format": FORMAT}
    names = {column["path"]: column["name"] for column in raw.get("columns", ())}
    read = raw.get("fields") or list(names)
    raw["stamp"] = names.get(MODIFIED, "") if MODIFIED in read else ""
    if raw.pop("whole", False) and raw["stamp"]:
        raw["unstamped"] = max(raw.get("rows", 0), 1)  # how many they are was not kept: the next commit counts
    raw["backfill"] = raw.pop("unfinished", None)
    return raw
