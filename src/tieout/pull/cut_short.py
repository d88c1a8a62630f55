"""A pull that its budget ends: what each table had come to by then, and what was not read.

Knows sections and their reports; reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from tieout.errors import BudgetError
from tieout.pull.report import PullReport
from tieout.pull.section import Section


def cut_short(error: BudgetError, found: Sequence[Section | PullReport]) -> BudgetError:
    """The error that a run over `found` ends with in the place of `error`, with the reports so far."""
    reports = [one if isinstance(one, PullReport) else one.report for one in found]
    sections = [one for one in found if isinstance(one, Section)]
    left = [table for section in sections for table in section.tables if table not in section.ended]
    if left:
        more = f" and {len(left) - 1:,} more table{'' if len(left) == 2 else 's'}" if len(left) > 1 else ""
        message, advice = f"Stopped before the end of {left[0]}{more}", "The next pull goes on from there."
    else:
        message, advice = "All was read, not all compared with Intacct", "`tieout verify` compares."
    ended = BudgetError(f"{message}: {error.spent or error.message.rstrip('.')}.", advice=advice)
    ended.spent = error.spent
    for section in sections:
        for report in section.report.all() if section.report is not None else ():
            if report.table not in section.ended:
                report.error = ended
    ended.reports = [report for report in reports if report is not None]
    return ended
