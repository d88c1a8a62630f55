"""What has become of a table's columns since it was last read: new fields, vanished ones, and other types.

A column never goes and never gets narrower. Knows models, columns and what is stored of them; knows no database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from tieout.catalogue.model import NO_DEFAULT, Field, Model
from tieout.errors import ConfigurationError
from tieout.pull.schema.columns import MODIFIED, queryable
from tieout.pull.schema.names import name_columns
from tieout.pull.schema.types import Column, Kind, joined, named, type_name


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a read, and how they differ from what the table has."""

    columns: list[Column]
    """In the order of the fields, with the types the table is to have."""
    widened: dict[str, str]
    """Path -> in words, from which type to which; only what changes in the table."""
    added: tuple[str, ...]
    """Paths that an existing table has no column for yet."""
    gone: tuple[str, ...]
    """Every path of the table that the company's model no longer has."""

    def notes(self, gone_before: Collection[str], read_before: Collection[str] = ()) -> list[str]:
        """What a person should know of it; `gone_before` is `gone` of the time before, `read_before` the paths that
        were read then."""
        found = []
        if self.added:
            found.append(f"new columns: {_listed(self.added)}")
        found += [f"column {path} is now {change}" for path, change in self.widened.items()]
        if lost := [path for path in self.gone if path not in gone_before]:
            found.append(f"no longer in Intacct's model: {_listed(lost)}; the columns stay, with the last values")
        now = {*self.gone, *(column.path for column in self.columns)}
        if left := [path for path in read_before if path not in now]:
            found.append(f"no longer read: {_listed(left)}; the columns stay, with values that grow old")
        if back := [path for path in gone_before if path not in self.gone]:
            found.append(f"in Intacct's model again: {_listed(back)}")
        return found


def compare(
    model: Model,
    fields: Mapping[str, Field],
    before: Sequence[Column] = (),
    types: Mapping[str, str] | None = None,
) -> Drift:
    """`fields` are those to read, `before` the columns the table has, `types` what the section says of some fields
    (`named`).

    Raises ConfigurationError for columns whose old and new type have no common one, all of them at once."""
    known = {column.path: column for column in before}
    columns, widened, conflicts = [], {}, []
    for column in name_columns(fields, {column.path: column.name for column in before}):
        new, old = _as_told(column, types or {}), known.get(column.path)
        if old is None:
            columns.append(new)
            continue
        common = joined(old, new)
        if common is None or (column.path in ("key", MODIFIED) and old.kind is not new.kind):
            conflicts.append((old, new))
            continue
        kind, scale = common
        kept = msgspec.structs.replace(old, kind=kind, scale=scale, money=new.money and kind is Kind.DECIMAL)
        if (kind, scale) != (old.kind, old.scale):
            widened[column.path] = f"{type_name(kept)}, was {type_name(old)}"
        columns.append(kept)
    if conflicts:
        raise _stopped(model.name, conflicts)
    there = queryable(model)
    return Drift(
        columns=columns,
        widened=widened,
        added=tuple(column.path for column in columns if known and column.path not in known),
        gone=tuple(path for path in known if path not in there and path != "key"),
    )


def sparse(field: Field, column: Column) -> bool:
    """Whether a record that says nothing in a field says null, so that only those that say something need be read for a
    new column. Booleans, enums and fields with a default may say something everywhere."""
    return (
        field.enum is None
        and field.default is NO_DEFAULT
        and column.kind in (Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP)
    )


def merged(before: Iterable[Column], read: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of a table once `read` is in it: those it had, in the types they have now, then the new ones."""
    now = {column.path: column for column in read}
    had = tuple(now.pop(column.path, column) for column in before)
    return (*had, *now.values())


def _as_told(column: Column, types: Mapping[str, str]) -> Column:
    if column.path not in types or column.path == "key":
        return column
    kind, scale = named(types[column.path])
    return msgspec.structs.replace(column, kind=kind, scale=scale, money=column.money and kind is Kind.DECIMAL)


def _stopped(object: str, conflicts: Sequence[tuple[Column, Column]]) -> ConfigurationError:
    named_ = "; ".join(f"{old.path} was {type_name(old)} and is now {type_name(new)}" for old, new in conflicts)
    paths = ", ".join(f'"{old.path}" = "text"' for old, _ in conflicts)
    return ConfigurationError(
        f"Intacct has given fields of {object} another type, and no column holds both: {named_}.",
        advice=f"Nothing was read. Keep both as text with types = {{ {paths} }} in the section, leave the fields out "
        "with `fields`, or pull into another table.",
    )


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
