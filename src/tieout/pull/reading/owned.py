"""Lines of documents that changed: which queries bring them, each row in one of them only.

Whether a line's own stamp moves with its document's is not known, and a removed line leaves no trace (REST reference
10.1, 10.2); so both stamps count, and all lines of a changed document are asked for. Knows no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tieout.pull.destinations.base import OwnedLines
from tieout.pull.schema.columns import MODIFIED

if TYPE_CHECKING:
    from tieout.rest import Filter

OWNERS_A_QUERY = 500
MANY_OWNERS = 10_000
"""Changed documents beyond which all lines are read again: fewer pages, and filters of a size that any server takes."""


class Part(NamedTuple):
    """One query of a read, and the documents all of whose lines it brings."""

    where: Filter
    owners: Sequence[str]


def parts(owner: str, owners: Sequence[str], watermark: str) -> list[Part]:
    """The lines of `owners`, by the reference `owner`, and those that moved by themselves since the watermark."""
    from tieout.rest import F

    rest, document = F(MODIFIED) >= watermark, F(f"{owner}.key")
    *early, last = [owners[at : at + OWNERS_A_QUERY] for at in range(0, len(owners), OWNERS_A_QUERY)]
    for chunk in early:
        rest = rest & document.not_in(chunk)
    return [*(Part(document.in_(chunk), chunk) for chunk in early), Part(document.in_(last) | rest, last)]


def lines(column: str, owners: Sequence[str]) -> OwnedLines:
    """All lines of these documents, before any has come."""
    return OwnedLines(column=column, owners=owners, present=[], hard=True)
