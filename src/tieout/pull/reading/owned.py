"""Lines of documents that changed: which queries bring them, each row in one of them only.

Whether a line's own stamp moves with its document's is not known, and a removed line leaves no trace (REST reference
10.1, 10.2); so both stamps count, and all lines of a changed document are asked for. Knows no table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.pull.schema.columns import MODIFIED

if TYPE_CHECKING:
    from tieout.rest import Filter

OWNERS_A_QUERY = 500
MANY_OWNERS = 10_000
"""Changed documents beyond which all lines are read again: fewer pages, and filters of a size that any server takes."""


def parts(owner: str, owners: Sequence[str], watermark: str) -> list[Filter]:
    """The lines of `owners`, by the reference `owner`, and those that moved by themselves since the watermark: a filter
    for each query."""
    from tieout.rest import F

    rest, document = F(MODIFIED) >= watermark, F(f"{owner}.key")
    *early, last = [owners[at : at + OWNERS_A_QUERY] for at in range(0, len(owners), OWNERS_A_QUERY)]
    for chunk in early:
        rest = rest & document.not_in(chunk)
    return [*(document.in_(chunk) for chunk in early), document.in_(last) | rest]
