"""`tieout model`: what an object is made of, offline from the catalogue or live from a company."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import ConnectionOption, EntityOption, of
from tieout.cli.output import Column, Output, Styled, counted

if TYPE_CHECKING:
    from tieout.catalogue.model import Field, Model, Required

EVIDENCE = {
    "live": "the recorded model of a company; yours may have more fields: add --live",
    "overlay": "Sage's API definition; your company may have more fields: add --live",
    "inferred": "Sage's examples, so types and flags are inferred; add --live to ask your company",
}

MOST_WORDS = 12
"""Words of a choice that are shown."""


def model(
    ctx: typer.Context,
    object: Annotated[
        str | None, typer.Argument(metavar="OBJECT", help="vendors, or accounts-payable/vendor; none lists them all.")
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", "-s", metavar="TEXT", help="Only names or fields that hold TEXT.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the connected company: its own fields, too.")] = False,
    connection: ConnectionOption = None,
    entity: EntityOption = None,
) -> None:
    """Show an object's fields: type, what can be read, filtered and written, what a create needs.

    Without OBJECT, list the objects. Works offline; with --live, or a connection named, the company is asked.
    """
    from tieout import catalogue

    output = of(ctx).output
    if object is None:
        _list(output, search)
        return
    name = catalogue.resolve(object)
    learnt: dict[str, str] = {}
    asked = live or connection is not None or entity is not None
    if asked:
        with of(ctx).client(connection, entity) as client:
            found = client.model(name)
            learnt = client.memory.unqueryable(name)
    else:
        found = catalogue.load(name)
    rows = [row for row in describe(found, learnt) if _holds(row["path"], search)]
    lists = {path: entry.object for path, entry in found.lists.items() if _holds(f"{path} {entry.object}", search)}
    required = [entry for entry in required_on_create(found) if _holds(entry.path, search)]
    if output.json:
        output.result(
            {
                "object": found.name,
                "kind": found.kind,
                "methods": found.methods,
                "evidence": "company" if asked else found.evidence,
                "fields": rows,
                "lists": lists,
                "required_on_create": [{"path": r.path, "when": r.when} for r in required],
            }
        )
        return
    output.heading(found.name)
    owned = "" if found.kind == "rootObject" else ", an owned object (it lives inside its owner)"
    count = counted(len(rows), "field") if search is None else f"{counted(len(rows), 'field')} with {search!r}"
    output.line(f"{count}{owned}; {', '.join(found.methods) or 'no methods documented'}")
    output.line(f"Known from {'the company itself' if asked else EVIDENCE[found.evidence]}.")
    _show(output, rows, lists, [entry for entry in required if entry.when])


def _holds(text: str, search: str | None) -> bool:
    return search is None or search.lower() in text.lower()


def describe(found: Model, learnt: Mapping[str, str] = MappingProxyType({})) -> list[dict[str, Any]]:
    """One entry a field: path, type, flags, values, whether a create needs it. `learnt` holds what the company's
    queries were found to refuse (REST reference 5.6)."""
    required = {entry.path: entry.when or "always" for entry in required_on_create(found)}
    targets = {path: ref.object for path, ref in found.references().items()}
    from tieout.catalogue.drift import access, kind

    rows = []
    for path, field in found.paths().items():
        owner = path.rpartition(".")[0]
        rows.append(
            {
                "path": path,
                "type": kind(field),
                "access": access(field),
                "query": queryable(path, field, learnt),
                "required": required.get(path, required.get(owner, "") if path.endswith(".id") else ""),
                "enum": None if field.enum is None else list(field.enum),
                "max_length": field.max_length,
                "refers_to": targets.get(owner) if path.endswith((".id", ".key")) else None,
                "inferred": field.inferred,
                "deprecated": field.deprecated,
            }
        )
    return rows


def required_on_create(found: Model) -> tuple[Required, ...]:
    """The catalogue's list: a live model says `required: false` of everything (REST reference 9.2)."""
    from tieout import catalogue
    from tieout.errors import UnknownNameError

    try:
        return found.required or catalogue.load(found.name).required
    except UnknownNameError:
        return ()


def queryable(path: str, field: Field, learnt: Mapping[str, str]) -> str:
    """`filter` (can be asked for, filtered and ordered by), `select` (asked for only), or "" (REST reference 5.6)."""
    if field.write_only or path in learnt:
        return ""
    return "select" if path.rpartition(".")[2] == "href" else "filter"


def _list(output: Output, search: str | None) -> None:
    from tieout import catalogue

    names = [name for name in catalogue.names() if search is None or search.lower() in name.lower()]
    if output.json:
        output.result(names)
        return
    for name in names:
        output.line(name)
    hint = "" if search else "; `tieout model --search TEXT` narrows it, `tieout model OBJECT` shows one"
    output.say(f"{counted(len(names), 'object')}{hint}")


def _show(
    output: Output, rows: list[dict[str, Any]], lists: dict[str, str | None], conditional: Sequence[Required]
) -> None:
    if rows:
        output.line()
        columns: list[Column | str] = [
            "field",
            "type",
            "access",
            "query",
            "on create",
            Column("values and notes", wrap=True),
        ]
        output.table(columns, [list(_cells(row)) for row in rows])
    for path, object in lists.items():
        output.line()
        output.line(f"{path}[]: {object or 'inline lines'}" + (f", see `tieout model {object}`" if object else ""))
    if conditional:
        output.line()
        output.line("Required on create in some cases:")
        output.table(["", ""], [[f"  {entry.path}", entry.when] for entry in conditional])


def _cells(row: dict[str, Any]) -> Iterator[str | Styled]:
    yield row["path"]
    yield row["type"]
    yield Styled(row["access"], "faint") if row["access"] == "read" else row["access"]
    yield Styled(row["query"], "faint") if row["query"] == "filter" else row["query"] or "no"
    yield Styled("required", "strong") if row["required"] == "always" else ("see below" if row["required"] else "")
    notes = []
    if row["enum"]:
        notes.append(_choices(row["enum"]))
    if row["refers_to"]:
        notes.append(f"-> {row['refers_to']}")
    if row["max_length"]:
        notes.append(f"at most {row['max_length']} characters")
    notes += [word for word in ("deprecated", "inferred") if row[word]]
    yield Styled("; ".join(notes), "faint")


def _choices(words: Sequence[str | None]) -> str:
    """The words of a choice; of a long list, such as all countries, the first ones."""
    shown = ["null" if word is None else word for word in words]
    if len(shown) > MOST_WORDS + 4:
        shown = [*shown[:MOST_WORDS], f"{len(shown) - MOST_WORDS} more, which --json lists"]
    return " | ".join(shown)
