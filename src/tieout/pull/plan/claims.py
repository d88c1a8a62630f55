"""Whose a table is: what a destination holds under its name, and whether a pull may go on with it.

Compares states; reads no rows. Asks the destination, not Intacct.
"""

from __future__ import annotations

import msgspec

from tieout.errors import ConfigurationError
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.state import TableState


def claim(
    destination: Destination, new: TableState, selection: str, notes: list[str], *, to_write: bool = False
) -> TableState:
    """The state of a table, `new` where there is none. `selection`: what is to be pulled into it. `notes`: what is to
    be said besides. `to_write`: it will be written, which must not be found impossible after pages were paid for.

    Raises ConfigurationError where the table holds something else, and StoreError."""
    found = destination.state(new.table, to_write=to_write)
    if found is None:
        return new
    refuse_another(destination, found, new)
    if found.selection != selection and found.parent != new.parent:
        whose = f"the lines of table {found.parent}" if found.parent else "what was pulled into it by itself"
        raise ConfigurationError(
            f"Table {new.table} of {destination.place} holds {whose}, by another filter.",
            advice="Give --table NAME, set `table` for one of them, or name another destination.",
        )
    if found.environment and new.environment and found.environment != new.environment:
        raise ConfigurationError(
            f"Table {new.table} of {destination.place} holds company {found.company!r} of environment "
            f"{found.environment!r}, not of {new.environment!r}.",
            advice="Set `table` to another name or name another destination; or drop what is there with --reset.",
        )
    environment = new.environment or found.environment
    left = [table for table in dict.fromkeys([*found.left, *found.lines]) if table not in new.lines]
    if just := [table for table in left if table in found.lines]:
        notes.append(
            f"lines no longer pulled: {', '.join(just)} grows old, and only loses what its documents take along"
        )
    return msgspec.structs.replace(found, environment=environment, parent=new.parent, lines=new.lines, left=tuple(left))


def drop(destination: Destination, new: TableState) -> list[str]:
    """Drop a table, also one that is damaged, which is a reason to -> what is to be said. Raises as `claim` does."""
    notes = []
    for found in destination.tables():
        if found.state.table.lower() == new.table.lower():
            refuse_another(destination, found.state, new)
            notes.append(f"dropped with its {found.state.rows:,} rows, and read anew")
            destination.drop(new.table)
    return notes


def refuse_another(destination: Destination, found: TableState, new: TableState) -> None:
    """Raises ConfigurationError where a table holds something else than is pulled."""
    for what, ours, theirs in (
        ("object", new.object, found.object),
        ("company", new.company, found.company),
        ("entity", new.entity, found.entity),
    ):
        if ours != theirs:
            raise ConfigurationError(
                f"Table {new.table} of {destination.place} holds {what} {theirs or '(top level)'!r}, not {ours!r}.",
                advice="Set `table` to another name, or name another destination.",
            )
