"""The connected clients of a run: each opened once, when it is first needed. Knows connections, not tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget, Intacct


class Source(msgspec.Struct, frozen=True):
    """A connected client and the company it reads."""

    client: Intacct
    company: str
    environment: str = ""
    """What the connection is labelled with; "" where that is not known."""


@contextmanager
def sources(
    project: Project, given: Source | None, budget: Budget | None = None, concurrency: int | None = None
) -> Iterator[Callable[[str | None], Source]]:
    """Opens each connection once, when it is first needed, and closes all of them."""
    opened: dict[str | None, Source] = {}

    def reach(name: str | None) -> Source:
        if given is not None:
            return given
        if name not in opened:
            from tieout.connections import connect, find

            client = connect(project, name, budget=budget, concurrency=concurrency)
            connection = find(project, name)
            opened[name] = Source(client, connection.company, connection.environment)
        return opened[name]

    try:
        yield reach
    finally:
        for source in opened.values():
            source.client.close()


def refuse_mixture(project: Project, names: Sequence[str | None], *, allowed: bool) -> None:
    """Raises ConfigurationError where the connections of one run are of different environments; asks nothing of
    Intacct."""
    distinct = dict.fromkeys(names)
    if allowed or len(distinct) < 2:
        return
    from tieout.connections import find
    from tieout.connections.scope_guard import refuse_mixed

    found = [find(project, name) for name in distinct]
    refuse_mixed({one.name or "the one in the environment variables": one.environment for one in found})
