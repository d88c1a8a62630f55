"""What a pull of one table may cost at most: besides what its plan counts, the parts that nobody can count beforehand.

It holds where Intacct stays as it is between plan and pull, all ties and nothing was deleted; looking into the rest has
limits of its own (`docs/pull.md`, What it costs). Asks the destination only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieout.pull.reading.owned import OWNERS_A_QUERY
from tieout.pull.settings import MAX_PAGE

if TYPE_CHECKING:
    from tieout.pull.destinations.state import TableState
    from tieout.pull.plan.planning import TablePlan
    from tieout.pull.table import TablePull

MOST_COUNTED = 200_000
"""Lines of a table that are counted by document; of more, all are taken to come."""
TO_GO_ON = 3
"""How keys compare is asked by two keys, and what is new is read before a long read goes on."""


def pages_of(rows: int, size: int) -> int:
    """Pages that each begin with the last row of the one before; a page that is full is not taken for the last."""
    return 1 + max(rows - 1, 0) // (size - 1)


def more_pages(pull: TablePull, found: TablePlan, state: TableState, documents: int) -> int:
    """Pages beyond those of the plan. `documents`: of lines, how many of their documents will be read."""
    size = pull.job.page_size
    more = 0
    if found.resumed:
        more += pages_of(found.rows, size) + TO_GO_ON
    if found.strategy == "full":
        return more
    if pull.drift is not None and pull.drift.added:
        more += pages_of(found.rows, size)  # rows that have something in a new field, in a query of their own
    if state.unstamped:
        more += pages_of(state.unstamped + size - 1, size)  # and of a page more that have lost theirs
    if pull.job.owner is not None:
        changed = documents + _changed(pull)
        if changed:
            rows = found.rows + _lines_of(pull, state, changed)
            more += -(-rows // (size - 1)) + -(-changed // OWNERS_A_QUERY) - found.pages
    return max(more, 0)


def keys(found: TablePlan) -> int:
    """Pages of the keys of all rows: those that the table has and those that come."""
    return pages_of(found.held + found.rows, MAX_PAGE)


def _changed(pull: TablePull) -> int:
    """Documents of lines that changed, of those that are here."""
    documents = pull.job.owner_table
    return len(pull.job.destination.keys_since(*documents, pull.low)) if documents is not None and pull.low else 0


def _lines_of(pull: TablePull, state: TableState, documents: int) -> int:
    """Lines that so many documents have at most, of those that are here."""
    column = next((c for c in state.columns if c.path == f"{pull.job.owner}.key"), None)
    if column is None or not state.version or state.rows > MOST_COUNTED:
        return state.rows
    counts = sorted((one.count for one in pull.job.destination.measure(state.table, [], by=column)), reverse=True)
    return sum(counts[:documents])
