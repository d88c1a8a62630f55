"""`tieout drift`: what changed in a company's objects: since last time, against another company, or the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.cli.invocation import ConnectionOption, EntityOption, of
from tieout.cli.output import Column, Output, Styled, counted
from tieout.errors import ConfigurationError, Exit, UnknownNameError

if TYPE_CHECKING:
    from tieout.catalogue.drift import Change
    from tieout.catalogue.model import Model
    from tieout.rest import Intacct

Compared = tuple[str, "str | None", "list[Change] | None"]
"""Object, since when, changes; None where there was nothing to compare with."""
LOOKS = {"added": "good", "removed": "bad", "changed": "strong"}


def drift(
    ctx: typer.Context,
    objects: Annotated[
        list[str] | None,
        typer.Argument(metavar="OBJECT", help="vendors, or accounts-payable/vendor; none: all ever asked for."),
    ] = None,
    other: Annotated[
        str | None, typer.Option("--with", metavar="CONNECTION", help="Compare with the company of this connection.")
    ] = None,
    documented: Annotated[
        bool, typer.Option("--catalogue", help="Compare with the documented objects that tieout knows offline.")
    ] = False,
    connection: ConnectionOption = None,
    entity: EntityOption = None,
) -> int:
    """Show what changed in the definition of objects: fields added or removed, types, words of choices, what may be
    written, methods. Exit code 1 where anything did.

    Asks the company now and compares with last time: the definition when this command last looked at the object, or
    when it was first asked for. With --with or --catalogue nothing of that is touched."""
    if other is not None and documented:
        raise ConfigurationError("--with and --catalogue are two comparisons.", advice="Give one of them.")
    output = of(ctx).output
    with of(ctx).client(connection, entity) as client:
        names = _names(client, objects or [])
        if documented:
            found = [_against(name, "the catalogue", _documented, client) for name in names]
        elif other is not None:
            with of(ctx).client(other, None) as second:
                found = [_against(name, other, lambda n: _live(second, n), client) for name in names]
        else:
            _remembers(client)
            found = [_since_last_time(name, client) for name in names]
        _report(output, found, "the catalogue" if documented else other or "last time")
        if not documented and other is None:
            for name in names:
                client.memory.forget_earlier(name)
    return Exit.RECORDS if any(changes for _, _, changes in found) else Exit.DONE


def _remembers(client: Intacct) -> None:
    from tieout.rest import ProcessMemory

    if isinstance(client.memory, ProcessMemory):
        raise ConfigurationError(
            "Nothing is remembered of a company that only the environment names, so there is no last time.",
            advice="Make a connection, `tieout connect NAME`, or compare with --with CONNECTION or --catalogue.",
        )


def _names(client: Intacct, words: Sequence[str]) -> list[str]:
    from tieout import catalogue

    names = list(dict.fromkeys(catalogue.resolve(word) for word in words)) or list(client.memory.objects())
    if not names:
        raise ConfigurationError(
            "No object of this company has been asked for yet, so there is nothing to compare.",
            advice="Name some: tieout drift vendors bills",
        )
    return names


def _live(client: Intacct, name: str) -> Model | None:
    try:
        return client.model(name, max_age=0)
    except UnknownNameError:
        return None


def _documented(name: str) -> Model | None:
    from tieout import catalogue

    try:
        return catalogue.load(name)
    except UnknownNameError:
        return None


def _since_last_time(name: str, client: Intacct) -> Compared:
    last = client.memory.kept_model(name)
    now = _live(client, name)
    before = client.memory.earlier_model(name) or last
    if before is None:
        if now is None:
            raise _nowhere(name)
        return name, None, None
    since = datetime.fromtimestamp(before.fetched_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return name, since, _changes(name, before.model, now, documented=False)


def _against(name: str, what: str, ask: Callable[[str], Model | None], client: Intacct) -> Compared:
    before, now = ask(name), _live(client, name)
    if before is None and now is None:
        raise _nowhere(name)
    return name, None, _changes(name, before, now, documented=what == "the catalogue")


def _nowhere(name: str) -> UnknownNameError:
    from tieout import catalogue

    return UnknownNameError("object", name, nearest=catalogue.nearest(name, catalogue.names()))


def _changes(name: str, before: Model | None, now: Model | None, *, documented: bool) -> list[Change]:
    from tieout.catalogue.drift import Change, compare

    if before is None:
        return [Change(path=name, what="added", aspect="object")]
    if now is None:
        return [Change(path=name, what="removed", aspect="object")]
    return compare(before, now, documented=documented)


def _report(output: Output, found: Sequence[Compared], what: str) -> None:
    total = sum(len(changes or ()) for _, _, changes in found)
    if output.json:
        output.result({"compared_with": what, "drift": total > 0, "objects": [_as_json(*one) for one in found]})
        return
    for name, since, changes in found:
        if changes is None:
            output.say(f"{name}: asked for the first time, remembered for the next.")
        if not changes:
            continue
        output.heading(f"{name}, compared with {what}" + (f" ({since})" if since else ""))
        columns: list[Column | str] = ["field", "change", Column("before", wrap=True), Column("now", wrap=True)]
        output.table(columns, [_cells(change) for change in changes])
        output.line()
    compared = sum(changes is not None for _, _, changes in found)
    if compared:
        verdict = counted(total, "difference") if total else "no difference"
        output.line(f"{counted(compared, 'object')} compared with {what}: {verdict}.")


def _as_json(name: str, since: str | None, changes: list[Change] | None) -> dict[str, Any]:
    import msgspec

    told = None if changes is None else [msgspec.to_builtins(change) for change in changes]
    return {"object": name, "since": since, "changes": told}


def _cells(change: Change) -> list[str | Styled]:
    word = f"{change.aspect} {change.what}" if change.what != "changed" else change.aspect
    return [change.path, Styled(word, LOOKS[change.what]), change.before, change.after]
