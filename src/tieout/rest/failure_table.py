"""The failure table: what an errorId, a status or, last of all, Intacct's words mean, and whose move it is.

Data only. `failures` reads replies by it, and `docs/reference/errors.md` is made from it.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal

import msgspec

from tieout.errors import (
    ConflictError,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    ServerError,
    ThrottledError,
    TokenRefusedError,
    TooLargeError,
    Whose,
)


class Action(Enum):
    """What to do next."""

    STOP = "stop"
    RENEW = "renew the token once and send again"
    RETRY = "wait and send again, if a repeat is safe"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row. Exactly one of `code`, `status` and `words` says when it applies."""

    code: str = ""
    """An errorId, a code word, or an OAuth error word."""
    status: int = 0
    words: tuple[str, ...] = ()
    """Lower-case; any of them in a message, where no code said more."""
    cause: str
    whose: Whose
    advice: str
    """What to do about it, as the error says it."""
    kind: type[IntacctError] | None = None
    """The error class; None: as the HTTP status says."""
    action: Action = Action.STOP
    wrapper: bool = False
    """Says only that something inside failed: a row of its details goes first."""
    evidence: Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"]
    """How sure it is that Intacct gives it, as the REST reference marks it."""
    section: str
    """Of the REST reference."""


YOURS, ADMINISTRATOR, SAGE = Whose.YOURS, Whose.ADMINISTRATOR, Whose.SAGE

RECONNECT = "The access token was refused even after renewing it; connect again."
SIGN_IN = (
    "Check client id, client secret and user@company; the user must be a Web Services user and the client authorised "
    "under Company > Security."
)
AUTHORISE = "The company has not authorised this client or sender: Company > Security > Authorized client applications."


