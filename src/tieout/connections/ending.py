"""Why a grant does not work any more, and what to say of it. Reads rows; changes none and asks nothing of Intacct."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections import audit, rows
from tieout.errors import NotAuthorisedError, TieoutError, UnreachableError

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

Reason = Literal["superseded", "revoked", "expired", "secret", "interrupted", "refused"]

UNUSED = 90 * 86_400.0
"""Seconds without use after which a refused refresh token is taken to have expired: how long one lives is not known
(REST reference 1.3); six months are told."""
CLIENT_ERRORS = frozenset({"invalid_client", "rest-1216"})
"""How a wrong client or secret is refused (REST reference 1.8). A dead grant is seen under the same words."""


class Ended(msgspec.Struct, frozen=True):
    """Why a refresh token is refused."""

    reason: Reason
    superseded_by: str | None = None


def cause(transaction: Transaction, grant: Any, now: float) -> Ended:
    """Why Intacct refuses this grant's refresh token, as far as this installation can know."""
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    same = {name: getattr(grant, name) for name in ("company_key", "user_id", "place")}
    later = transaction.execute(
        select(grants.c.id, grants.c.owner)
        .filter_by(**same, kind="authorization_code")
        .where(grants.c.id != grant.id, grants.c.granted_at >= grant.granted_at)
        .order_by(grants.c.granted_at.desc())
    ).all()
    for other in later:
        borrowing = rows.borrowers(transaction, other.id) if other.owner == grant.owner else []
        return Ended("superseded", borrowing[0].id if borrowing else None)
    # One that was begun and never answered may have been done all the same.
    revokes = ("revoke begun", "revoke refused", "revoked")
    if audit.last_of(transaction, revokes, grant.id, grant.granted_at) in ("revoke begun", "revoked"):
        return Ended("revoked")
    if grant.last_used is not None and now - grant.last_used > UNUSED:
        return Ended("expired")
    return Ended("refused")


def explained(transaction: Transaction, grant: Any, now: float) -> TieoutError:
    """The error for a call over a grant that gives no token now: ended, in doubt, or resting after a failure."""
    who = f"{grant.user_id}@{grant.company}"
    borrowing = rows.borrowers(transaction, grant.id)
    again = f"Run `tieout connect {borrowing[0].name}`." if borrowing else "Connect again."
    if grant.reason == "secret":
        return NotAuthorisedError(
            f"Intacct refuses the client id or secret of the application that signed in {who} ({grant.error}).",
            advice="Give the application its new secret; the connection then goes on by itself. If the secret is "
            f"right, the sign-in has ended: {again[0].lower()}{again[1:]}",
        )
    if grant.state != "active":
        said, advice = _words(transaction, grant)
        return NotAuthorisedError(f"The sign-in of {who} {said}.", advice=f"{advice} {again}".strip())
    wait = max(1, round((grant.retry_after or now) - now))
    if grant.error:
        return NotAuthorisedError(
            f"Intacct refused a token for {who} ({grant.error}); it is not asked again for {wait} seconds.",
            advice=f"Check client id, client secret and user. {again}",
        )
    return UnreachableError(
        f"Intacct gave no new access token for {who}; it is not asked again for {wait} seconds.",
        advice="Try again after that.",
    )


def _words(transaction: Transaction, grant: Any) -> tuple[str, str]:
    when = f" (noticed {_plain(grant.died_at)})" if grant.died_at else ""
    match grant.reason:
        case "superseded":
            return (
                f"was ended by a later sign-in of the same Sage user{_by_which(transaction, grant)}{when}",
                "A Sage user can be signed in once: take another user for this connection, or one grant for both.",
            )
        case "revoked":
            return f"was ended when a token of the user was revoked{when}", ""
        case "expired":
            return f"has expired: it was not used for months{when}", ""
        case "interrupted":
            return (
                f"is in doubt: a program was cut off while it renewed the token, and Intacct refuses the old one{when}",
                "",
            )
    return (
        f"was ended outside this installation{when}: revoked in Sage, or the user signed in with another program",
        "",
    )


def _plain(moment: str) -> str:
    """A moment of the tables as a person reads it."""
    return f"{moment[:16].replace('T', ' ')} UTC"


def _by_which(transaction: Transaction, grant: Any) -> str:
    """For which connection the later sign-in was, and when. No moment where that one was signed in once more since."""
    from sqlalchemy import select

    from tieout.store.access_tables import grants

    other = rows.find(transaction, grant.owner, id=grant.superseded_by) if grant.superseded_by else None
    if other is None:
        return ""
    moment = transaction.execute(select(grants.c.granted_at).where(grants.c.id == other.grant_id)).scalar()
    when = f" at {_plain(moment)}" if moment and grant.died_at and moment <= grant.died_at else ""
    return f", for the connection {other.name!r}{when}"


def is_client_error(error: TieoutError) -> bool:
    """Whether a refusal is about the application, not the grant."""
    codes = {str(getattr(error, name, "")).lower() for name in ("error_id", "code")}
    return bool(codes & CLIENT_ERRORS)
