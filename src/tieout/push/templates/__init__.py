"""Mappings for files that people already have: Sage's own CSV import templates, and exports of time systems.

A template is a section of the project file, written in a .toml file of this folder; what a section itself says wins.
`fit` adapts it to the file's columns and the company's model. Where the layouts come from: docs/templates.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ConfigurationError, UnknownNameError
from tieout.push.fields.columns import Column, When, as_column, columns_of
from tieout.push.settings import PushSettings
from tieout.push.templates.custom import Custom, custom_entries

if TYPE_CHECKING:
    from tieout.push.checks.check import Target

NAMES = ("intacct-bill", "intacct-invoice", "intacct-journal", "timesheet", "harvest", "clicktime")


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One template."""

    title: str
    """What kind of file it is for: `bills as Sage's own CSV import takes them`."""
    section: PushSettings
    confirmed: bool
    """Whether all names of columns are known from real files or Sage's pages."""
    custom: Custom | None = None
    """How columns of a company's own are recognised."""


@cache
def template(name: str) -> Template:
    """The template of this name. Raises UnknownNameError with the nearest names."""
    if name not in NAMES:
        from tieout.catalogue import nearest

        advice = f"There are {', '.join(NAMES)}."
        raise UnknownNameError("template", name, nearest=nearest(name, NAMES), advice=advice)
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Template)


def check_object(name: str, object: str) -> None:
    """Raise UnknownNameError, or ConfigurationError where a template is about another object (its full name)."""
    found = template(name).section.object
    if object != found:
        raise ConfigurationError(
            f"The template {name} is about {found}, not {object}.",
            advice="Leave the object out, or use another template.",
        )


def applied(settings: PushSettings, name: str, written: Collection[str]) -> PushSettings:
    """A section over its template: settings that are `written` in it win, and each of its fields.

    `name` is the section's, for messages. Raises UnknownNameError, ConfigurationError where the section is about
    another object than the template."""
    assert settings.template is not None
    found = template(settings.template).section
    if settings.object:
        from tieout.catalogue import resolve

        check_object(settings.template, resolve(settings.object))
    own = {setting: getattr(settings, setting) for setting in written if hasattr(settings, setting)}
    for setting in ("object", "template"):
        own.pop(setting, None)
    if own.get("line_number") == "":
        own["line_number"] = None
    if "steps" in own:  # said for every record, whatever its rows say
        own.setdefault("last_step", None)
    fields = {**(found.fields or {}), **(settings.fields or {})}
    own["fields"] = {path: entry for path, entry in fields.items() if not as_column(entry).omit}
    return msgspec.structs.replace(found, **own, template=settings.template)


def fit(settings: PushSettings, columns: Sequence[str], target: Target) -> PushSettings:
    """A section with a template, for the columns of a file and the live model.

    Entries of the template whose columns the file lacks, or whose field the company lacks, are left out; columns of
    the company's own (dimensions, custom fields) are mapped where its model has them. What the section says stays."""
    if settings.template is None:
        return settings
    found = template(settings.template)
    of_template = found.section.fields or {}
    fields: dict[str, str | Column] = {}
    for path, entry in (settings.fields or {}).items():
        if path in of_template and entry == of_template[path] and not _useful(path, entry, columns, target):
            continue
        fields[path] = _narrowed(as_column(entry), columns) if columns and entry == of_template.get(path) else entry
    if found.custom is not None and columns:
        used = {name for entry in fields.values() for name, _ in columns_of(as_column(entry))}
        spare = [column for column in columns if column and column not in used and column not in settings.named]
        for path, entry in custom_entries(found.custom, spare, target).items():
            fields.setdefault(path, entry)
    return msgspec.structs.replace(settings, fields=fields)


def _useful(path: str, entry: str | Column, columns: Sequence[str], target: Target) -> bool:
    from tieout.push.checks.check import UnknownPath

    named = list(columns_of(as_column(entry)))
    if columns and named and all(optional and name not in columns for name, optional in named):
        return False
    try:
        target.place(path)
    except UnknownPath:
        # A column that must be there is about a field that must be there: its absence is an error of the mapping.
        return not all(optional for _, optional in named)
    return True


def _narrowed(column: Column, columns: Sequence[str]) -> str | Column:
    """An entry without the alternatives that a file cannot give, so that messages name the columns that are there."""
    if not column.optional:
        return column if column != Column(column=column.column) else column.column or column
    parts = column.coalesce
    if parts is not None:
        kept = tuple(p for p in parts if not isinstance(p, str) or p in columns)
        if len(kept) == 1 and isinstance(kept[0], str):
            return msgspec.structs.replace(column, coalesce=None, column=kept[0])
        column = msgspec.structs.replace(column, coalesce=kept or parts)
    if column.when is not None:
        clauses = tuple(clause for clause in column.when if _can_hold(clause, columns))
        column = msgspec.structs.replace(column, when=tuple(_then_narrowed(c, columns) for c in clauses or column.when))
    return column


def _can_hold(clause: When, columns: Sequence[str]) -> bool:
    return all(name in columns or test in ("blank", "zero") for name, test in clause.tests.items())


def _then_narrowed(clause: When, columns: Sequence[str]) -> When:
    if not isinstance(clause.then, Column):
        return clause
    then = as_column(_narrowed(msgspec.structs.replace(clause.then, optional=True), columns))
    return msgspec.structs.replace(clause, then=msgspec.structs.replace(then, optional=clause.then.optional))
