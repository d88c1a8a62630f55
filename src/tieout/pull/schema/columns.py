"""Which fields of an object become columns. Knows no database and no request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tieout.catalogue import nearest
from tieout.catalogue.model import Field, Model, scalars
from tieout.errors import CheckError, Problem
from tieout.pull.schema.personal import is_personal
from tieout.pull.schema.types import Column, Kind

MODIFIED = "audit.modifiedDateTime"


def queryable(model: Model) -> dict[str, Field]:
    """Fields that a query may select, without links, which add nothing to a table (REST reference 5.6)."""
    return {
        path: field
        for path, field in scalars(model)
        if not field.write_only and path.rpartition(".")[2] != "href" and field.format != "outbound-binary"
    }


def choose(
    model: Model, wanted: Iterable[str] | None, unqueryable: Iterable[str] = ()
) -> tuple[dict[str, Field], tuple[str, ...]]:
    """The fields to read, `key` first, and those left out by default (personal, or learnt not to be queryable).

    Raises CheckError that names every unknown field of `wanted` with the nearest right one.
    """
    possible = queryable(model)
    refused = set(unqueryable)
    if wanted is None:
        left_out = tuple(p for p in possible if is_personal(p) or p in refused)
        chosen = [p for p in possible if p not in left_out]
    else:
        chosen = list(dict.fromkeys(wanted))
        problems = [_unknown(path, model, possible) for path in chosen if path not in possible]
        if problems:
            raise CheckError(f"The field list of {model.name}", problems, advice="Nothing was read.")
        left_out = tuple(p for p in chosen if p in refused)
        chosen = [p for p in chosen if p not in refused]
        if MODIFIED in possible and MODIFIED not in chosen and MODIFIED not in refused:
            chosen.append(MODIFIED)  # without it the next run could not be incremental
    ordered = dict.fromkeys(["key", *chosen])
    return {path: possible.get(path, Field()) for path in ordered}, left_out


def _unknown(path: str, model: Model, possible: Mapping[str, Field]) -> Problem:
    known = dict(scalars(model)).get(path)
    if known is not None:
        why = "can be written but not read" if known.write_only else "is a link, which a table does not need"
        return Problem(path=path, reason=why)
    if path.partition(".")[0] in model.lists:
        return Problem(
            path=path, reason=f"is in the list {path.partition('.')[0]!r}, which is pulled as a table of its own"
        )
    return Problem(path=path, reason="there is no such field", nearest=next(iter(nearest(path, list(possible), 1)), ""))


def following(model: Model) -> frozenset[str]:
    """Paths of what follows other records, so that no stamp of its own moves with it: a reference's fields but its key
    (a vendor's new name on every bill), and numbers that can only be read (a vendor's total due)."""
    through = tuple(f"{path}." for path in model.references())
    keys = {f"{path}key" for path in through}
    return frozenset(
        path
        for path, field in scalars(model)
        if (path.startswith(through) and path not in keys)
        or (field.read_only and (field.type == "number" or field.scale is not None))
    )


def own_sums(columns: Iterable[Column], model: Model) -> list[Column]:
    """Columns to add up: money and numbers (hours, quantities) of the object itself and its groups. A vendor's total
    on every bill proves nothing about bills."""
    through_refs = {path.partition(".")[0] for path in model.refs}
    numbers = {path for path, field in scalars(model) if field.type == "number"}
    return [
        c
        for c in columns
        if c.kind is Kind.DECIMAL and (c.money or c.path in numbers) and c.path.partition(".")[0] not in through_refs
    ]
