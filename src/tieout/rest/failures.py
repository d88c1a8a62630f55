"""What a refusal means: one table from (errorId, code, status) to action, whose move it is, and advice.

Reads every error envelope of REST reference 8.2. Knows nothing of retries in progress; `perform` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from tieout.errors import (
    ConflictError,
    Detail,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    ReplyError,
    ServerError,
    ThrottledError,
    TokenRefusedError,
    Whose,
)
from tieout.rest.call import Reply


class Action(Enum):
    """What to do next."""

    STOP = "stop"
    RENEW = "renew the token once and send again"
    RETRY = "wait and send again, if a repeat is safe"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the failure table."""

    kind: type[IntacctError]
    action: Action = Action.STOP
    whose: Whose
    advice: str


TOKEN = Rule(
    kind=TokenRefusedError,
    action=Action.RENEW,
    whose=Whose.YOURS,
    advice="The access token was refused even after renewing it; connect again.",
)
CREDENTIALS = Rule(
    kind=TokenRefusedError,
    whose=Whose.YOURS,
    advice="Check client id, client secret and user@company; the user must be a Web Services user and the client "
    "authorised under Company > Security.",
)
SENDER = Rule(
    kind=ForbiddenError,
    whose=Whose.ADMINISTRATOR,
    advice="The company has not authorised this client or sender: Company > Security > Authorized client applications.",
)
DATA = Rule(kind=InvalidRequestError, whose=Whose.YOURS, advice="Correct the request; repeating it cannot help.")
BUSINESS = Rule(kind=RefusedError, whose=Whose.YOURS, advice="Correct the record or the company's set-up, then retry.")

BY_ID: Mapping[str, Rule] = {
    "REST-1206": TOKEN,
    "REST-2102": TOKEN,
    "GW-0031": TOKEN,
    "GW-0040": TOKEN,
    "GW-0034": TOKEN,
    "GW-0011": SENDER,
    "XL03000006": SENDER,
    "REST-1216": CREDENTIALS,
    "invalid_grant": CREDENTIALS,
    "invalid_client": CREDENTIALS,
    "unauthorized_client": CREDENTIALS,
    "REST-1106": Rule(
        kind=InvalidRequestError, whose=Whose.YOURS, advice="Leave this field out of the query; GET returns it."
    ),
    "GL-1009": Rule(kind=RefusedError, whose=Whose.YOURS, advice="Make debits equal credits, per entity and currency."),
}
"""By errorId or, for the token endpoint, OAuth error word (REST reference 1.8, 8.5)."""

BY_STATUS: Mapping[int, Rule] = {
    400: DATA,
    401: TOKEN,
    403: Rule(
        kind=ForbiddenError,
        whose=Whose.ADMINISTRATOR,
        advice="The user may not do this: Company > Admin > Users > the user, permissions and user entities.",
    ),
    404: Rule(
        kind=NotFoundError, whose=Whose.YOURS, advice="It was deleted, is private to another entity, or never was."
    ),
    405: Rule(kind=InvalidRequestError, whose=Whose.YOURS, advice="This object does not allow the operation."),
    409: Rule(kind=ConflictError, whose=Whose.YOURS, advice="Look whether the record is already in Intacct."),
    422: BUSINESS,
    429: Rule(
        kind=ThrottledError, action=Action.RETRY, whose=Whose.SAGE, advice="The company's limit is reached; try later."
    ),
}
SERVER = Rule(kind=ServerError, action=Action.RETRY, whose=Whose.SAGE, advice="Intacct is in trouble; try later.")

TOKEN_WORDS = ("the token is not valid", "invalid token", "expired token")
"""Last resort for status 400 without a known errorId (REST reference 1.8)."""


def rule_for(error_ids: Iterable[str], status: int, message: str = "") -> Rule:
    """The row that applies: errorId first, then status, words last."""
    for error_id in error_ids:
        if error_id in BY_ID:
            return BY_ID[error_id]
    if status == 400 and any(words in message.lower() for words in TOKEN_WORDS):
        return TOKEN
    if status in BY_STATUS:
        return BY_STATUS[status]
    return SERVER if status >= 500 else DATA


class Refusal(msgspec.Struct, frozen=True):
    """An error with the rule that applies to it."""

    error: IntacctError
    action: Action


def refusal_of(reply: Reply, request: str) -> Refusal | ReplyError:
    """Read a reply that is not a success. `request` is `METHOD /path`, for the message."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        return strange_reply(reply, request)
    found = find_error(body)
    if found is None:
        if not isinstance(body, dict):
            return strange_reply(reply, request)
        found = {}
    return refusal_from(found, reply.status, request)


def find_error(body: Any) -> dict[str, Any] | None:
    """The error object of any envelope: nested, flat, gateway or OAuth (REST reference 8.2)."""
    if not isinstance(body, dict):
        return None
    result = body.get("ia::result")
    for place in (result, body):
        if isinstance(place, dict) and place.get("ia::error") is not None:
            error = place["ia::error"]
            return dict(error) if isinstance(error, dict) else {"message": str(error)}
    error = body.get("error")
    if isinstance(error, dict):
        return dict(error)
    if isinstance(error, str) and result is None:  # the token endpoint, RFC 6749
        return {
            "errorId": error,
            "message": body.get("error_description") or f"The token request was refused ({error})",
        }
    return None


def refusal_from(found: Mapping[str, Any], status: int, request: str) -> Refusal:
    """An `ia::error` object -> the error to raise and what to do. Missing or odd members are tolerated."""
    details = tuple(_detail(entry) for entry in found.get("details") or () if isinstance(entry, Mapping))
    error_id, code = _text(found, "errorId"), _text(found, "code")
    message = _text(found, "message") or f"Intacct answered HTTP {status} without saying why"
    rule = rule_for((error_id, *(d.error_id for d in details), code), status, message)
    more = found.get("additionalInfo")
    placeholders = more.get("placeholders") if isinstance(more, Mapping) else None
    error = rule.kind(
        message,
        status=status,
        error_id=error_id,
        code=code,
        support_id=_text(found, "supportId"),
        details=details,
        placeholders={k: str(v) for k, v in placeholders.items()} if isinstance(placeholders, Mapping) else {},
        advice=rule.advice,
        whose=rule.whose,
        request=request,
    )
    return Refusal(error, rule.action)


def strange_reply(reply: Reply, request: str) -> ReplyError:
    """A reply that is not JSON: a web page of the gateway, a cut body, nothing."""
    start = reply.body[:200].lstrip().lower()
    if not reply.body:
        what = "an empty reply"
    elif start.startswith(b"<") or "html" in reply.headers.get("content-type", ""):
        what = "a web page instead of JSON"
    else:
        what = "a reply that is cut off or not JSON"
    return ReplyError(
        f"{request} was answered with {what} (HTTP {reply.status}).",
        advice="Intacct or a proxy before it is in trouble; try again later.",
    )


def moved(reply: Reply, request: str) -> ReplyError:
    """A redirect. Not followed: a bearer token belongs to one host. The request was not processed."""
    return ReplyError(
        f"{request} was answered with a redirect (HTTP {reply.status}).",
        advice="Check the base URL: it must be the API's own address.",
        whose=Whose.YOURS,
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _detail(entry: Mapping[str, Any]) -> Detail:
    return Detail(
        error_id=_text(entry, "errorId"),
        code=_text(entry, "code"),
        message=_text(entry, "message"),
        target=_text(entry, "target"),
        correction=_text(entry, "correction"),
    )
