"""What can go wrong with a sign-in by browser, in one sentence each: what happened, whose move it is, what to do.

The words hold nothing of what the browser brought: no code, no state.
"""

from __future__ import annotations

from typing import Any, Literal

from tieout.connections.landing import Landed
from tieout.errors import Exit, NotAuthorisedError, Whose

Reason = Literal[
    "unknown_state",
    "expired",
    "used",
    "denied",
    "wrong_redirect",
    "code_refused",
    "no_refresh_token",
    "wrong_company",
    "wrong_user",
    "other_owner",
    "client_refused",
    "company_not_authorised",
    "unreachable",
    "bad_answer",
]
_ADMIN = "Company > Security > Authorized client applications"
_AGAIN = "Start the sign-in again."

WORDS: dict[Reason, tuple[str, str, Whose]] = {
    "unknown_state": (
        "This answer belongs to no sign-in that was begun here.",
        "Start the sign-in here and finish it in the same browser.",
        Whose.YOURS,
    ),
    "expired": ("This sign-in took too long.", _AGAIN, Whose.YOURS),
    "used": (
        "This answer was used already.",
        f"If the connection does not work: {_AGAIN[0].lower()}{_AGAIN[1:]}",
        Whose.YOURS,
    ),
    "denied": (
        "Sage Intacct gave no access: it was denied on the sign-in page.",
        "Sign in again and choose Allow. Where Sage offers none, an administrator must authorise the application: "
        f"{_ADMIN}.",
        Whose.YOURS,
    ),
    "wrong_redirect": (
        "The answer came back to another address than the one this sign-in was begun for.",
        "Register the redirect URI of the application exactly as it is used here, to the letter, then sign in again.",
        Whose.YOURS,
    ),
    "code_refused": (
        "Sage Intacct refused the code that it had given: it is too old, was used, or belongs to another address.",
        _AGAIN,
        Whose.YOURS,
    ),
    "no_refresh_token": (
        "Sage Intacct gave no refresh token: the connection would end with its first access token.",
        "Sign in again and ask for the scope offline_access.",
        Whose.YOURS,
    ),
    "wrong_company": (
        "Another company was signed in to than was meant.",
        "Sign in to the company that is meant.",
        Whose.YOURS,
    ),
    "wrong_user": ("Another Sage user signed in than was meant.", "Sign in as the user that is meant.", Whose.YOURS),
    "other_owner": (
        "This Sage user already works for another account here.",
        "Sign in as another Sage user.",
        Whose.YOURS,
    ),
    "client_refused": (
        "Sage Intacct refuses the client id or the client secret of the application, or the company has not authorised "
        "it: it does not say which.",
        "Give the application its right secret; where it is right, an administrator of the company adds the client id "
        f"under {_ADMIN}. Then sign in again.",
        Whose.YOURS,
    ),
    "company_not_authorised": (
        "The company has not authorised the application.",
        f"An administrator of the company adds its client id under {_ADMIN}; then sign in again.",
        Whose.ADMINISTRATOR,
    ),
    "unreachable": (
        "Sage Intacct gave no usable answer while the code was exchanged, and a code works once.",
        f"Try later. {_AGAIN}",
        Whose.NETWORK,
    ),
    "bad_answer": (
        "This is not what Sage Intacct sends a browser back with.",
        "Give the whole address that the browser ended at, from https:// to the end.",
        Whose.YOURS,
    ),
}
"""What happened, what to do, whose move it is."""


class SignInError(NotAuthorisedError):
    """A sign-in by browser that did not connect. `reason` is stable; the words may change.

    `landed` is set where somebody signed in, but not who was meant: nothing was revoked, and the sign-in is kept."""

    def __init__(
        self,
        reason: Reason,
        *,
        message: str = "",
        advice: str = "",
        return_url: str | None = None,
        connection_id: str | None = None,
        landed: Landed | None = None,
    ) -> None:
        said, todo, whose = WORDS[reason]
        super().__init__(message or said, advice=advice or ("" if message else todo), whose=whose)
        self.reason = reason
        self.return_url = return_url
        """Where the sign-in wanted to return to; None where it is not known."""
        self.connection_id = connection_id
        self.landed = landed
        if reason == "unreachable":
            self.exit_code = Exit.UNREACHABLE

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"reason": self.reason}
