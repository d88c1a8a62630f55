"""What a destination remembers about each table: how far it has read, and which column holds which field.

The state lies in the destination, beside the rows, and is committed with them (DESIGN rule 5). No I/O here.
"""

from __future__ import annotations

import msgspec

from tieout.pull.schema.columns import Column

FORMAT = 1
"""Rises when an older tieout could misread the state."""


class Unfinished(msgspec.Struct, frozen=True):
    """A first read that has committed some rows but not all."""

    since: str
    """The watermark the read will leave when it is complete."""
    position: int
    """Rows read in the read's own order."""
    last_key: str
    marking: bool = False
    """The table had rows before: the keys read so far lie in `_tieout_seen`, and the end marks the others deleted."""


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """One table. Stamps are ISO 8601 UTC with Z, the server's clock."""

    table: str
    object: str
    company: str
    entity: str
    selection: str = ""
    """Canonical text of filter and scope; another one means reading everything again."""
    watermark: str = ""
    """Everything changed before this moment has been read; empty before the first complete read."""
    columns: tuple[Column, ...] = ()
    """Every column the table ever got: names and types never change."""
    fields: tuple[str, ...] = ()
    """Paths the last read kept up to date in every row; a column outside of them may be stale."""
    whole: bool = False
    """Rows without a modified stamp were seen, or there is none: every run reads all rows."""
    unfinished: Unfinished | None = None
    rows: int = 0
    """Without those marked deleted."""
    run: str = ""
    version: int = 0
    """Rises with every commit; the compare-and-set that keeps a late writer from moving the watermark back."""
    parent: str = ""
    """For lines: the table of their documents."""
    lines: tuple[str, ...] = ()
    """Tables of the lines that are pulled with it."""
    format: int = FORMAT

    def names(self) -> dict[str, str]:
        """path -> column name, as given once and for all."""
        return {column.path: column.name for column in self.columns}
