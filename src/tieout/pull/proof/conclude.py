"""The proof at the end of a table's pull: compare, look closer where it does not tie, repair the copy, compare again.

What changed in Intacct between the read and the comparison is no mismatch: it is caught up first. Where Intacct refuses
to count, that is what the proof says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from tieout.errors import BudgetError, TieoutError
from tieout.project.report import TieOutLine
from tieout.pull.destinations.base import Window
from tieout.pull.destinations.state import TableState
from tieout.pull.failures import is_connection_wide
from tieout.pull.findings import Findings
from tieout.pull.proof.compare import Proof, tie_out, unproven
from tieout.pull.proof.inquiry import Inquiry
from tieout.pull.proof.narrow import Measured, narrow
from tieout.pull.proof.repair import repair
from tieout.pull.proof.search import Search
from tieout.pull.proof.subject import Subject
from tieout.pull.reading.windows import timed_out

First: TypeAlias = Callable[[Subject, list[TieOutLine]], Literal["", "changed", "enough"]]
"""Told a table that does not tie: whether it changed something (the table's new state is in the subject), or nothing is
to be looked for."""
ROUNDS = 6
"""Times a table is looked at closer before it is said not to tie."""
BUSY = "rows keep changing in Intacct while they are compared: pull again when it is quiet"

NO_BUDGET = "the budget has no room for a closer look: run `tieout verify`"


class Conclusion(msgspec.Struct):
    """What the proof came to, and the table as it is then."""

    lines: list[TieOutLine]
    state: TableState
    transactions: int = 0
    findings: list[Findings] = msgspec.field(default_factory=list)
    """One for each look that found something, or found that there is nothing to find."""


def conclude(subject: Subject, *, whole: bool, first: First | None = None, said: Inquiry | None = None) -> Conclusion:
    """What a pull ends with. `whole`: every row has just been read; `first`: what is tried where it does not tie,
    before anybody looks closer; `said`: what Intacct was asked while the rows were read.

    Raises StoreError, BusyError, and errors that the next table would meet as well."""
    try:
        proof = tie_out(subject, whole=whole) if said is None else said.proof(subject, whole=whole)
    except TieoutError as error:
        if is_connection_wide(error) and not timed_out(error):
            raise
        note = f"Intacct would not count them: {error}"
        return Conclusion([unproven(subject.name, "rows", subject.state.rows, note)], subject.state)
    found = Conclusion(proof.lines, subject.state, proof.transactions)
    try:
        _mend(subject, found, whole=whole, first=first)
    except BudgetError:  # what was to be pulled is pulled, and compared
        found.lines = [_noted(line, NO_BUDGET) for line in found.lines]
    except TieoutError as error:  # the proof stands as it is; looking closer is what failed
        if is_connection_wide(error) and not timed_out(error):
            raise
        found.lines = [_noted(line, f"a closer look failed: {error}") for line in found.lines]
    return found


def _mend(subject: Subject, found: Conclusion, *, whole: bool, first: First | None) -> None:
    """Look closer and repair until it ties, or nothing more is to be found."""
    if first is not None and not _ties(found.lines):
        step = first(subject, found.lines)
        if step == "enough":
            return
        if step == "changed":
            found.state = subject.state
            _prove(subject, found, whole=whole)
    for _ in range(ROUNDS):
        if _ties(found.lines):
            return
        if catch_up(subject, found):
            _prove(subject, found, whole=whole)
            if _ties(found.lines):
                return
        search = look(subject, found.lines)
        found.transactions += search.findings.transactions
        subject.state = found.state = repair(search)
        found.findings.append(search.findings)
        if not search.findings.repaired:
            break
        _prove(subject, found, whole=whole)
    if found.findings and found.findings[-1].harmless:
        found.lines = [
            msgspec.structs.replace(line, ties=None, note=BUSY) if line.ties is False else line for line in found.lines
        ]


def catch_up(subject: Subject, found: Conclusion) -> bool:
    """Read what changed in Intacct since the table's watermark -> whether anything had."""
    if subject.stamp is None or not subject.state.watermark:
        return False
    search = Search(subject)
    search.since(subject.state.watermark)
    found.transactions += search.findings.transactions
    if not search.findings.rows:
        return False
    subject.state = found.state = repair(search)
    missed = [row for row in search.findings.rows if row.why != "later"]
    if missed:
        search.findings.rows = missed
        found.findings.append(search.findings)
    return True


def look(subject: Subject, lines: list[TieOutLine]) -> Search:
    """Find the rows behind lines that do not tie: their windows, then row by row."""
    search = Search(subject)
    windows: list[Window | None] = []
    probes = 0
    for one in measured(lines):
        if None not in windows:
            narrowed = narrow(subject, one)
            windows += [window for window in narrowed.windows if window not in windows]
            probes += narrowed.transactions
    search.windows([None] if None in windows else windows)
    search.findings.transactions += probes
    return search


def measured(lines: list[TieOutLine]) -> list[Measured]:
    """What to narrow by: the rows where their number differs, and the sums that do, since a row too few and one too
    many cancel each other out in their number."""
    wrong = [line.what for line in lines if line.ties is False]
    sums = tuple(what.removeprefix("sum ") for what in wrong if what != "rows")
    return [Measured(())] * ("rows" in wrong) + [Measured(sums)] * bool(sums)


def _prove(subject: Subject, found: Conclusion, *, whole: bool) -> None:
    proof: Proof = tie_out(subject, whole=whole)
    found.lines = proof.lines
    found.transactions += proof.transactions


def _ties(lines: list[TieOutLine]) -> bool:
    return all(line.ties is not False for line in lines)


def _noted(line: TieOutLine, note: str) -> TieOutLine:
    return msgspec.structs.replace(line, note=note) if line.ties is False else line
