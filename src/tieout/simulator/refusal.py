"""Every refusal of the simulated Intacct, and the one place where its wire texts live.

It knows statuses, ids, codes and words (REST reference 1.8, 4.4, 8.4, 8.5); it does not know when they apply.
A text marked INFERRED is our wording: no recording or document shows Sage's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from tieout.simulator import wording

if TYPE_CHECKING:
    from tieout.simulator.behaviour import Settings

Envelope = Literal["ia", "error", "oauth"]
"""Where the error object sits (REST reference 8.2): under `ia::result`, top-level, or as the token endpoint does it."""

_CONFLICTS = {
    "": ("conflict", "The Idempotency-Key was already used for a different request"),
    "other request": ("idempotencyKeyReused", "The Idempotency-Key was already used with a different payload"),
    "reserved": ("idempotencyKeyExpired", "The Idempotency-Key was already used and its response has expired"),
    "in flight": ("requestInProgress", "A request with this Idempotency-Key is already in progress"),
}
CLIENT_INCORRECT = "The Client ID, Client Secret, and/or 3rd Party Application are incorrect"
"""The words of REST-1216 (1.8)."""
_METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE"}
"""Operation -> the method in the words of REST-7001; anything else is a GET."""


def detail(
    message: str,
    *,
    error_id: str | None = None,
    code: str = "invalidRequest",
    target: str | None = None,
    correction: str | None = None,
    message_id: str | None = None,
    placeholders: dict[str, str] | None = None,
) -> dict[str, Any]:
    """One entry of `ia::error.details` (REST reference 8.3); what is None is left out."""
    entry: dict[str, Any] = {}
    if error_id is not None:
        entry["errorId"] = error_id
    entry["code"] = code
    entry["message"] = message
    if target is not None:
        entry["target"] = target
    if correction is not None:
        entry["correction"] = correction
    if message_id is not None:
        entry["additionalInfo"] = {
            "messageId": message_id,
            "placeholders": placeholders or {},
            "propertySet": {},
        }
    return entry


class Refusal(Exception):
    """One request, or one record of a batch, is refused.

    `status` is the HTTP status, `details` are ready for the wire. `to_error` gives the error object; the shell puts it
    into the envelope that `envelope` names."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        error_id: str = "",
        message_id: str = "",
        placeholders: dict[str, str] | None = None,
        details: Sequence[dict[str, Any]] = (),
        envelope: Envelope = "ia",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.error_id = error_id
        self.message_id = message_id
        self.placeholders = placeholders or {}
        self.details = list(details)
        self.envelope: Envelope = envelope
        self.headers: dict[str, str] = {}
        self.open_status = ""
        """The switch that decides the status, where the real one is UNKNOWN."""

    def settled(self, settings: Settings) -> Refusal:
        """With the status and the envelope that the company chose, where those are open."""
        if self.open_status:
            chosen = settings.word(self.open_status)
            self.status = int(settings.word("failed_status") if chosen == "same" else chosen)
        if self.status == 403 and settings.word("forbidden_body") == "gateway":
            self.envelope = "error"
        return self

    @classmethod
    def gave_up(cls) -> Refusal:
        """The gateway has waited too long; its words are ours."""
        return cls(504, "gatewayTimeout", "The upstream server did not answer in time", envelope="error")

    def _open(self, switch: str) -> Refusal:
        self.open_status = switch
        return self

    def to_error(self, support_id: str) -> dict[str, Any]:
        """The error object in the order of the recordings (REST reference 8.4)."""
        if self.envelope == "oauth":
            return {"error": self.code, "error_description": self.message}
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.error_id:
            error["errorId"] = self.error_id
        if self.message_id:
            error["additionalInfo"] = {
                "messageId": self.message_id,
                "placeholders": self.placeholders,
                "propertySet": {},
            }
        error["supportId"] = support_id
        if self.details:
            error["details"] = self.details
        return error

    # ---- the request as a whole -------------------------------------------------------------------------------

    @classmethod
    def invalid_request(cls, message: str, *, status: int = 400) -> Refusal:
        """A bare 400 whose words are INFERRED by the caller's constructor or by the shell."""
        return cls(status, "invalidRequest", message)

    @classmethod
    def payload_required(cls, operation: str = "POST") -> Refusal:
        """REST-1028, verbatim (8.4)."""
        return cls(
            400,
            "invalidRequest",
            f"A {operation} request requires a payload",
            error_id="REST-1028",
            message_id="IA.REQUEST_REQUIRES_A_PAYLOAD",
            placeholders={"OPERATION": operation},
        )

    @classmethod
    def malformed_json(cls) -> Refusal:
        """REST-1030 (8.5); the id is known, the words are INFERRED."""
        return cls(400, "invalidRequest", "Payload contains malformed JSON", error_id="REST-1030")

    @classmethod
    def not_found(cls, object: str, key: str) -> Refusal:
        """404 `notFound` (8.5); the words are INFERRED."""
        return cls(404, "notFound", f"objects/{object} with key {key} could not be found")

    @classmethod
    def unknown_resource(cls, path: str) -> Refusal:
        """404 for a path that names nothing; INFERRED."""
        return cls(404, "notFound", f"The resource {path} could not be found")

    @classmethod
    def unsupported_version(cls, version: str) -> Refusal:
        """In the words of the guide (3)."""
        return cls(
            400,
            "invalidRequest",
            "Version is not supported.",
            placeholders={"VERSION": version},
        )

    @classmethod
    def method_not_allowed(cls, method: str, object: str, allowed: Sequence[str] = ()) -> Refusal:
        """405 (8.1) with the header `Allow`; the words are INFERRED."""
        refusal = cls(405, "invalidRequest", f"{method} is not allowed on {object}")
        refusal.headers["allow"] = ", ".join(("OPTIONS", *allowed))
        return refusal

    @classmethod
    def batch_too_large(cls, count: int, limit: int = 500) -> Refusal:
        """429 without Retry-After (4.7); the body is UNKNOWN, these words INFERRED."""
        return cls(429, "invalidRequest", f"The batch holds {count} records, more than the limit of {limit}")._open(
            "oversize_batch"
        )

    @classmethod
    def unprocessed(cls) -> Refusal:
        """The innocents of an atomic batch, verbatim (4.7)."""
        return cls(422, "unprocessed", "Operation skipped due to atomic transaction failure")

    @classmethod
    def idempotency_conflict(cls, which: str = "") -> Refusal:
        """409: the key was used; the words are INFERRED, and whether they tell which of three cases it is (7.6)."""
        code, message = _CONFLICTS[which]
        return cls(409, code, message)

    # ---- who asks ---------------------------------------------------------------------------------------------

    @classmethod
    def token_invalid(cls) -> Refusal:
        """REST-2102, verbatim, under the key `error` (1.8)."""
        return cls(
            401,
            "tokenInvalid",
            "Token is not valid",
            error_id="REST-2102",
            message_id="IA.TOKEN_IS_INVALID",
            envelope="error",
        )

    @classmethod
    def token_malformed(cls) -> Refusal:
        """REST-1206 with status 400, as seen (1.8)."""
        return cls(400, "invalidRequest", "The token is not valid", error_id="REST-1206")

    @classmethod
    def token_expired(cls) -> Refusal:
        """GW-0040 (1.8)."""
        return cls(401, "unauthorized", "Expired token", error_id="GW-0040", envelope="error")

    @classmethod
    def gateway_token_invalid(cls) -> Refusal:
        """GW-0031 (1.8)."""
        return cls(401, "unauthorized", "Invalid Token", error_id="GW-0031", envelope="error")

    @classmethod
    def authorization_missing(cls) -> Refusal:
        """GW-0034 (1.8); its status is INFERRED."""
        return cls(401, "unauthorized", "Invalid Authorization Header", error_id="GW-0034", envelope="error")

    @classmethod
    def forbidden_entity(cls, user: str, entity: str) -> Refusal:
        """403: no such entity, or not for this user; INFERRED throughout."""
        return cls(403, "forbidden", f"User {user} has no access to entity {entity}")

    @classmethod
    def forbidden_operation(cls, user: str, operation: str, object: str) -> Refusal:
        """403: the user has no permission; that it is 403 is documented (8.1), the body is INFERRED."""
        return cls(403, "forbidden", f"User {user} does not have permission to {operation} {object}")

    @classmethod
    def not_permitted(cls, operation: str, object: str) -> Refusal:
        """REST-7001 around the words that the XML API uses; that REST does so too is INFERRED."""
        words = f"You do not have permission for API operation {operation.upper()} on objects of type {object}"
        return cls.operation_failed(_METHODS.get(operation, "GET"), object, [detail(words, code="permissionDenied")])

    @classmethod
    def invalid_sender(cls) -> Refusal:
        """GW-0011 (1.8): sender, client or company is not valid or not active. Its status is INFERRED."""
        return cls(400, "invalidRequest", "Invalid Request", error_id="GW-0011", envelope="error")

    @classmethod
    def sender_not_authorized(cls) -> Refusal:
        """XL03000006 (1.8); its status and its place are INFERRED."""
        return cls(401, "unauthorized", "Invalid Web Services Authorization", error_id="XL03000006")

    @classmethod
    def client_incorrect(cls) -> Refusal:
        """REST-1216 (1.8); that it comes with 401 under the key `error` is INFERRED."""
        return cls(401, "invalidClient", CLIENT_INCORRECT, error_id="REST-1216", envelope="error")

    @classmethod
    def oauth(cls, status: int, error: str, description: str) -> Refusal:
        """The token endpoint's own shape (1.8)."""
        return cls(status, error, description, envelope="oauth")

    # ---- query ------------------------------------------------------------------------------------------------

    @classmethod
    def not_queryable(cls, field: str, object: str) -> Refusal:
        """REST-1106, verbatim (8.4): unknown or write-only field; the first bad one only."""
        return cls(
            400,
            "invalidRequest",
            f"The {field} field in {object} object cannot be used in query in version 1",
            error_id="REST-1106",
            message_id="IA.THE_FIELD_IN_OBJECT_CANNOT_BE_USED_IN_QUERY",
            placeholders={"FIELD": field, "OBJECT": object, "VERSION": "1"},
        )

    @classmethod
    def crosses_list(cls, field: str, object: str) -> Refusal:
        """REST-1107: a path that goes through a list, whose records are queried by themselves (5.6). The id was seen,
        the words are INFERRED."""
        return cls(
            400,
            "invalidRequest",
            f"The {field} field in {object} object goes through a list and cannot be used in query in version 1",
            error_id="REST-1107",
        )

    @classmethod
    def no_field_path(cls, field: str, object: str) -> Refusal:
        """422 with the placeholder FIELD_PATH in a detail, as a client notes it (5.6); the rest is INFERRED."""
        words = f"{field} is not a field of {object}"
        entry = detail(words, message_id="IA.INVALID_FIELD_PATH", placeholders={"FIELD_PATH": _first(field)})
        return cls(422, "invalidRequest", "The filters of the query are not valid", details=[entry])

    @classmethod
    def unrecognized_key(cls, name: str, where: str = "query payload") -> Refusal:
        """Verbatim for the query payload (5.1); for `filterParameters` the same words, INFERRED."""
        return cls(400, "invalidRequest", f"Unrecognized key {name} in {where}")

    @classmethod
    def unknown_object(cls, name: str) -> Refusal:
        """A query or a model on an object that is not there; UNKNOWN, so INFERRED."""
        return cls(400, "invalidRequest", f"{name} is not a valid object")._open("unknown_object")

    @classmethod
    def unknown_operator(cls, name: str) -> Refusal:
        """UNKNOWN (5.2); simulated as 400 invalidRequest."""
        return cls(400, "invalidRequest", f"{name} is not a valid filter operator")._open("bad_filter")

    @classmethod
    def bad_filter(cls, operator: str, field: str, reason: str) -> Refusal:
        """An operator that does not take this value or field; INFERRED."""
        return cls(400, "invalidRequest", f"{operator} on {field}: {reason}")._open("bad_filter")

    @classmethod
    def bad_expression(cls, text: str) -> Refusal:
        """INFERRED."""
        return cls(400, "invalidRequest", f"filterExpression {text!r} is not valid")._open("bad_filter")

    @classmethod
    def bad_query(cls, name: str, reason: str) -> Refusal:
        """A query key whose value has the wrong shape or range; INFERRED."""
        return cls(400, "invalidRequest", f"{name} in query payload {reason}")

    # ---- bodies -----------------------------------------------------------------------------------------------

    @classmethod
    def payload_errors(cls, details: Sequence[dict[str, Any]]) -> Refusal:
        """REST-1064 around its details, verbatim (8.4)."""
        return cls(
            400,
            "invalidRequest",
            "Payload contains errors",
            error_id="REST-1064",
            message_id="IA.PAYLOAD_CONTAINS_ERRORS",
            details=details,
        )

    @classmethod
    def invalid_state(cls, words: str = "State must be draft or not included in the request.") -> Refusal:
        """`State must be draft …` with code invalidParameter and 400 [CPW LIVE]; which text is whose is INFERRED."""
        return cls(
            400,
            "invalidParameter",
            "Not a valid state",
            details=[detail(words, code="invalidParameter", target="/state")],
        )

    @classmethod
    def operation_failed(cls, operation: str, object: str, details: Sequence[dict[str, Any]]) -> Refusal:
        """REST-7001, verbatim (8.4); 422 for object failures (8.1)."""
        return cls(
            422,
            "operationFailed",
            f"{operation} request on objects/{object} object was unsuccessful",
            error_id="REST-7001",
            message_id="IA.REQUEST_ON_OBJECT_FAILED",
            placeholders={"OPERATION": operation, "RESOURCE_NAME": f"objects/{object}"},
            details=details,
        )._open("failed_status")

    @classmethod
    def unbalanced(cls, operation: str, object: str, entities: str = "") -> Refusal:
        """The journal entry that does not balance, verbatim (8.4); `entities` that it does not balance in, INFERRED."""
        return cls.operation_failed(
            operation,
            object,
            [
                detail(
                    "Could not create GLBatch record.",
                    error_id="GL-0951",
                    code="unableToCreateRecordError",
                    message_id="IA.COULD_NOT_CREATE_GLBATCH_RECORD",
                ),
                detail(
                    f"Transactions do not balance for Place {entities},",
                    error_id="GL-1009",
                    code="invalidConfiguration",
                    message_id="IA.TRANSACTIONS_DO_NOT_BALANCE_FOR",
                    placeholders={"RENAMED_TEXT": "Place", "ERR_STR": f"{entities}, "},
                ),
            ],
        )

    @classmethod
    def broken_rule(
        cls,
        operation: str,
        object: str,
        words: str,
        *,
        code: str = "businessRuleViolation",
        error_id: str | None = None,
        target: str | None = None,
        correction: str | None = None,
    ) -> Refusal:
        """REST-7001 around one detail. The words and codes are INFERRED unless the caller says otherwise."""
        entry = detail(words, code=code, error_id=error_id, target=target, correction=correction)
        return cls.operation_failed(operation, object, [entry])

    @classmethod
    def duplicate(cls, operation: str, object: str, value: str, target: str = "/id") -> Refusal:
        """The text that integrations match on (8.4); its place in the details is INFERRED."""
        words = "Another record with the value already exists"
        correction = f"Use an id other than {value}" if target == "/id" else f"Use a value other than {value}"
        return cls.broken_rule(
            operation, object, words, code="duplicateRecord", target=target, correction=correction
        )._open("duplicate_status")

    @classmethod
    def unknown_reference(cls, operation: str, object: str, target: str, value: str, referenced: str) -> Refusal:
        """A reference to a record that is not in the company; the words are INFERRED."""
        words, correction = wording.invalid(referenced, value), f"Provide a valid {referenced}"
        return cls.broken_rule(operation, object, words, code="invalidKey", target=target, correction=correction)

    @classmethod
    def contradicting_reference(cls, operation: str, object: str, target: str, key: str, id: str) -> Refusal:
        """Key and id of different records; INFERRED."""
        words, correction = f"Key {key} and id {id} are not of the same record", "Provide the key or the id"
        return cls.broken_rule(operation, object, words, code="invalidKey", target=target, correction=correction)

    @classmethod
    def inactive_reference(
        cls, operation: str, object: str, target: str, value: str, referenced: str, status: str = "inactive"
    ) -> Refusal:
        """Master data in a new transaction that is not active; the words are INFERRED."""
        words, correction = wording.inactive(referenced, value), f"Use an active {referenced}"
        if status != "inactive":
            words, correction = wording.invalid(referenced, value), f"Use a {referenced} that is for posting"
        return cls.broken_rule(operation, object, words, code="invalidRecord", target=target, correction=correction)

    @classmethod
    def in_use(cls, object: str, key: str, by: str) -> Refusal:
        """A record that others refer to; INFERRED."""
        words = f"{object} {key} cannot be deleted because it is used by {by}"
        return cls.broken_rule("DELETE", object, words, code="recordInUse")

    @classmethod
    def wrong_state(cls, operation: str, object: str, key: str, state: str, verb: str) -> Refusal:
        """An edit, delete or action that the record's state does not allow; INFERRED (4.8 names the states)."""
        words = f"{object} {key} is {state} and cannot be {verb}"
        return cls.broken_rule(operation, object, words, code="invalidState", target="/state")

    @classmethod
    def period_closed(cls, operation: str, object: str, target: str, day: str, opens: str) -> Refusal:
        """Both texts that integrations match on (8.4); how Sage joins them is INFERRED."""
        words = f"The period is closed for {day}. Date must be on or after {opens}."
        return cls.broken_rule(operation, object, words, code="periodClosed", target=target)


