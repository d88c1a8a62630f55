"""The failure table: which row a refusal meets, and the page made from it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import (
    ConflictError,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    RefusedError,
    ReplyError,
    ServerError,
    ThrottledError,
    TokenRefusedError,
    TooLargeError,
    Whose,
)
from tieout.rest.call import Reply
from tieout.rest.failure_table import CODES, STATUSES, TOKEN_WORDS, WORDS, Action
from tieout.rest.failures import Refusal, refusal_from, refusal_of, rule_for

ROOT = Path(__file__).parents[2]


def refusal(status: int, body: Any) -> Refusal:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    found = refusal_of(Reply(status, {}, raw), "POST /objects/a/b")
    assert isinstance(found, Refusal)
    return found


def nested(**error: Any) -> dict[str, Any]:
    return {"ia::result": {"ia::error": error}, "ia::meta": {}}


def detail(error_id: str = "", message: str = "m", **more: str) -> dict[str, str]:
    return {"errorId": error_id, "message": message, **more}


@pytest.mark.parametrize(
    ("details", "advice", "whose"),
    [
        ([detail("GL-0951"), detail("GL-1009")], "debits equal credits", Whose.YOURS),
        ([detail("GL-0951")], "Correct the entry", Whose.YOURS),
        ([detail("AR-0148")], "not a subtotal", Whose.YOURS),
        ([detail("AR-0279")], "override", Whose.ADMINISTRATOR),
        ([detail("INV-1359")], "unit", Whose.YOURS),
        ([{"code": "BL01001973", "message": "Employee Contact info cannot be empty"}], "contact", Whose.YOURS),
        ([detail("XX-1", "Date must be on or after 01/01/2026")], "open period", Whose.ADMINISTRATOR),
        ([detail("XX-1", "The period is closed")], "open period", Whose.ADMINISTRATOR),
        ([detail("XX-1", "Another record with the value already exists")], "Change the value", Whose.YOURS),
        ([], "Correct the record or the company's set-up", Whose.YOURS),
    ],
)
def test_a_wrapped_refusal_is_explained_by_what_it_wraps(details: list[Any], advice: str, whose: Whose) -> None:
    found = refusal(422, nested(errorId="REST-7001", code="operationFailed", message="unsuccessful", details=details))
    assert isinstance(found.error, RefusedError)
    assert advice in found.error.advice
    assert found.error.whose is whose
    assert found.action is Action.STOP


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("State must be draft or not included in the request.", "Leave `state` out"),
        ("State cannot be approved in a create request.", "Leave `state` out"),
        ("unitOfMeasure cannot be Weeks.", "Correct what Intacct names."),
    ],
)
def test_a_value_that_is_not_allowed_is_no_state_where_nobody_says_so(words: str, advice: str) -> None:
    details = [{"code": "invalidParameter", "message": words, "target": "/x"}]
    found = refusal(400, nested(code="invalidParameter", message="Not valid", details=details))
    assert advice in found.error.advice
    assert "submit" not in found.error.advice, "a timesheet has no such action"


def test_a_path_through_a_list_is_sent_to_the_lines_own_object() -> None:
    found = refusal(400, nested(errorId="REST-1107", message="Invalid field reference lines.item.id"))
    assert "bill-line" in found.error.advice
    assert found.action is Action.STOP


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, nested(errorId="REST-1064", details=[detail("REST-1043")]), InvalidRequestError),
        (400, nested(errorId="REST-1028"), InvalidRequestError),
        (400, {"ia::error": {"errorId": "REST-1050"}}, InvalidRequestError),
        (403, {"error": {"errorId": "X"}}, ForbiddenError),
        (409, {}, ConflictError),
        (413, b"<html>", TooLargeError),
        (429, b"", ThrottledError),
        (429, b"<html>slow down</html>", ThrottledError),
        (429, {"message": "API rate limit exceeded"}, ThrottledError),
        (401, b"", TokenRefusedError),
        (418, {}, InvalidRequestError),
        (599, {}, ServerError),
    ],
)
def test_any_envelope_or_none_becomes_the_right_class(status: int, body: Any, kind: type[IntacctError]) -> None:
    assert type(refusal(status, body).error) is kind


def test_an_objects_own_refusal_is_one_under_either_status() -> None:
    error = {"errorId": "REST-7001", "code": "operationFailed", "message": "unsuccessful"}
    for status, kind in ((422, RefusedError), (400, RefusedError), (409, ConflictError)):
        assert type(refusal_from(error, status, "POST /x").error) is kind
    assert type(refusal_from({"errorId": "REST-1064"}, 400, "POST /x").error) is InvalidRequestError


def test_what_a_gateway_says_is_passed_on() -> None:
    assert refusal(429, {"message": "API rate limit exceeded"}).error.message == "API rate limit exceeded"


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502, 503])
def test_a_web_page_is_not_a_refusal(status: int) -> None:
    found = refusal_of(Reply(status, {"content-type": "text/html"}, b"<html>Maintenance</html>"), "GET /x")
    assert isinstance(found, ReplyError)


def test_token_words_count_only_where_no_code_said_more() -> None:
    assert rule_for(("",), 400, ("The token is not valid",)) is TOKEN_WORDS
    assert rule_for(("REST-1043",), 400, ("/invalid token is not a valid field",)).action is Action.STOP
    assert rule_for(("",), 422, ("invalid token in formula",)).action is Action.STOP


def test_every_row_says_all_it_has_to_and_stands_once() -> None:
    rules = (*CODES, *WORDS, TOKEN_WORDS, *STATUSES)
    for rule in rules:
        assert sum(map(bool, (rule.code, rule.status, rule.words))) == 1
        for sentence in (rule.cause, rule.advice):
            assert sentence[0].isupper() or sentence[0] == "`"
            assert sentence.endswith((".", "?"))
        assert all(words == words.lower() for words in rule.words)
    names = [rule.code.lower() or rule.status for rule in (*CODES, *STATUSES)]
    assert len(names) == len(set(names))
    assert all(rule.kind is not None for rule in STATUSES)


def test_everything_the_client_does_by_itself_is_safe_or_has_a_row() -> None:
    retried = {rule.status for rule in STATUSES if rule.action is Action.RETRY}
    assert retried == {408, 429, 500, 502, 503, 504}
    assert {rule.status for rule in STATUSES if rule.action is Action.RENEW} == {401}


NAMES = ("ia::error", "ia::result", "error", "details", "errorId", "message", "additionalInfo", "placeholders", "code")
BODIES = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@given(st.integers(400, 599), BODIES)
def test_an_error_object_of_any_shape_becomes_an_error_that_can_be_printed(status: int, body: Any) -> None:
    found = refusal_of(Reply(status, {}, msgspec.json.encode(body)), "GET /x")
    error = found.error if isinstance(found, Refusal) else found
    (str(error) + repr(error) + repr(error.to_dict())).encode()
    msgspec.json.encode(error.to_dict())


def test_the_page_says_what_the_table_says() -> None:
    spec = importlib.util.spec_from_file_location("error_page", ROOT / "scripts" / "build_error_page.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text() == script.page(), "run: python scripts/build_error_page.py"
