"""Columns of a company's own in Sage's import files: dimensions and custom fields that its live model has.

Sage writes them as `GLENTRY_CLASSID`, `GLDIMCHANNEL`, or as the custom field is called (layouts of other companies'
files; the wire's names: REST reference 9.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tieout.catalogue.model import Node, Ref
from tieout.push.checks.check import Target, UnknownPath
from tieout.push.fields.columns import Column

_DIMENSION = "GLDIM"


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a template's file names what a company added."""

    prefixes: tuple[str, ...]
    """What stands before the name of a column that belongs to a line."""
    date: str
    """How dates are written."""


def custom_entries(custom: Custom, columns: Iterable[str], target: Target) -> dict[str, Column]:
    """Field path -> entry, for every column that names a dimension or a custom field of the model.

    User-defined dimensions are written by key (REST reference 9.1), so their cells must hold keys."""
    found: dict[str, Column] = {}
    for column in columns:
        for path in _paths(custom, column, target):
            try:
                field = target.place(path).field
            except UnknownPath:
                continue
            date = custom.date if field.format == "date" else None
            found.setdefault(path, Column(column=column, date=date, optional=True))
            break
    return found


def _paths(custom: Custom, column: str, target: Target) -> Iterator[str]:
    """Where a column may lead, the likeliest first."""
    name = column.upper()
    prefix = next((prefix for prefix in custom.prefixes if name.startswith(prefix)), "")
    name = name.removeprefix(prefix)
    lines = target.lines("lines") if "lines" in target.model.lists else None
    if lines is not None:
        dimensions = lines.groups.get("dimensions", Node()).refs
        if name.startswith(_DIMENSION):
            yield from (f"lines.dimensions.{ref}" for ref in _called(dimensions, name.removeprefix(_DIMENSION)))
        elif prefix and name.endswith("ID"):
            yield from (f"lines.dimensions.{ref}" for ref in _called(dimensions, name.removesuffix("ID").rstrip("_")))
    nodes: list[tuple[str, Node]] = [] if lines is None else [("lines.", lines)]
    if not prefix:
        nodes.insert(0, ("", target.model))
    for where, node in nodes:
        for field in node.fields:
            if "::" in field and field.rpartition("::")[2].upper() == name:
                yield f"{where}{field}"


def _called(refs: dict[str, Ref], name: str) -> Iterator[str]:
    """`channel.id` or `nsp::channel.key` for the dimension of this name."""
    for ref, node in refs.items():
        if ref.rpartition("::")[2].upper().replace("_", "") == name.replace("_", ""):
            yield from (f"{ref}.{part}" for part in ("id", "key") if part in node.fields)
