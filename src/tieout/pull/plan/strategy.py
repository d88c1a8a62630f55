"""How a table is to be read: everything, the rest of an earlier read, or what changed; and why. Pure: asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue.model import Model, references
from tieout.pull.destinations.state import Backfill, TableState
from tieout.pull.report import Strategy
from tieout.pull.schema.columns import MODIFIED
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    from tieout.rest import Filter


class Decision(msgspec.Struct, frozen=True):
    """How to read, and why in full where less could be expected."""

    strategy: Strategy
    reason: str = ""
    rest_of: Backfill | None = None
    """The read to go on with."""


def choose_strategy(
    state: TableState,
    columns: Sequence[Column],
    *,
    selection: str,
    full: bool = False,
    elsewhere: Collection[str] = (),
    retyped: Collection[str] = (),
    documents_stamped: bool = True,
) -> Decision:
    """`full`: everything is asked for. `retyped`: fields whose column gets another type, in which Intacct may spell
    values that have not changed in another way. `elsewhere`: what the filter looks at in other records
    (`looks_elsewhere`). `documents_stamped`: for lines, whether every document tells when it was modified."""
    # With a filter that looks elsewhere not even an interrupted read goes on: what it has may have left the filter.
    if full or not state.version or elsewhere:
        return Decision("full")
    current = state.fields or tuple(state.names())
    added = [column.path for column in columns if column.path not in current]
    if added:
        return Decision("full", f"new fields: {', '.join(added[:5])}{' ...' if len(added) > 5 else ''}")
    if retyped:
        return Decision("full", f"fields of another type: {', '.join(sorted(retyped))}")
    if state.selection != selection:
        return Decision("full", "the filter is another one than last time")
    begun = state.backfill
    if begun is not None and begun.kind == "full":
        return Decision("full", rest_of=begun)
    if not documents_stamped:
        return Decision("full", "its documents have no complete modified stamps")
    if state.watermark and state.stamped and any(column.path == MODIFIED for column in columns):
        return Decision("incremental", rest_of=begun if begun is not None and begun.kind == "changes" else None)
    return Decision("full")


def looks_elsewhere(model: Model, where: Filter | None, owner: str | None = None) -> tuple[str, ...]:
    """What a filter looks at in other records: a change there moves no stamp here, though it brings rows into the
    filter and takes others out. A reference's `key` is the record's own. For lines their document (the reference
    `owner`) is not another record, since all lines of changed documents are read; what the document refers to is."""
    if where is None:
        return ()
    others = model.references()
    if owner is not None and (document := others.pop(owner, None)) is not None:
        others |= dict(references(document, f"{owner}."))
    paths = dict.fromkeys(condition.path for condition in where.conditions())
    return tuple(p for p in paths if any(p.startswith(f"{other}.") and p != f"{other}.key" for other in others))
