"""Asks Intacct, while a table is read, for the totals of all its rows. They tell whether there is anything to read, and
they are what the proof needs.

A query for what changed since a moment finds no row where the latest modified stamp of all lies before that moment. So
one request, one billable transaction, answers both questions. What it cannot tell, rows are read for; and how far a
table has been read never rests on a latest stamp that is not, to the second, the one that the table itself has.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tieout.errors import ReplyError, TieoutError
from tieout.pull.destinations.state import Proven
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.compare import Proof, compared, measured, tie_out, trusted
from tieout.pull.proof.subject import Subject
from tieout.pull.proof.totals import Told, tells_newest, totals
from tieout.pull.reading.clock import STAMP
from tieout.pull.reading.reader import Spent
from tieout.pull.reading.windows import timed_out
from tieout.pull.report import PullReport
from tieout.pull.schema.columns import own_sums
from tieout.pull.schema.types import Column


class Inquiry(msgspec.Struct, kw_only=True):
    """What Intacct has said of one table in one pull."""

    report: PullReport
    asked: bool = False
    told: Told | None = None
    failed: TieoutError | None = None
    """Adding up took Intacct too long: the proof does not try again."""
    proven: Proven | None = None
    """Where there was nothing to read and the table ties."""
    behind: str = ""
    """The latest stamp of the table, where Intacct's is later and yet before all that is read: rows were committed
    late."""
    _then: tuple[int, int] | None = None
    """Rows read and rows gone when it was asked, where no more rows were on their way."""

    def ask(self, subject: Subject, stamp: Column | None, spent: Spent, *, early: bool = False) -> None:
        """Ask, unless it has been asked, cannot tell, or the budget has no room for the rows besides. `early`: rows are
        still on their way, so that it is asked again where they make a difference.

        Any thread may ask, one for all. Raises errors that the read would meet as well."""
        left = subject.client.budget.left["transactions"] if subject.client.budget is not None else None
        if self.asked or not tells_newest(subject, stamp) or (left is not None and left < 2):
            return
        self.asked, self._then = True, None if early else self._now
        try:
            self.told = totals(subject, own_sums(subject.columns, subject.model), stamp=stamp)
        except TieoutError as error:
            if timed_out(error):
                self.failed = error
            elif is_connection_wide(error) and not isinstance(error, ReplyError):
                raise
            return
        spent.add(self.told.transactions)

    def quiet_since(self, moment: str) -> bool:
        """Whether no row of Intacct's was modified at or after a moment."""
        told = self.told
        return told is not None and told.stamped and (told.newest is None or told.newest < _moment(moment))

    def finds_nothing(self, subject: Subject, low: str) -> bool:
        """Whether a query for what changed since `low` would find nothing; `proven` is then what that proves.

        Not where the latest stamps of both sides differ: then a row came or went that such a query does not show
        (`behind`), or Intacct means something else by the latest."""
        told = self.told
        if told is None or not self.quiet_since(low):
            return False
        summed = own_sums(subject.columns, subject.model)
        known, now = trusted(subject, summed), datetime.now(UTC).strftime(STAMP)
        ours = known or measured(subject, summed, newest=True)
        newest = _moment(ours.newest) if ours.newest else None
        if told.newest != newest:
            if newest is not None and told.newest is not None and newest < told.newest and not subject.state.unstamped:
                self.behind = ours.newest or ""
            return False
        if Proof(compared(subject, summed, ours, told)).ties:
            before = subject.state.proven
            self.proven = Proven(
                version=subject.state.version + 1,  # what the commit that keeps it makes of it
                count=ours.count,
                sums={column.path: ours.sums[column.name] for column in summed},
                newest=ours.newest or "",
                at=told.asked_at.strftime(STAMP) if told.asked_at is not None else now,
                measured=before.measured if known is not None and before is not None else now,
            )
        return True

    def proof(self, subject: Subject, *, whole: bool) -> Proof:
        """Compare the table with what was said. Where that does not tie and rows came or went since, Intacct is asked
        again."""
        if self.failed is not None:
            raise self.failed
        told, self.told = self.told, None  # said once: after a repair it is of before
        if told is not None:
            found = tie_out(subject, whole=whole, told=told, trust=True)
            if found.ties or self._then == self._now:
                return found
        return tie_out(subject, whole=whole)

    @property
    def _now(self) -> tuple[int, int]:
        return self.report.rows_read, self.report.missing


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)
