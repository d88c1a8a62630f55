"""What one step of an examination found. Knows how a refusal becomes a finding; asks nobody."""

from __future__ import annotations

from typing import Literal

import msgspec

from tieout.connections.examining import menus
from tieout.errors import IntacctError, TieoutError

Status = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an examination."""

    step: str
    """Stable: project, state, connection, key, application, sign-in, dns, tcp, tls, server, token, company, level,
    entity, read, create, limits."""
    status: Status
    said: str
    """What is so, or what happened, in a sentence."""
    object: str = ""
    """`accounts-payable/bill`, where the step is about one."""
    code: str = ""
    """The errorId or code that Intacct gave."""
    advice: str = ""
    whose: str = ""
    """Whose move it is; '' where there is none to make."""
    where: str = ""
    """The place in Sage: `Company > Security > Authorized client applications`."""
    exit_code: int = 0


def refused(
    step: str, error: TieoutError, *, object: str = "", where: str = "", advice: str = "", whose: str = ""
) -> Finding:
    """An error as a finding: its code, whose move it is, and the place in Sage that its code points to."""
    code = code_of(error)
    known = menus.BY_CODE.get(code.lower())
    return Finding(
        step=step,
        status="failed",
        said=error.message,
        object=object,
        code=code,
        advice=advice or (known.advice if known else error.advice),
        whose=whose or (known.whose if known else str(error.whose)),
        where=where or (known.where if known else ""),
        exit_code=error.exit_code,
    )


def code_of(error: TieoutError) -> str:
    """The code that says most: a detail's that is known, the errorId, the code word, the status; '' for an error of
    ours."""
    if not isinstance(error, IntacctError):
        return ""
    inner = [detail.error_id or detail.code for detail in error.details]
    known = [code for code in inner if code.lower() in menus.BY_CODE]
    return (known or [error.error_id or error.code or f"HTTP {error.status}"])[0]
