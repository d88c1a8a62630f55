"""`tieout log`: the requests that were made and what Intacct answered, newest first. Asks nothing of Intacct."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, Styled, counted
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.rest import Try

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TITLES = ("sent (UTC)", "method", "path", "entity", "status", "error", "time", "cost", "try")
NOTHING = "No request was made that fits."
NOWHERE = "There is no state database here, so there is no log. `tieout connect` makes one."
UNLOGGED = "Requests with credentials of the environment (TIEOUT_CLIENT_ID) are not logged."
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def log(
    ctx: typer.Context,
    status: Annotated[
        str | None, typer.Option("--status", metavar="CODE", help="This HTTP status, 4xx or 5xx, or none: no answer.")
    ] = None,
    error: Annotated[str | None, typer.Option("--error", metavar="ID", help="This errorId, such as REST-1106.")] = None,
    support_id: Annotated[
        str | None, typer.Option("--support-id", metavar="ID", help="A support id, or its beginning.")
    ] = None,
    path: Annotated[
        str | None, typer.Option("--path", metavar="TEXT", help="The path has this in it: vendor, query.")
    ] = None,
    object: Annotated[
        str | None, typer.Option("--object", metavar="OBJECT", help="About these records: vendors. Queries too.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option("--entity", "--location", metavar="ID", help="Made in this entity (location).")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Not older: 15m, 12h, 7d, or 2026-03-20T10:00 (UTC).")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 for all.")] = 50,
) -> None:
    """Search the requests that were made: method, path, status, error, support id, time, cost. No bodies, no secrets.

    The state database keeps those of the last 30 days, at most 100,000.
    """
    from tieout.connections import has_state
    from tieout.connections.requests import search
    from tieout.connections.settings import credentials_in_environment
    from tieout.store import open_store

    output = of(ctx).output
    project = of(ctx).project()
    wanted = {"status": _status(status), "since": _moment(since)}
    found: Sequence[Try] = []
    kept, unlogged = has_state(project), credentials_in_environment(project)
    if kept:
        with open_store(project.state_url) as store:
            found = search(
                store,
                error_id=error,
                support_id=support_id,
                path=path,
                object=object,
                entity=entity,
                limit=limit or None,
                **wanted,  # type: ignore[arg-type]  # both are read above
            )
    if output.json:
        output.result([_as_json(tried) for tried in found])
    else:
        _show(output, found, limit)
        if not found:
            output.say(NOTHING if kept else NOWHERE)
            if unlogged:
                output.say(UNLOGGED)


def _show(output: Output, found: Sequence[Try], limit: int) -> None:
    if not found:
        return
    rows: list[list[Any]] = [
        [
            tried.at.strftime("%Y-%m-%d %H:%M:%S"),
            tried.method,
            tried.what,
            tried.entity or "",
            Styled(str(tried.status), "bad") if tried.status >= 400 else str(tried.status or "none"),
            tried.error_id,
            f"{tried.seconds:.2f} s",
            str(tried.transactions),
            str(tried.attempt),
        ]
        for tried in found
    ]
    columns = [
        Column(title, right=title in ("time", "cost", "try"), wrap=title in ("path", "error")) for title in TITLES
    ]
    empty = [title for title in ("entity", "error") if not any(row[TITLES.index(title)] for row in rows)]
    output.table(*output.narrowed(columns, rows, [*empty, "try", "cost"]))
    for tried in found:
        if tried.support_id:
            output.line(f"  support id of {tried.at:%H:%M:%S} {tried.error_id}: {tried.support_id}")
    more = "; --limit 0 shows all there are" if len(found) == limit else ""
    output.say(f"{counted(len(found), 'request')}{more}")


def _as_json(tried: Try) -> dict[str, object]:
    facts: dict[str, object] = {name: getattr(tried, name) for name in tried.__struct_fields__ if name != "time"}
    return {"at": tried.at.isoformat(timespec="milliseconds")} | facts


def _status(text: str | None) -> int | None:
    """`429`, `4xx`, `none` -> what the search takes."""
    if text is None:
        return None
    word = text.strip().lower()
    if word in ("none", "0"):
        return 0
    if re.fullmatch(r"[1-5](xx|\d\d)", word):
        return int(word.removesuffix("xx"))
    raise ConfigurationError(f"{text!r} is not a status.", advice="Give a number such as 429, or 4xx, 5xx, none.")


def _moment(text: str | None) -> datetime | timedelta | None:
    """`12h` or a date and time, in UTC where it names no zone."""
    if text is None:
        return None
    word = text.strip()
    if (span := _SPAN.fullmatch(word.lower())) is not None:
        return timedelta(**{UNITS[span[2]]: int(span[1])})
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is not a moment.", advice="Give how long ago, such as 15m, 12h or 7d, or 2026-03-20T10:00."
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
