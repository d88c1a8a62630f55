"""Every text of an error on the wire, once, as the reference has it."""

from __future__ import annotations

from typing import Any

import pytest

from tieout.simulator import refusal
from tieout.simulator.refusal import Refusal

ENTRY = "general-ledger/journal-entry"


def test_the_verbatim_bodies_of_the_reference() -> None:
    """REST reference 8.4 and 1.8, copied from there."""
    assert Refusal.not_queryable("action", "accounts-receivable/invoice").to_error("S") == {
        "code": "invalidRequest",
        "message": "The action field in accounts-receivable/invoice object cannot be used in query in version 1",
        "errorId": "REST-1106",
        "additionalInfo": {
            "messageId": "IA.THE_FIELD_IN_OBJECT_CANNOT_BE_USED_IN_QUERY",
            "placeholders": {"FIELD": "action", "OBJECT": "accounts-receivable/invoice", "VERSION": "1"},
            "propertySet": {},
        },
        "supportId": "S",
    }
    assert Refusal.payload_required().to_error("S") == {
        "code": "invalidRequest",
        "message": "A POST request requires a payload",
        "errorId": "REST-1028",
        "additionalInfo": {
            "messageId": "IA.REQUEST_REQUIRES_A_PAYLOAD",
            "placeholders": {"OPERATION": "POST"},
            "propertySet": {},
        },
        "supportId": "S",
    }
    assert Refusal.payload_errors([refusal.not_a_valid_field("/newDate")]).to_error("S") == {
        "code": "invalidRequest",
        "message": "Payload contains errors",
        "errorId": "REST-1064",
        "additionalInfo": {"messageId": "IA.PAYLOAD_CONTAINS_ERRORS", "placeholders": {}, "propertySet": {}},
        "supportId": "S",
        "details": [
            {
                "code": "invalidRequest",
                "message": "/newDate is not a valid field",
                "errorId": "REST-1043",
                "target": "/newDate",
                "additionalInfo": {
                    "messageId": "IA.NOT_A_VALID_FIELD",
                    "placeholders": {"FIELD": "/newDate"},
                    "propertySet": {},
                },
            }
        ],
    }
    assert Refusal.unbalanced("POST", ENTRY).to_error("S") == {
        "code": "operationFailed",
        "message": "POST request on objects/general-ledger/journal-entry object was unsuccessful",
        "errorId": "REST-7001",
        "additionalInfo": {
            "messageId": "IA.REQUEST_ON_OBJECT_FAILED",
            "placeholders": {"OPERATION": "POST", "RESOURCE_NAME": "objects/general-ledger/journal-entry"},
            "propertySet": {},
        },
        "supportId": "S",
        "details": [
            {
                "errorId": "GL-0951",
                "code": "unableToCreateRecordError",
                "message": "Could not create GLBatch record.",
                "additionalInfo": {
                    "messageId": "IA.COULD_NOT_CREATE_GLBATCH_RECORD",
                    "placeholders": {},
                    "propertySet": {},
                },
            },
            {
                "errorId": "GL-1009",
                "code": "invalidConfiguration",
                "message": "Transactions do not balance for Place ,",
                "additionalInfo": {
                    "messageId": "IA.TRANSACTIONS_DO_NOT_BALANCE_FOR",
                    "placeholders": {"RENAMED_TEXT": "Place", "ERR_STR": ", "},
                    "propertySet": {},
                },
            },
        ],
    }
    assert Refusal.token_invalid().to_error("S") == {
        "code": "tokenInvalid",
        "message": "Token is not valid",
        "errorId": "REST-2102",
        "additionalInfo": {"messageId": "IA.TOKEN_IS_INVALID", "placeholders": {}, "propertySet": {}},
        "supportId": "S",
    }
    assert Refusal.oauth(400, "invalid_grant", "gone").to_error("S") == {
        "error": "invalid_grant",
        "error_description": "gone",
    }


@pytest.mark.parametrize(
    ("made", "status", "code", "error_id", "message"),
    [
        (Refusal.malformed_json(), 400, "invalidRequest", "REST-1030", "malformed JSON"),
        (Refusal.unprocessed(), 422, "unprocessed", "", "Operation skipped due to atomic transaction failure"),
        (Refusal.not_found("a/b", "7"), 404, "notFound", "", "objects/a/b with key 7 could not be found"),
        (Refusal.unknown_resource("/x"), 404, "notFound", "", "The resource /x could not be found"),
        (Refusal.unsupported_version("v9"), 400, "invalidRequest", "", "Version is not supported."),
        (Refusal.method_not_allowed("PUT", "a/b"), 405, "invalidRequest", "", "PUT is not allowed on a/b"),
        (Refusal.batch_too_large(501), 429, "invalidRequest", "", "501 records"),
        (Refusal.idempotency_conflict(), 409, "conflict", "", "Idempotency-Key"),
        (Refusal.token_malformed(), 400, "invalidRequest", "REST-1206", "The token is not valid"),
        (Refusal.token_expired(), 401, "unauthorized", "GW-0040", "Expired token"),
        (Refusal.gateway_token_invalid(), 401, "unauthorized", "GW-0031", "Invalid Token"),
        (Refusal.authorization_missing(), 401, "unauthorized", "GW-0034", "Invalid Authorization Header"),
        (Refusal.forbidden_entity("us", "E1"), 403, "forbidden", "", "User us has no access to entity E1"),
        (Refusal.unrecognized_key("x"), 400, "invalidRequest", "", "Unrecognized key x in query payload"),
        (Refusal.unknown_object("x"), 400, "invalidRequest", "", "x is not a valid object"),
        (Refusal.unknown_operator("$like"), 400, "invalidRequest", "", "$like is not a valid filter operator"),
        (Refusal.invalid_request("x"), 400, "invalidRequest", "", "x"),
        (Refusal.invalid_state(), 400, "invalidParameter", "", "Not a valid state"),
    ],
)
def test_status_code_id_and_words(made: Refusal, status: int, code: str, error_id: str, message: str) -> None:
    assert (made.status, made.code, made.error_id) == (status, code, error_id)
    assert message in made.message
    error = made.to_error("S")
    assert error.get("errorId", "") == error_id
    assert error["supportId"] == "S"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (refusal.read_only_field("/lines/2/isSubtotal"), ("REST-1050", "/lines/2/isSubtotal is a read-only field")),
        (refusal.required_field("/name"), (None, "/name is a required field")),
        (refusal.blank_reference("/vendor/id"), (None, "/vendor/id cannot be blank")),
        (refusal.not_a_valid_value("/d", "a date"), (None, "/d is not valid: a date expected")),
        (Refusal.duplicate("POST", "a/b", "V1").details[0], (None, "Another record with the value already exists")),
        (
            Refusal.unknown_reference("POST", "a/b", "/v/id", "V9", "c/d").details[0],
            (None, "D 'V9' specified is not valid."),
        ),
        (Refusal.invalid_state().details[0], (None, "State must be draft or not included in the request.")),
    ],
)
def test_details(detail: dict[str, Any], expected: tuple[str | None, str]) -> None:
    assert (detail.get("errorId"), detail["message"]) == expected
