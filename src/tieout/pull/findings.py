"""What a closer look found where a copy and Intacct differ: which keys, and what about them. Knows neither side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

SHOWN = 5
"""Keys that a sentence names."""


Why: TypeAlias = Literal["", "later", "follows", "unmoved", "missed"]


class RowFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One row that is not the same on both sides."""

    key: str
    what: Literal["missing", "extra", "different"]
    """Missing here; here but not in Intacct; on both sides with other values."""
    fields: tuple[str, ...] = ()
    """Paths that differ, of a different row."""
    why: Why = ""
    """`later`: it changed in Intacct after it was read. `unmoved`: its values changed, its modified stamp did not.
    `follows`: likewise, but only what follows other records, a reference's id and name or a number Intacct works out.
    `missed`: its stamp is behind the watermark and newer than the copy's."""
    owner: str = ""
    """The key of the document of a line, where that was asked for."""


class Findings(msgspec.Struct, kw_only=True):
    """What a look at one table found."""

    subject: str
    rows: list[RowFinding] = msgspec.field(default_factory=list)
    read: int = 0
    """Rows of Intacct that were compared value by value."""
    transactions: int = 0
    complete: bool = True
    """Everything that may differ was looked at."""
    unread: str = ""
    """Where the look had to stop, in words."""
    repaired: int = 0
    gone: int = 0
    """Of these, rows that are not in Intacct any more."""
    owners: str = ""
    """What documents are called, where rows name theirs: `entry`."""
    guarded: int = 0
    """Rows not found in Intacct that were left alone because there are suspiciously many."""

    def of(self, what: str) -> list[RowFinding]:
        """Those of one kind."""
        return [row for row in self.rows if row.what == what]

    @property
    def harmless(self) -> bool:
        """All that was found changed in Intacct after it was read."""
        return self.complete and bool(self.rows) and all(row.why == "later" for row in self.rows)

    def sentences(self) -> list[str]:
        """What was found, for people: one sentence a kind, the first keys named."""
        follows = [row for row in self.rows if row.why == "follows"]
        only = "differed only in names or balances, which follow other records and move no stamp"
        said = [
            sentence
            for rows, one, many in (
                (self.of("missing"), "row was missing here", "rows were missing here"),
                (self.of("extra"), "row is not in Intacct", "rows are not in Intacct"),
                ([row for row in self.of("different") if row.why != "follows"], "row differed", "rows differed"),
                (follows, f"row {only}", f"rows {only}"),
            )
            if rows
            for sentence in [_sentence(rows, one, many, self.owners)]
        ]
        unmoved = [row for row in self.rows if row.why == "unmoved"]
        if unmoved:
            said.append(
                f"{_counted(len(unmoved), 'row has', 'rows have')} other values under the same modified stamp: edited "
                'here by hand, or changed in Intacct unseen (then set strategy = "full" for this table)'
            )
        if self.repaired:
            said.append(f"{_counted(self.repaired, 'row was', 'rows were')} repaired here")
        if self.guarded:
            said.append(
                f"{_counted(self.guarded, 'row', 'rows')} not found in Intacct were left alone, since so many at once "
                "may mean a lost permission: run `tieout pull --allow-deletes` if they are really gone"
            )
        if not self.complete:
            said.append(f"the search stopped before all was compared ({self.unread}): run `tieout pull --full`")
        elif not self.rows:
            said.append(
                f"{_counted(self.read, 'row was', 'rows were')} read again and none differs: Intacct adds up other "
                "values than it shows"
            )
        return said


def _sentence(rows: Sequence[RowFinding], one: str, many: str, owners: str) -> str:
    named = ", ".join(_named(row, owners) for row in rows[:SHOWN])
    rest = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return f"{_counted(len(rows), one, many)}: {named}{rest}"


def _named(row: RowFinding, owners: str) -> str:
    key = f"{row.key} of {owners} {row.owner}" if row.owner else row.key
    return f"{key} ({', '.join(row.fields)})" if row.fields else key


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
