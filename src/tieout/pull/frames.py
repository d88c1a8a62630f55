"""Rows of a pulled table as a frame: Arrow, pandas or Polars, with exact numbers. Reads the copy, asks nothing of
Intacct."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from tieout import catalogue
from tieout.errors import ConfigurationError, UnknownNameError
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.state import TableState
from tieout.pull.plan.targets import table_of
from tieout.pull.schema.types import Column
from tieout.pull.settings import PullSettings

if TYPE_CHECKING:
    from tieout.project import Project


def frame(
    project: Project,
    name: str,
    *,
    kind: Literal["arrow", "pandas", "polars"] = "arrow",
    columns: Sequence[str] | None = None,
    destination: str | None = None,
) -> Any:
    """The live rows of a table, in no order: not those marked deleted.

    `name` is a section of the project, an object (`bills`) or a table. `columns` are names in the table or paths
    (`vendor.id`), all if none are given; `destination` goes before what the section says. Exact numbers are decimals
    in each kind, stamps UTC: a pyarrow Table, a pandas DataFrame of Arrow types, a Polars DataFrame. All of it is
    in memory. Raises UnknownNameError where there is no such table or column, ConfigurationError where pandas or Polars
    is not installed, StoreError."""
    convert = _converter(kind)
    place, table = _found(project, name, destination)
    state = place.state(table)
    if state is None:
        known = [found.state.table for found in place.tables()]
        raise UnknownNameError(
            f"table of {place.place}",
            table,
            nearest=catalogue.nearest(table, known, 3),
            advice="Run `tieout pull` first.",
        )
    return convert(place.arrow(state.table, _chosen(state, columns)))


def _found(project: Project, name: str, destination: str | None) -> tuple[Destination, str]:
    bare = name.removeprefix("pull.")
    if bare in project.names("pull"):
        settings = project.section("pull", bare, PullSettings)
        return open_destination(project.root, destination or settings.destination), table_of(settings)
    settings = PullSettings(object=name)
    place = open_destination(project.root, destination or settings.destination)
    try:
        table = table_of(settings)
    except UnknownNameError:
        return place, name
    return place, name if place.state(name) is not None else table


def _chosen(state: TableState, wanted: Sequence[str] | None) -> list[Column]:
    if wanted is None:
        return list(state.columns)
    known = {column.path: column for column in state.columns} | {column.name: column for column in state.columns}
    for name in wanted:
        if name not in known:
            raise UnknownNameError(
                f"column of table {state.table}", name, nearest=catalogue.nearest(name, list(known), 3)
            )
    return [known[name] for name in dict.fromkeys(wanted)]


def _converter(kind: str) -> Any:
    if kind == "arrow":
        return lambda table: table
    if kind not in ("pandas", "polars"):
        raise ConfigurationError(f"There are no frames of kind {kind!r}.", advice="Say arrow, pandas or polars.")
    try:
        library = import_module(kind)
    except ModuleNotFoundError:
        raise ConfigurationError(f"{kind} is not installed.", advice=f"Run: pip install {kind}") from None
    if kind == "polars":
        return library.from_arrow
    return lambda table: table.to_pandas(types_mapper=library.ArrowDtype)
