"""`tieout connections deliver`: sends what the vendor's webhook has not heard yet, for a scheduler to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, counted

if TYPE_CHECKING:
    from tieout.connections.webhooks import Delivered, Event


def deliver(
    ctx: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="Send so many events at most.")
    ] = 100,
) -> int:
    """Tell the webhook what became of connections. Servers with the connect page do so by themselves.

    Exit code 1 where an event was refused, not answered or given up.
    """
    output = of(ctx).output
    with of(ctx).connections() as connections:
        webhook = connections.webhooks.get()
        done = connections.webhooks.deliver(limit)
        troubled = [one for one in connections.webhooks.events() if one.error and one.state != "delivered"]
    if output.json:
        output.result({"delivered": done, "troubled": troubled})
    elif webhook is None:
        output.line("No webhook is set.")
        output.say("Set one from Python: connections.webhooks.set(url, secret).")
    else:
        _show(output, done, troubled)
    return 1 if done.put_off or done.failed else 0


def _show(output: Output, done: Delivered, troubled: list[Event]) -> None:
    parts = [f"delivered {counted(done.delivered, 'event')}"]
    parts += [f"{done.put_off} put off"] if done.put_off else []
    parts += [f"{done.failed} given up"] if done.failed else []
    parts += [f"{done.waiting} waiting"] if done.waiting else []
    output.line(", ".join(parts))
    if troubled:
        rows = [[one.type, one.owner, one.state, str(one.tries), one.error] for one in troubled]
        output.table(["event", "owner", "state", "tries", Column("what happened", wrap=True)], rows)
