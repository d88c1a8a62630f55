"""What a pull would read and cost, said before the first page. Counts in Intacct; reads no rows and writes nothing.

Knows one table at a time; which tables a run has is `run`'s business.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.pull.plan.bounds import more_pages, pages_of
from tieout.pull.report import TableRead
from tieout.pull.schema.columns import MODIFIED, own_sums
from tieout.pull.schema.personal import is_personal

if TYPE_CHECKING:
    from tieout.pull.table import TablePull

PERSONAL = "personal: read only where it is named"


class TablePlan(TableRead, kw_only=True):
    """What a pull of one table would do now. A line table follows its documents."""

    rows: int = 0
    """Rows to read, as Intacct counts them now."""
    held: int = 0
    """Rows the table has."""
    fields: int = 0
    left_out: dict[str, str] = msgspec.field(default_factory=dict)
    """Path of a field that is not read -> why."""
    pages: int = 0
    transactions: int = 0
    """Billable transactions at least: pages of what was counted, and the tie-out where all ties."""
    at_most: int = 0
    """Billable transactions at most, where Intacct stays as it is, all ties and nothing was deleted: with lines of
    documents that changed, rows without a stamp, and keys whose time has come."""
    seconds: float = 0.0
    """Waiting for Intacct, at `PullPlan.at_once` requests and at the time an answer took while this was planned; large
    pages take longer."""
    deletes: str = ""
    """How rows that are gone will be found."""


class PullPlan(msgspec.Struct, kw_only=True):
    """A pull, before it is made. Counts are of this moment."""

    tables: list[TablePlan]
    at_once: int = 1
    """Requests under way at once."""
    cost: int = 0
    """Billable transactions that the plan itself took: a count for each table."""

    @property
    def rows(self) -> int:
        """Rows to read."""
        return sum(table.rows for table in self.tables)

    @property
    def transactions(self) -> int:
        """Billable transactions of the pull."""
        return sum(table.transactions for table in self.tables)

    @property
    def at_most(self) -> int:
        """Billable transactions of the pull, as those of its tables."""
        return sum(table.at_most for table in self.tables)

    @property
    def seconds(self) -> float:
        """Waiting for Intacct."""
        return sum(table.seconds for table in self.tables)


def plan_from(told: TableRead, **more: Any) -> TablePlan:
    """The plan that says what is known of a table already, and `more`."""
    return TablePlan(**{name: getattr(told, name) for name in TableRead.__struct_fields__}, **more)


def plan_table(pull: TablePull, documents: int = 0) -> tuple[TablePlan, int]:
    """The plan of one table, and its cost in billable transactions: one count. `documents`: of lines, how many of their
    documents will be read. Raises what the client and the destination raise."""
    job = pull.job
    state = pull.decide()
    began = time.monotonic()
    counted = job.client.count(job.model.name, pull.reads(state), private=job.private)
    latency = time.monotonic() - began
    done = state.backfill.position if pull.report.resumed and state.backfill is not None else 0
    rows = max(counted - done, 0)
    refused = job.client.memory.unqueryable(job.model.name)
    tells = job.tie_out and f"max:{MODIFIED}" not in refused  # in a quiet company the totals spare what they answer
    pages = pages_of(rows, job.page_size)
    catches_up = pull.report.strategy == "full" and pull.catches_up(pages)
    spared = tells and (catches_up or (not rows and pull.asks_first))
    pages += catches_up - spared
    sums = [column for column in own_sums(pull.columns, job.model) if f"sum:{column.path}" not in refused]
    proof = 1 + bool(sums and "count:key" in refused) if job.tie_out else 0
    requests = pages + proof
    found = plan_from(
        pull.report,
        rows=rows,
        held=state.rows,
        fields=len(pull.columns),
        left_out={
            path: PERSONAL if path not in refused and is_personal(path) else f"Intacct refused it: {refused[path]}"
            for path in pull.report.left_out
        },
        pages=pages,
        transactions=requests,
        seconds=-(-pages // max(job.client.concurrency, 1)) * latency + (requests - pages) * latency,
    )
    found.at_most = found.transactions + more_pages(pull, found, state, documents) + spared
    if job.owner is not None and found.strategy == "incremental":
        found.notes.append("and all lines of the documents that changed")
    return found, 1
