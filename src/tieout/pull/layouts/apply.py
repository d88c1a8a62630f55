"""Gives a destination the views of a layout, over the tables it has. Knows states and views; asks Intacct nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from tieout.errors import ConfigurationError
from tieout.pull.destinations.base import Destination, View, Views
from tieout.pull.destinations.state import TableState
from tieout.pull.layouts import fivetran
from tieout.pull.layouts.shape import Table
from tieout.pull.layouts.sql import Pulled, select
from tieout.pull.report import PullReport

LAYOUTS: dict[str, tuple[Table, ...]] = {"fivetran": fivetran.TABLES}


@runtime_checkable
class _Able(Views, Protocol):
    """A destination that holds views, to be told from others."""


def able(destination: Destination, layout: str) -> Views:
    """The destination, as one that holds views. Raises ConfigurationError where it cannot."""
    if isinstance(destination, _Able):
        return destination
    raise ConfigurationError(
        f"{destination} cannot hold the views of layout {layout!r}.",
        advice="Name a DuckDB or SQLite file or a PostgreSQL schema, or leave `layout` out.",
    )


def kept(
    destination: Destination, layout: str | None, report: PullReport, known: dict[str, Sequence[str]]
) -> list[str]:
    """The layouts whose views a pull has to make: the one its section names, and after a change of columns those that
    the destination has. `known`: those of each place looked into so far, by its identity; it is added to."""
    found = [layout] if layout is not None else []
    if isinstance(destination, _Able) and any(r.added or r.widened or not r.watermark_before for r in report.all()):
        place = destination.identity()
        if place not in known:
            known[place] = destination.layouts()
        found += known[place]
    return list(dict.fromkeys(name for name in found if name in LAYOUTS))


def without_view(layout: str, report: PullReport) -> str:
    """What is to be said of an object that no view of a layout is made of, nor of its lines; "" otherwise."""
    read = {object for table in LAYOUTS[layout] for object in (table.object, *table.needed)}
    if read.intersection(one.object for one in report.all()):
        return ""
    return f"layout {layout} has no view of {report.object}"


def apply(destination: Destination, layout: str, company: str, entity: str) -> list[str]:
    """Make or replace the views of a layout, over the tables of one company and entity -> what is to be said.

    Raises StoreError where something else has the name of a view, ConfigurationError where no view can be."""
    views = able(destination, layout)
    there = _by_object(
        found.state
        for found in destination.tables()
        if not found.damage and (found.state.company, found.state.entity) == (company, entity)
    )
    pulled = {
        object: Pulled(views.named(state.table), {column.path: column for column in state.columns})
        for object, state in there.items()
    }
    made: list[View] = []
    absent: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for table in LAYOUTS[layout]:
        of = pulled.get(table.object)
        if of is None:
            absent.setdefault(table.comes_with or table.object, []).append(table.name)
            continue
        for object in table.needed:
            if object not in pulled:
                lacking.setdefault(object, []).append(table.name)
        made.append(View(name=table.name, sql=select(table, of, pulled, views.dialect)))
    views.views(layout, made)
    return [*_notes(layout, absent, ""), *_notes(layout, lacking, "all columns of ")]


def _notes(layout: str, missing: dict[str, list[str]], what: str) -> list[str]:
    """What has to be pulled for which views."""
    found = [f"{object} for {what}{' and '.join(views)}" for object, views in missing.items()]
    return [f"layout {layout}: pull {', '.join(found)}"] if found else []


def _by_object(states: Iterable[TableState]) -> dict[str, TableState]:
    """One table an object: that of most rows, since others are parts of it by a filter."""
    found: dict[str, TableState] = {}
    for state in sorted(states, key=lambda state: (-state.rows, state.table)):
        found.setdefault(state.object, state)
    return found
