"""`tieout connections plan`: who connects which location, before anybody signs in. Reads seats; decides nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import Invocation, of
from tieout.cli.output import Column, Output, Styled
from tieout.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    from tieout.connections import Connection, Plan, Seat

COLUMNS = ("location", "user", "company", "environment", "name", "app", "by")
ACTIONS = {
    "connected": ("connected", "good"),
    "sign in": ("to sign in", "strong"),
    "credentials": ("to connect", "strong"),
    "share": ("shares", "strong"),
    "refused": ("refused", "bad"),
}
BY = {"sign-in": "authorization_code", "credentials": "client_credentials", "": ""}


class Environment(StrEnum):
    """As of `tieout connect`."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    SIMULATOR = "simulator"


def plan(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="CSV with the columns location,user[,company,environment,name,app,by]."),
    ] = None,
    seat: Annotated[
        list[str] | None,
        typer.Option("--seat", metavar="LOCATION=USER", help="A location and its Sage user; may be repeated."),
    ] = None,
    company: Annotated[str | None, typer.Option("--company", metavar="ID", help="Where nothing else says.")] = None,
    environment: Annotated[
        Environment | None, typer.Option("--environment", help="Where nothing else says; else production.")
    ] = None,
    app: Annotated[str | None, typer.Option("--app", metavar="APP", help="The registered application.")] = None,
    credentials: Annotated[
        bool, typer.Option("--credentials", help="Web Services users by client credentials, not by signing in.")
    ] = False,
) -> None:
    """Plan who connects which location: a Sage user for each, so that no sign-in ends another.

    A second sign-in of the same Sage user ends the first one, through any application. Locations of one user share a
    sign-in; what cannot be shared is refused, with exit code 2. Without seats, shows what is connected.
    """
    from tieout.connections import PlanError

    output = of(ctx).output
    given = {"company": company or "", "environment": environment or "", "app": app or ""}
    given["by"] = "credentials" if credentials else ""
    with of(ctx).connections() as connections:
        there = connections.all()
        seats = [_seat(row, given, there, where) for row, where in _rows(file, seat or [])]
        seats = seats or [_seat_of(connection) for connection in there if connection.user]
        try:
            made = connections.plan(seats)
        except PlanError as refused:
            if not output.json:
                _show(output, refused.plan)
            raise
    if output.json:
        output.result({"rows": [row.to_dict() for row in made.rows]})
    elif not made.rows:
        output.say('There is nothing to plan: name seats (--seat "E110=Controller (USA)"), or give a CSV file.')
    else:
        _show(output, made)
        _next(of(ctx), made)


def _show(output: Output, made: Plan) -> None:
    rows = []
    for row in made.rows:
        word, look = ACTIONS[row.action]
        word = f"{word} {row.with_}".strip()
        who = f"{row.seat.user}@{row.seat.company}"
        rows.append([who, "->", row.seat.entity or "top level", row.name, Styled(word, look), row.why])
    columns: list[Column | str] = [
        Column("Sage user", wrap=True),
        "",
        "location",
        "connection",
        "",
        Column("", wrap=True),
    ]
    output.table(columns, rows)


def _next(invocation: Invocation, made: Plan) -> None:
    commands = [row.command for row in made.rows if row.command]
    if commands:
        invocation.output.line()
        invocation.output.heading("Next, in this order:")
        for command in commands:
            invocation.output.line(f"  {command}")


def _rows(file: Path | None, seats: list[str]) -> Iterator[tuple[Mapping[str, str], str]]:
    """Seats as columns, and where each stands."""
    if file is not None:
        yield from _read(file)
    for text in seats:
        location, separator, user = text.partition("=")
        if not separator or not user.strip():
            raise ConfigurationError(f"{text!r} is no seat.", advice='Write --seat "E110=Controller (USA)".')
        yield {"location": location.strip(), "user": user.strip()}, f"--seat {text}"


def _read(file: Path) -> Iterator[tuple[Mapping[str, str], str]]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SourceError(f"{file} is not UTF-8 text.", advice="Save it as CSV UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    heads = [(head or "").strip().lower() for head in reader.fieldnames or []]
    reader.fieldnames = heads
    unknown = [head for head in heads if head not in COLUMNS]
    if unknown or "location" not in heads or "user" not in heads:
        what = f"has a column {unknown[0]!r}" if unknown else "has no columns location and user"
        raise SourceError(f"{file} {what}.", advice=f"Its first line names columns of: {', '.join(COLUMNS)}.")
    try:
        for row in reader:
            where = f"{file}, line {reader.line_num}"
            if None in row:
                raise SourceError(f"{where}: there are more values than columns.", advice="Quote values with a comma.")
            cells = {head: (value or "").strip() for head, value in row.items()}
            if any(cells.values()):
                yield cells, where
    except csv.Error as error:
        raise SourceError(f"{file}, line {reader.line_num}: {error}.") from None


def _seat(cells: Mapping[str, str], given: Mapping[str, str], there: list[Connection], where: str) -> Seat:
    from tieout.connections import Seat

    said = {column: cells.get(column) or given.get(column, "") for column in COLUMNS}
    user, at, company = said["user"].rpartition("@")
    if not at:
        user, company = said["user"], said["company"]
    company = company or _only_company(there, where)
    environment, by = said["environment"], said["by"]
    known = [each for each in there if each.company.casefold() == company.casefold()]
    environment = environment or (known[0].environment if known else "production")
    if environment not in list(Environment) or by not in BY:
        bad = environment if environment not in list(Environment) else by
        raise ConfigurationError(
            f"{where}: there is no {bad!r}.",
            advice="An environment is production, sandbox or simulator; `by` is sign-in or credentials.",
        )
    address = next((each.base_url for each in known if each.environment == environment), None)
    return Seat(
        entity=said["location"],
        user=user,
        company=company,
        environment=environment,
        app=said["app"],
        kind="client_credentials" if BY[by] == "client_credentials" else "authorization_code",
        name=said["name"],
        base_url=address,
    )


def _only_company(there: list[Connection], where: str) -> str:
    companies = sorted({each.company for each in there if each.company})
    if len(companies) == 1:
        return companies[0]
    raise ConfigurationError(
        f"{where}: which company?", advice="Write user@company, or give --company; one that is connected is known."
    )


def _seat_of(connection: Connection) -> Seat:
    from tieout.connections import Seat

    return Seat(
        entity=connection.entity or "",
        user=connection.user,
        company=connection.company,
        environment=connection.environment,
        owner=connection.owner,
        kind="client_credentials" if connection.kind == "client_credentials" else "authorization_code",
        name=connection.name,
        base_url=connection.base_url,
    )
