"""Holds back what a run still has for a period that Intacct has just refused as closed, and sends none of it.

Reads results and the stage, writes what is held into the ledger; which periods are closed is `periods`' business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from tieout.errors import Problem
from tieout.push.checks.periods import POSTED_ON, Closed, ClosedPeriods, closed_words

if TYPE_CHECKING:
    from tieout.push.dispatch.sending import Request
    from tieout.push.stage import Stage, Staged
    from tieout.store.ledger import Result


class Closings:
    """What one run has learnt of closed periods."""

    def __init__(self, object: str, stage: Stage, hold: Callable[[str, Sequence[Staged]], None]) -> None:
        """`hold` writes documents of an entity into its ledger as held, with their problems."""
        self._stage, self._hold = stage, hold
        self._path = POSTED_ON.get(object, ("",))[0]
        self._periods = ClosedPeriods()
        self._held: dict[str, list[Staged]] = {}

    def note(self, request: Request, results: Iterable[Result]) -> None:
        """Learn from the results of a request."""
        for seq, result in zip(request.outgoing.seqs, results, strict=False):
            if result.state == "failed" and result.error is not None and closed_words(result.error):
                document = self._stage.one(seq)
                self._periods.note(result.error, document.entity, document.posting_date)

    def open(self, documents: Iterable[Staged]) -> Iterator[Staged]:
        """Those of the documents that are in no period known to be closed; the others are held."""
        for document in documents:
            closed = self._periods.is_closed(document.entity, document.posting_date) if self._periods else None
            if closed is None:
                yield document
            else:
                self._held.setdefault(document.entity, []).append(self._refused(document, closed))
        for entity, held in self._held.items():
            self._hold(entity, held)
            self._stage.update(held)
        self._held = {}

    def _refused(self, document: Staged, closed: Closed) -> Staged:
        reason = f"is not sent, because Intacct refused another record of this period: {closed.words.rstrip('.')}"
        row = document.rows[0]
        document.problems.append(
            Problem(path=f"row {row}, {self._path}", reason=reason, row=row, value=document.posting_date)
        )
        document.fate = "held"
        return document
