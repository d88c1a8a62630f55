"""How a section wants its deletions: when keys are looked through, soft or hard, and how many are too many at once.

Pure: decides by numbers and moments, asks nobody.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tieout.pull.report import Strategy
from tieout.pull.settings import MAX_PAGE, span
from tieout.rest.plans import pages_of

if TYPE_CHECKING:
    from tieout.pull.settings import PullSettings

EVER = "1970-01-01T00:00:00Z"
SOON = timedelta(hours=1)
FEW = 20
"""So many rows may always go: a fifth of a small table is no sign of anything."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """As [pull.NAME] and the command line say."""

    sweep: str = "mismatch"
    """When all keys are looked through: "mismatch", "never", or besides every so often, as "7d"."""
    hard: bool = False
    most: float = 0.2
    """The part of a table's rows that may go at once."""
    allow: bool = False
    """Any number may go, this time."""

    @classmethod
    def of(cls, settings: PullSettings, *, allow: bool = False) -> Rules:
        return cls(sweep=settings.sweep, hard=settings.deletes == "hard", most=settings.max_deleted, allow=allow)

    def too_many(self, gone: int, rows: int) -> bool:
        """Whether so many of a table's live rows may not go without being told to: a changed permission or filter
        must not empty a copy."""
        return not self.allow and gone > self.limit(rows)

    def limit(self, rows: int) -> int:
        """How many may."""
        return rows if self.allow else max(FEW, int(rows * self.most))

    def due(self, swept_at: str, now: str) -> bool:
        """Whether it is time to look through the keys on the sweep's own schedule. Both are Intacct's clock."""
        if self.sweep in ("mismatch", "never") or not now:
            return False
        passed = datetime.fromisoformat(now) - datetime.fromisoformat(swept_at or EVER)
        return passed >= span(self.sweep)

    def soon(self, swept_at: str) -> bool:
        """Whether a pull that begins now may find that it is time, by this machine's clock."""
        return self.due(swept_at, (datetime.now(UTC) + SOON).isoformat())

    def means(self, strategy: Strategy, rows: int, *, due: bool, tie_out: bool) -> str:
        """How deleted rows will be found, for a plan. `rows`: those that the table has."""
        pages = pages_of(rows, MAX_PAGE)
        if strategy == "full":
            return "rows that this read does not bring are gone" if rows else ""
        keys = f"all keys ({pages:,} transaction{'' if pages == 1 else 's'})"
        if due:
            return f"{keys}, whose time has come"
        scheduled = "" if self.sweep in ("mismatch", "never") else f"the keys every {self.sweep}"
        if not tie_out:
            return scheduled or "not looked for without the tie-out: `--full` finds what is gone"
        if self.sweep == "never":
            return "where the counts disagree: the audit history, then a closer look"
        disagree = f"where the counts disagree: the audit history, a closer look, then {keys}"
        return f"{disagree}; {scheduled}" if scheduled else disagree

    def refusal(self, gone: int, rows: int) -> str:
        """What the report says where too many would go."""
        return (
            f"{gone:,} of {rows:,} rows would be marked deleted, more than the {self.most:.0%} allowed at once, so "
            "none was: look whether the user may still read them, or whether the filter was meant to change. "
            "`--allow-deletes` marks them, `max_deleted` allows more"
        )
