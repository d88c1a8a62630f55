"""`tieout get`: whole records by key or by id, readable or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import BudgetOption, ConnectionOption, EntityOption, of
from tieout.cli.output import plain
from tieout.errors import Exit, IntacctError, InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from tieout.rest import Intacct, Record

BY_ID = "KEY is the key that Intacct gave the record; for its own id (V-2001), add --by-id."


def get(
    ctx: typer.Context,
    object: Annotated[str, typer.Argument(metavar="OBJECT", help="bills, vendor, accounts-payable/vendor ...")],
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys of the records; with --by-id, their ids.")],
    by_id: Annotated[bool, typer.Option("--by-id", help="KEY is the business id: look the key up first.")] = False,
    connection: ConnectionOption = None,
    entity: EntityOption = None,
    max_transactions: BudgetOption = None,
) -> int:
    """Show whole records with all their fields and lines. Exit code 1 where one of them is not there."""
    from tieout.catalogue import resolve

    output = of(ctx).output
    with of(ctx).client(connection, entity, max_transactions) as client:
        name = resolve(object)
        wanted = look_up(client, name, keys) if by_id else list(keys)
        found = fetch(client, name, wanted)
        errors = [entry for entry in found if isinstance(entry, IntacctError)]
        if not by_id:
            for error in errors:
                if isinstance(error, NotFoundError) or not all(key.isdigit() for key in keys):
                    error.advice = f"{BY_ID} {error.advice}".rstrip()
        if output.json:
            shown = [entry.to_dict() if isinstance(entry, IntacctError) else nested(entry) for entry in found]
            output.result(shown[0] if len(keys) == 1 else shown)
        else:
            for number, entry in enumerate(entry for entry in found if not isinstance(entry, IntacctError)):
                if number:
                    output.line("---")
                for line in readable(plain(nested(entry))):
                    output.line(line)
    if not output.json:
        for error in errors:
            output.error(error)
    return Exit.RECORDS if errors else Exit.DONE


def fetch(client: Intacct, name: str, keys: Sequence[str]) -> list[Record | IntacctError]:
    """The records, or why one is not there, in the same order."""
    if len(keys) != 1:
        return client.get_many(name, keys)
    try:
        return [client.get(name, keys[0])]
    except (NotFoundError, InvalidRequestError) as error:
        return [error]


def look_up(client: Intacct, name: str, ids: Sequence[str]) -> list[str]:
    """Keys of the records with these ids, in the same order. NotFoundError names the ids that nothing has."""
    from tieout.rest import F

    rows = client.query(name, ["id", "key"], F("id").in_(list(ids)), private=True)
    keys = {str(row["id"]): str(row["key"]) for row in rows}
    missing = [id for id in ids if id not in keys]
    if missing:
        raise NotFoundError(
            f"No {name} has the id {', '.join(missing)}.",
            status=404,
            code="notFound",
            advice="Ids are compared exactly; `tieout query` shows those there are.",
        )
    return [keys[id] for id in ids]


def nested(record: Any) -> Any:
    """A record as plain dictionaries and lists."""
    if isinstance(record, Mapping):
        return {name: nested(value) for name, value in record.items()}
    if isinstance(record, (list, tuple)):
        return [nested(value) for value in record]
    return record


def readable(value: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """A record in YAML's layout: `name: value`, groups indented, lines with a dash."""
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            yield f"{indent}{name}:"
            yield from readable(item, indent + "  ")
        elif isinstance(item, list) and item:
            yield f"{indent}{name}:"
            for entry in item:
                if isinstance(entry, Mapping) and entry:
                    first, *others = readable(entry, indent + "    ")
                    yield f"{indent}  - {first.lstrip()}"
                    yield from others
                else:
                    yield f"{indent}  - {_scalar(entry)}"
        else:
            yield f"{indent}{name}: {_scalar(item)}".rstrip()


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str() if value.isprintable() and value == value.strip() and value not in ("", "null", "true", "false"):
            return value
        case str():
            return _quoted(value)
    return "{}" if value == {} else str(value)


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