def not_a_valid_field(path: str) -> dict[str, Any]:
    """REST-1043, verbatim (8.4). `path` is `/newDate`, in a line `/lines/2/newDate`."""
    return detail(
        f"{path} is not a valid field",
        error_id="REST-1043",
        target=path,
        message_id="IA.NOT_A_VALID_FIELD",
        placeholders={"FIELD": path},
    )


def _first(path: str) -> str:
    """`location.id` -> `LOCATION`."""
    return path.partition(".")[0].upper()


def read_only_field(path: str) -> dict[str, Any]:
    """REST-1050, verbatim text and message id (4.4); its placeholders are INFERRED."""
    return detail(
        f"{path} is a read-only field",
        error_id="REST-1050",
        target=path,
        message_id="IA.READ_ONLY_FIELD",
        placeholders={"FIELD": path},
    )


def not_a_valid_value(path: str, expected: str) -> dict[str, Any]:
    """Wrong type, format, enum word or length; INFERRED (a value error found by the payload validator is 400, 8.1)."""
    return detail(f"{path} is not valid: {expected} expected", target=path)


def required_field(path: str) -> dict[str, Any]:
    """A field that a create body must hold; INFERRED."""
    return detail(f"{path} is a required field", target=path)


def blank_reference(path: str) -> dict[str, Any]:
    """`{"id": ""}` is refused [CPW LIVE]; the words are INFERRED."""
    return detail(f"{path} cannot be blank", target=path)
