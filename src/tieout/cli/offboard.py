"""`tieout connections offboard`: lets an owner of a product go, once it has said what that ends; shows the receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tieout.cli.asking import can_ask, confirmed
from tieout.cli.invocation import of
from tieout.cli.output import Column, Output, counted
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.connections import Receipt
    from tieout.connections.offboarding import Ended


def offboard(
    ctx: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Whose connections, tokens and keys are erased.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    no_revoke: Annotated[bool, typer.Option("--no-revoke", help="Erase here, and ask nothing of Intacct.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also while a program works for the owner.")] = False,
) -> int:
    """Let an owner go: revoke their sign-ins at Intacct, erase what is theirs here, and give a receipt.

    Asked again for an owner who is gone, it gives the same receipt. Exit code 1 where Intacct did not revoke a
    sign-in; it is erased here all the same.
    """
    output = of(ctx).output
    with of(ctx).connections() as connections:
        if not yes:
            names = connections.names(owner)
            whose = f"{owner} ({', '.join(names)})" if names else owner
            what = f"Offboarding {whose} would {'' if no_revoke else 'revoke their sign-ins and '}erase what is theirs"
            if not can_ask():
                raise ConfigurationError(f"{what}.", advice="Add --yes if that is meant.")
            output.ask(f"{what}. It cannot be undone.")
            if not confirmed("Offboard?"):
                output.say("Nothing was erased.")
                return 0
        receipt = connections.offboard(owner, revoke=not no_revoke, force=force)
    if output.json:
        output.result(receipt)
    else:
        _show(output, receipt)
    return 1 if receipt.not_revoked and not no_revoke else 0


def _show(output: Output, receipt: Receipt) -> None:
    output.heading(f"{receipt.owner} was let go on {receipt.time[:16].replace('T', ' ')} UTC")
    rows = [["revoked", _who(each)] for each in receipt.revoked]
    rows += [["not revoked", f"{_who(each)}: {each.why_not}"] for each in receipt.not_revoked]
    rows += [["erased", f"{table}: {counted(count, 'row')}"] for table, count in receipt.erased.items() if count]
    rows += [["emptied", f"{table}: {counted(count, 'row')}"] for table, count in receipt.emptied.items() if count]
    rows += [
        ["company", f"{company}: what was learnt of it and asked of it is erased"] for company in receipt.companies
    ]
    rows += [["company", f"{company}: stays, it is another owner's too"] for company in receipt.shared]
    if receipt.unsettled:
        requests = counted(receipt.unsettled, "request")
        rows.append(["unsettled", f"{requests} whose outcome can no longer be found out"])
    rows += [["kept", f"{table}: {why}"] for table, why in receipt.kept.items()]
    rows.append(["audit head", receipt.audit_head])
    shown = [
        ["" if number and rows[number - 1][0] == title else title, text] for number, (title, text) in enumerate(rows)
    ]
    output.table(["", Column("", wrap=True)], shown)
    output.say("--json gives the whole receipt. Keep it, or the audit head, elsewhere.")


def _who(ended: Ended) -> str:
    names = f" ({', '.join(ended.connections)})" if ended.connections else ""
    return f"{ended.user}@{ended.company}{names}"
