"""Who may write a table: one pull at a time, over all programs that share the project's state database.

What has no part in that database, such as a pull of another installation, is met by the destination's compare-and-set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tieout.store import open_store
from tieout.store.leases import Leases

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.pull.destinations.base import Destination


@contextmanager
def leased(project: Project, tables: Iterable[tuple[Destination, str]]) -> Iterator[None]:
    """Hold these tables. Raises BusyError that names who holds one of them."""
    names = {_name(to, table): f"the pull into table {table} of {to.place}" for to, table in tables}
    with open_store(project.state_url) as store, Leases(store, names):
        yield


def _name(to: Destination, table: str) -> str:
    # Paths and table names are longer than a lease's name may be.
    return f"pull/{hashlib.sha256(f'{to.identity()}/{table.lower()}'.encode()).hexdigest()}"
