"""Which lines come with a document, and which filter means the same for them. Knows models; knows no table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import (
    CheckError,
    ConfigurationError,
    IntacctError,
    InvalidRequestError,
    NotFoundError,
    Problem,
    UnknownNameError,
)
from tieout.pull.failures import is_connection_wide

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct


class Lines(NamedTuple):
    """One object of lines."""

    model: Model
    owner: str
    """Path of the reference to the document."""
    where: Filter | None


def lines_of(
    client: Intacct, model: Model, wanted: bool | tuple[str, ...] | None, where: Filter | None, notes: list[str]
) -> Iterator[Lines]:
    """The lines to pull with the documents of `model`. What is left out is said in `notes`.

    Raises CheckError for a name that is no list of owned lines, ConfigurationError where the filter has no meaning for
    lines that were asked for."""
    owned = {name: entry.object for name, entry in model.lists.items() if entry.object}
    if isinstance(wanted, tuple) and (unknown := [name for name in wanted if name not in owned]):
        problems = [
            Problem(
                path=name,
                reason="is no list of owned lines",
                nearest="".join(catalogue.nearest(name, list(owned), 1)),
            )
            for name in unknown
        ]
        raise CheckError(f"The list of lines of {model.name}", problems, advice="Nothing was read.")
    if wanted is None:
        names = [name for name, object in owned.items() if _are_lines(name, object)]
    else:
        names = list(wanted) if isinstance(wanted, tuple) else list(owned) if wanted else []
    for object in dict.fromkeys(owned[name] for name in names):
        try:
            child = client.model(object)
        except (UnknownNameError, NotFoundError, InvalidRequestError):
            notes.append(f"{object} is not known to this company, so these lines are left out")
            continue
        except IntacctError as error:
            if is_connection_wide(error):
                raise
            notes.append(f"{object} is left out: {error}")
            continue
        owner = _owner_path(child, model.name)
        if owner is None:
            notes.append(f"{object} names no owner in {model.name}, so these lines are left out")
            continue
        narrowed, outside = _translate(where, owner, child)
        if outside and wanted is None:
            notes.append(f"{child.name} is left out: its rows cannot be filtered by {', '.join(outside)}")
        elif outside:
            raise ConfigurationError(
                f"Lines of {child.name} cannot be filtered by {', '.join(outside)} of their document.",
                advice=f"Set lines = false, and pull {child.name} in a section of its own with a filter it knows.",
            )
        else:
            yield Lines(child, owner, narrowed)


def parsed(text: str | None, model: Model) -> Filter | None:
    """The filter of a section, checked against the model."""
    if text is None:
        return None
    from tieout.rest import Query, parse_where
    from tieout.rest.check import check_query

    return check_query(Query(object=model.name, fields=("key",), where=parse_where(text)), model).where


def _are_lines(name: str, object: str) -> bool:
    """Lines of a document, as against a vendor's contacts or restrictions: those are pulled only when asked for,
    since each list is a table with transactions of its own."""
    return name.lower().endswith("lines") or object.endswith(("-line", "-entry")) or "-line::" in object


def _owner_path(child: Model, parent: str) -> str | None:
    known = catalogue.owner(child.name)
    references = child.references()
    if known is not None and known[2] in references:
        return known[2]
    marked = [path for path, ref in references.items() if ref.is_owner]
    pointing = [path for path, ref in references.items() if ref.object == parent]
    return next(iter([*marked, *pointing]), None)


def _translate(where: Filter | None, owner: str, child: Model) -> tuple[Filter | None, tuple[str, ...]]:
    """The document's filter as its lines' filter: `state` -> `bill.state`; and the paths that lines do not know."""
    if where is None:
        return None, ()
    paths = child.paths()
    outside = tuple(dict.fromkeys(c.path for c in where.conditions() if f"{owner}.{c.path}" not in paths))
    return (None, outside) if outside else (_moved(where, owner), ())


def _moved(where: Filter, owner: str) -> Filter:
    from tieout.rest.filters import Condition, Filter

    if where.condition is not None:
        found = where.condition
        return Filter(Condition(found.operator, f"{owner}.{found.path}", found.value))
    return Filter(joiner=where.joiner, children=tuple(_moved(child, owner) for child in where.children))
