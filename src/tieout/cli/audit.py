"""`tieout audit`: who connected, refreshed, failed, revoked or read a secret; whether it is whole; an export.

Asks nothing of Intacct.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, counted
from tieout.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from tieout.connections import Audit
    from tieout.connections.audit import Entry

SHORT = 8
"""Characters of an id that a table shows; --json and exports have all."""


def audit(
    ctx: typer.Context,
    owner: Annotated[str | None, typer.Option("--owner", metavar="ID", help="Only what concerns this owner.")] = None,
    what: Annotated[
        str | None, typer.Option("--what", metavar="WORD", help="Only this: connected, refreshed, failed, revoked ...")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="The last N; 0 for all.")] = 50,
    verify: Annotated[bool, typer.Option("--verify", help="Recompute the chain; exit code 5 where it broke.")] = False,
    head: Annotated[
        str | None, typer.Option("--head", metavar="HASH", help="With --verify: what an earlier export ended with.")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option("--export", metavar="FILE", help="Write JSON Lines, mode 0600; - for stdout."),
    ] = None,
) -> None:
    """Show the audit log: who connected, refreshed, failed, revoked or read a secret. It is append-only and chained.

    Keep the head that --verify or --export prints somewhere else: rows cut off at the end show only against it.
    """
    from tieout.connections import has_state

    output = of(ctx).output
    if head is not None and not verify:
        raise ConfigurationError("--head goes with --verify.", advice="tieout audit --verify --head HASH")
    if verify and (export or owner or what):
        raise ConfigurationError("--verify goes over the whole log, and alone.", advice="Leave the other options out.")
    if not has_state(of(ctx).project()):
        raise ConfigurationError("There is no state database here, so there is no audit log.")
    with of(ctx).connections() as connections:
        if verify:
            _verify(output, connections.audit, head)
        elif export is not None:
            _export(output, connections.audit, export, owner, what)
        else:
            _show(output, deque(connections.audit.entries(owner, what=what), maxlen=limit or None))


def _verify(output: Output, log: Audit, head: str | None) -> None:
    chain = log.verify(head)
    if output.json:
        output.result(chain)
        return
    output.line(f"whole: {counted(chain.length, 'row')}, head {chain.head or '(none yet)'}")


def _export(output: Output, log: Audit, place: str, owner: str | None, what: str | None) -> None:
    if place == "-":
        log.export(sys.stdout, owner, what=what)
        return
    target = Path(place)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            count = log.export(file, owner, what=what)
        draft.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    if output.json:
        output.result({"file": str(target), "rows": count})
        return
    output.line(f"wrote {counted(count, 'row')} to {target}")


def _show(output: Output, found: deque[Entry]) -> None:
    if output.json:
        output.result(list(found))
        return
    if not found:
        output.say("Nothing of the kind was logged.")
        return
    many = len({entry.owner for entry in found}) > 1
    rows = [
        [
            entry.time[:19].replace("T", " "),
            entry.what,
            entry.actor,
            *([entry.owner] if many else []),
            _words(entry.facts | {kind: id[:SHORT] for kind, id in entry.subjects.items()}),
        ]
        for entry in found
    ]
    owner = ["owner"] if many else []
    output.table(["time (UTC)", "what", "by", *owner, Column("about", wrap=True)], rows)


def _words(facts: dict[str, object]) -> str:
    yes_no = {True: "yes", False: "no"}
    told = {name: yes_no[value] if isinstance(value, bool) else value for name, value in facts.items()}
    told = {name: " ".join(map(str, value)) if isinstance(value, list) else value for name, value in told.items()}
    return ", ".join(f"{name} {value}" for name, value in told.items() if value not in ("", None))
