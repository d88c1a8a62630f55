"""How a table is to be read: everything, the rest of an earlier read, or what changed; and why. Pure: asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from tieout.catalogue.model import Model, references
from tieout.pull.destinations.state import Backfill, TableState
from tieout.pull.reading.clock import DAILY, passed
from tieout.pull.report import PullReport, Strategy
from tieout.pull.schema.columns import MODIFIED
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    from tieout.rest import Filter


Wanted: TypeAlias = Literal["auto", "full", "incremental"]


NEW_FIELDS = "new fields: "
OTHER_FILTER = "the filter is another one than last time"

MOST_FILLED = 20
"""New fields beyond which all rows are read: a filter has to stay of a size that any server takes."""


class Decision(msgspec.Struct, frozen=True):
    """How to read, and why in full where less could be expected."""

    strategy: Strategy
    reason: str = ""
    rest_of: Backfill | None = None
    """The read to go on with."""
    unstamped: bool = False
    """Rows without a stamp are to be read beside those whose stamp says that they changed."""
    fill: tuple[str, ...] = ()
    """New fields: rows that have something in one of them are to be read besides."""


def choose_strategy(
    state: TableState,
    columns: Sequence[Column],
    *,
    selection: str,
    full: bool = False,
    elsewhere: Collection[str] = (),
    retyped: Collection[str] = (),
    sparse: Collection[str] = (),
    documents_stamped: bool = True,
    wanted: Wanted = "auto",
    null_filter: bool = True,
) -> Decision:
    """`full`: everything is asked for. `retyped`: fields whose column gets another type, in which Intacct may spell
    values that have not changed in another way. `sparse`: fields that are null in a row that has nothing in them.
    `elsewhere`: what the filter looks at in other records (`looks_elsewhere`). `documents_stamped`: for lines,
    whether every document tells when it was modified. `wanted`: the section's own choice. `null_filter`: whether
    Intacct finds rows without a stamp."""
    # With a filter that looks elsewhere not even an interrupted read goes on: what it has may have left the filter.
    trusted = wanted == "incremental"
    if full or not state.version or (elsewhere and not trusted):
        return Decision("full")
    had = state.names()
    current = state.fields or tuple(had)
    added = [column.path for column in columns if column.path not in current]
    if back := [path for path in added if path in had]:  # rows may have lost meanwhile what the column still holds
        return Decision("full", f"fields that were left out before: {_some(back)}")
    new_fields = f"{NEW_FIELDS}{_some(added)}"
    if added and not (null_filter and len(added) <= MOST_FILLED and set(added) <= set(sparse)):
        return Decision("full", new_fields)
    if retyped:
        return Decision("full", f"fields of another type: {', '.join(sorted(retyped))}")
    if state.selection != selection:
        return Decision("full", OTHER_FILTER)
    begun = state.backfill
    if begun is not None and begun.kind == "full":
        return Decision("full", rest_of=begun)
    if wanted == "full":
        return Decision("full", 'read in full each time: `strategy` is "full"')
    if not documents_stamped and not trusted:
        return Decision("full", "its documents have no complete modified stamps")
    if not state.watermark or not any(column.path == MODIFIED for column in columns):
        return Decision("full")
    if not state.has_stamps and not trusted:
        return Decision("full")
    beside = state.unstamped > 0 and passed(state.unstamped_at, DAILY)
    if beside and not null_filter and not trusted:
        return Decision("full", "Intacct does not find records without a modified stamp")
    going_on = begun if begun is not None and begun.kind == "changes" else None
    reason = f"{new_fields}: rows that have them are read besides" if added else ""
    return Decision("incremental", reason, going_on, unstamped=beside and null_filter, fill=tuple(added))


def _some(paths: Sequence[str]) -> str:
    return f"{', '.join(paths[:5])}{' ...' if len(paths) > 5 else ''}"


def explained(report: PullReport, state: TableState, elsewhere: Sequence[str]) -> str:
    """Why the table is read in full each time, where it is; else the reason as it was."""
    if report.strategy == "full" and not report.reason and state.version and not state.has_stamps:
        return "read in full each time: its records carry no modified stamp"
    if elsewhere:
        looks_at = ", ".join(elsewhere)
        return f"read in full each time: its filter looks at {looks_at}, and a change there leaves no stamp here"
    return report.reason


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
