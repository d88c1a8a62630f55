"""What a refusal means: one table from (errorId, code, status) to action, whose move it is, and advice.

Reads every error envelope of REST reference 8.2. Knows nothing of retries in progress; `perform` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tieout.errors import Detail, IntacctError, InvalidRequestError, RefusedError, ReplyError, TooLargeError, Whose
from tieout.rest.call import Reply
from tieout.rest.failure_table import BY_CODE, TOKEN_WORDS, WORDS, Action, Rule, by_status

__all__ = ["Action", "Refusal", "Rule", "find_error", "moved", "refusal_from", "refusal_of", "rule_for"]

CLEAR_BY_STATUS = (401, 413, 429)
"""Statuses that say enough with any body, or none: the body of a 429 is not known (REST reference 8.6)."""


def rule_for(codes: Iterable[str], status: int, messages: Sequence[str] = ()) -> Rule:
    """The row that applies: codes first, those of details before those that wrap them; then words; then the status."""
    rows = [BY_CODE[code.lower()] for code in codes if code.lower() in BY_CODE]
    for row in rows:
        if not row.wrapper:
            return row
    said = " ".join(messages).lower()
    if status == 400 and not rows and any(words in said for words in TOKEN_WORDS.words):
        return TOKEN_WORDS
    for row in WORDS:
        if any(words in said for words in row.words) and 400 <= status < 429:
            return row
    return rows[0] if rows else by_status(status)


class Refusal(msgspec.Struct, frozen=True):
    """An error with the rule that applies to it."""

    error: IntacctError
    action: Action


def refusal_of(reply: Reply, request: str) -> Refusal | ReplyError:
    """Read a reply that is not a success. `request` is `METHOD /path`, for the message."""
    try:
        body = json.loads(reply.body)
    except (ValueError, RecursionError):
        body = None
    found = find_error(body)
    if found is None:
        if not isinstance(body, dict) and reply.status not in CLEAR_BY_STATUS:
            return strange_reply(reply, request)
        said = body.get("message") if isinstance(body, dict) else None  # a gateway in front of Intacct
        found = {"message": said} if isinstance(said, str) else {}
    refusal = refusal_from(found, reply.status, request)
    refusal.error.gateway = b'"ia::error"' not in reply.body
    return refusal


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


OBJECT_REFUSED = "REST-7001"
"""Under 422, in places under 400 (REST reference 8.5)."""


def refusal_from(found: Mapping[str, Any], status: int, request: str) -> Refusal:
    """An `ia::error` object -> the error to raise and what to do. Missing or odd members are tolerated."""
    listed = found.get("details")
    entries = listed if isinstance(listed, list) else []
    details = tuple(_detail(entry) for entry in entries if isinstance(entry, Mapping))
    error_id, code = _text(found, "errorId"), _text(found, "code")
    message = _text(found, "message") or f"Intacct answered HTTP {status} without saying why"
    rule = rule_for(
        (*(d.error_id or d.code for d in details), error_id, code, *(d.code for d in details)),
        status,
        (message, *(d.message for d in details)),
    )
    more = found.get("additionalInfo")
    placeholders = more.get("placeholders") if isinstance(more, Mapping) else None
    kind = rule.kind or by_status(status).kind or IntacctError
    if status == 400 and error_id == OBJECT_REFUSED and kind is InvalidRequestError:
        kind = RefusedError  # the object's own rules said no, whatever status that comes under
    error = kind(
        message,
        status=status,
        error_id=error_id,
        code=code,
        support_id=_text(found, "supportId"),
        details=details,
        placeholders={clean(str(k)): clean(str(v)) for k, v in placeholders.items()}
        if isinstance(placeholders, Mapping)
        else {},
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
        status=reply.status,
    )


def too_large(refused: IntacctError, what: str) -> TooLargeError:
    """A request that is over the limits, answered like a throttle (REST reference 4.7)."""
    return TooLargeError(
        f"{refused.request} was refused for its size: {what} in one request.",
        status=refused.status,
        error_id=refused.error_id,
        code=refused.code,
        support_id=refused.support_id,
        advice="Cut it: Intacct takes 500 records and about 1 MB in one request.",
        request=refused.request,
    )


def moved(reply: Reply, request: str) -> ReplyError:
    """A redirect. Not followed: a bearer token belongs to one host. The request was not processed."""
    return ReplyError(
        f"{request} was answered with a redirect (HTTP {reply.status}).",
        advice="Check the base URL: it must be the API's own address.",
        whose=Whose.YOURS,
    )


def clean(text: str) -> str:
    """Text that any terminal and file takes: half a surrogate pair, which JSON can hold, cannot be written."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return clean(value if isinstance(value, str) else "" if value is None else str(value))


def _detail(entry: Mapping[str, Any]) -> Detail:
    return Detail(
        error_id=_text(entry, "errorId"),
        code=_text(entry, "code"),
        message=_text(entry, "message"),
        target=_text(entry, "target"),
        correction=_text(entry, "correction"),
    )