def _token(code: str, cause: str, evidence: Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"] = "LIVE") -> Rule:
    return Rule(
        code=code,
        cause=cause,
        whose=YOURS,
        advice=RECONNECT,
        kind=TokenRefusedError,
        action=Action.RENEW,
        evidence=evidence,
        section="1.8",
    )


def _credentials(
    code: str,
    cause: str,
    kind: type[IntacctError] = TokenRefusedError,
    evidence: Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"] = "LIVE",
) -> Rule:
    sender = kind is ForbiddenError
    return Rule(
        code=code,
        cause=cause,
        whose=ADMINISTRATOR if sender else YOURS,
        advice=AUTHORISE if sender else SIGN_IN,
        kind=kind,
        evidence=evidence,
        section="1.8",
    )


AT_THE_DOOR: tuple[Rule, ...] = (
    _token("REST-1206", "The access token expired or is not valid; comes with HTTP 400."),
    _token("REST-2102", "The access token is not valid, or another authorisation of the same user ended the grant."),
    _token("GW-0031", "The gateway does not know the access token."),
    _token("GW-0040", "The access token expired."),
    _token("tokenInvalid", "The access token is not valid."),
    Rule(
        code="GW-0034",
        cause="The Authorization header did not arrive as it was sent.",
        whose=Whose.NETWORK,
        advice="Look whether a proxy removes or changes the Authorization header; a new token cannot help.",
        kind=TokenRefusedError,
        evidence="LIVE",
        section="1.8",
    ),
    _credentials("GW-0011", "The sender id, client id or tenant is inactive or unknown.", ForbiddenError),
    _credentials("XL03000006", "The company has not authorised the sender.", ForbiddenError),
    _credentials("REST-1216", "Client id, client secret or third-party application are wrong."),
    _credentials("invalid_grant", "The refresh token is dead, or the credentials are wrong."),
    _credentials("invalid_client", "The client is unknown or its secret is wrong; a dead grant is reported so too."),
    _credentials("unauthorized_client", "The client may not use this way of signing in.", evidence="INFERRED"),
    Rule(
        code="GW-0010",
        cause="The company's concurrency is used up, by this or another application.",
        whose=SAGE,
        advice="The company's limit is shared by all its applications; try later, or with less concurrency.",
        kind=ThrottledError,
        action=Action.RETRY,
        evidence="INFERRED",
        section="8.6",
    ),
)
"""Before Intacct looks at what was asked."""


def _yours(
    code: str,
    cause: str,
    advice: str,
    section: str,
    evidence: Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"] = "LIVE",
    *,
    wrapper: bool = False,
    kind: type[IntacctError] | None = None,
    whose: Whose = YOURS,
) -> Rule:
    return Rule(
        code=code,
        cause=cause,
        whose=whose,
        advice=advice,
        section=section,
        evidence=evidence,
        wrapper=wrapper,
        kind=kind,
    )


REQUEST: tuple[Rule, ...] = (
    _yours("REST-1028", "The request has no body.", "Send a JSON body.", "8.4", "DOC"),
    _yours("REST-1030", "The body is not JSON.", "Send valid JSON in UTF-8.", "8.5", "DOC"),
    _yours(
        "REST-1043",
        "The object has no such field, or not at this place.",
        "Take the field out, or spell it as `tieout model` does.",
        "8.4",
        "DOC",
    ),
    _yours("REST-1050", "The field is read-only.", "Take it out of the body: Intacct sets it.", "4.4"),
    _yours("REST-1064", "Something in the body is wrong.", "Correct what Intacct names.", "8.4", "DOC", wrapper=True),
    _yours(
        "REST-1106",
        "The field cannot be used in a query.",
        "Leave this field out of the query; GET returns it.",
        "5.6",
        kind=InvalidRequestError,
    ),
    _yours(
        "REST-1107",
        "The field's path goes through a list.",
        "Query the object of the list's lines instead, such as accounts-payable/bill-line.",
        "5.6",
        kind=InvalidRequestError,
    ),
    _yours("invalidKey", "The key in the path is not a key.", "Use the system key, not the business id.", "8.5", "DOC"),
    _yours(
        "invalidParameter",
        "A value is not allowed here; the details say which.",
        "Correct what Intacct names.",
        "4.4",
        wrapper=True,
    ),
    _yours(
        "unprocessed",
        "Skipped: another record of the same atomic request failed.",
        "Correct the record that failed, then send all of them again.",
        "4.7",
        "DOC",
    ),
)
"""What is wrong with the request itself."""

BOOKS: tuple[Rule, ...] = (
    _yours(
        "REST-7001",
        "The record was refused; the details say why.",
        "Correct the record or the company's set-up, then retry.",
        "8.4",
        wrapper=True,
    ),
    _yours(
        "GL-0951",
        "The journal entry was not created; another detail says why.",
        "Correct the entry, then retry.",
        "8.4",
        wrapper=True,
    ),
    _yours(
        "GL-1009",
        "Debits and credits differ, in total or within one entity or currency.",
        "Make debits equal credits, per entity and currency.",
        "8.4",
    ),
    _yours(
        "AR-0148",
        "The account label of a line is a subtotal label.",
        "Use a label that is not a subtotal; Intacct adds subtotal lines itself.",
        "10.3",
    ),
    _yours(
        "AR-0279",
        "The document was not created; one known cause is a GL account beside the account label where the company "
        "does not let API users override it.",
        "Leave the GL account out, or ask for the override to be allowed in Accounts Receivable.",
        "10.3",
        whose=ADMINISTRATOR,
    ),
    _yours("INV-1359", "A line has an item without its unit.", "Give the unit of the line.", "8.5", "DOC"),
    _yours(
        "BL01001973",
        "An employee needs a contact.",
        "Create the contact first, or name it in `primaryContact`.",
        "8.4",
        "DOC",
    ),
    _yours("BL03002028", "The report found no data.", "Widen its dates or filters.", "8.5", "DOC"),
)
"""Rules of the books."""

CODES: tuple[Rule, ...] = (*AT_THE_DOOR, *REQUEST, *BOOKS)


def _said(
    words: tuple[str, ...],
    cause: str,
    advice: str,
    section: str,
    evidence: Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"] = "LIVE",
    *,
    whose: Whose = YOURS,
) -> Rule:
    return Rule(words=words, cause=cause, whose=whose, advice=advice, section=section, evidence=evidence)


WORDS: tuple[Rule, ...] = (
    _said(
        ("period is closed", "date must be on or after", "closed period", "books are closed"),
        "The date lies in a closed period.",
        "Use a date in an open period, or have the period reopened; repeating it unchanged cannot help.",
        "10.3",
        whose=ADMINISTRATOR,
    ),
    _said(
        ("another record with the value already exists",),
        "A record with the same unique value is there already.",
        "Change the value, or update the record that has it.",
        "8.4",
    ),
    _said(
        ("do not balance",),
        "Debits and credits differ.",
        "Make debits equal credits, per entity and currency.",
        "8.4",
    ),
    _said(
        ("not a valid state", "state must be draft", "state cannot be"),
        "A record cannot be created in this state.",
        "Leave `state` out, or send one that a create takes: for most objects only `draft`.",
        "4.4",
    ),
    _said(
        ("username format is invalid",),
        "The user is not named as user@company.",
        "Give user and company apart, or user@company, or user@company|entity.",
        "1.4",
    ),
)
"""Texts that real integrations match on, where no code said more."""

TOKEN_WORDS = Rule(
    words=("the token is not valid", "invalid token", "expired token"),
    cause="The access token is not valid; said in words under HTTP 400.",
    whose=YOURS,
    advice=RECONNECT,
    kind=TokenRefusedError,
    action=Action.RENEW,
    evidence="LIVE",
    section="1.8",
)


def _status(
    status: int,
    kind: type[IntacctError],
    cause: str,
    advice: str,
    *,
    whose: Whose = YOURS,
    action: Action = Action.STOP,
    evidence: Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"] = "DOC",
    section: str = "8.1",
) -> Rule:
    return Rule(
        status=status,
        kind=kind,
        cause=cause,
        whose=whose,
        advice=advice,
        action=action,
        evidence=evidence,
        section=section,
    )


STATUSES: tuple[Rule, ...] = (
    _status(
        400,
        InvalidRequestError,
        "The request does not fit what Intacct accepts.",
        "Correct the request; repeating it cannot help.",
    ),
    _status(401, TokenRefusedError, "The access token was not accepted.", RECONNECT, action=Action.RENEW),
    _status(
        403,
        ForbiddenError,
        "The user may not do this, or not in this entity.",
        "The user may not do this: Company > Admin > Users > the user, permissions and user entities.",
        whose=ADMINISTRATOR,
    ),
    _status(
        404,
        NotFoundError,
        "There is no such record, or it is not visible here.",
        "It was deleted, is private to another entity, or never was.",
    ),
    _status(
        405, InvalidRequestError, "The object does not allow the operation.", "`tieout model` shows what it allows."
    ),
    _status(
        408,
        ServerError,
        "The request did not arrive whole, or took too long.",
        "Try again, with less at once.",
        whose=SAGE,
        action=Action.RETRY,
        evidence="UNKNOWN",
        section="8.7",
    ),
    _status(
        409,
        ConflictError,
        "A unique value is taken, or the idempotency key is: four meanings, see below.",
        "Look whether the record is already in Intacct.",
        section="7.6",
    ),
    _status(
        413,
        TooLargeError,
        "The body is larger than is accepted.",
        "Cut it: Intacct takes 500 records and about 1 MB in one request.",
        evidence="INFERRED",
        section="8.7",
    ),
    _status(
        422,
        RefusedError,
        "A rule of the books says no.",
        "Correct the record or the company's set-up, then retry.",
    ),
    _status(
        429,
        ThrottledError,
        "The company's or the application's limit is reached. For a request of more than 500 records or 1 MB it "
        "means that it is too large, and is a TooLargeError.",
        "The company's limit is reached; try later.",
        whose=SAGE,
        action=Action.RETRY,
        section="8.6",
    ),
    _status(
        500,
        ServerError,
        "Intacct broke down over the request; a write may have been done.",
        "Intacct is in trouble; try later.",
        whose=SAGE,
        action=Action.RETRY,
    ),
    _status(
        502,
        ServerError,
        "The gateway got no answer: an outage or maintenance.",
        "Intacct is down or in maintenance; try later.",
        whose=SAGE,
        action=Action.RETRY,
        evidence="UNKNOWN",
        section="8.7",
    ),
    _status(
        503,
        ServerError,
        "Intacct is overloaded or in maintenance.",
        "Intacct is overloaded or in maintenance; try later.",
        whose=SAGE,
        action=Action.RETRY,
    ),
    _status(
        504,
        ServerError,
        "The gateway waited too long for an answer; a write may have been done.",
        "Try again later, with less at once.",
        whose=SAGE,
        action=Action.RETRY,
        evidence="UNKNOWN",
        section="8.7",
    ),
)

BY_CODE = {rule.code.lower(): rule for rule in CODES}
BY_STATUS = {rule.status: rule for rule in STATUSES}


def by_status(status: int) -> Rule:
    """The row of a status; of one that no row names, its family's. A refusal under 200 is one by the books."""
    return BY_STATUS.get(status) or BY_STATUS[500 if status >= 500 else 400 if status >= 400 else 422]
