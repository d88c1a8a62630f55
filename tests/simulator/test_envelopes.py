"""Requests, replies and envelopes as they stand on the wire."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.simulator.http import Request, finish, items, json_reply, page, refused, refused_item, support_id
from tieout.simulator.refusal import Refusal, not_a_valid_field

NOW = datetime(2026, 3, 20, 9, 58, 10, tzinfo=UTC)


def test_a_target_is_split_and_decoded() -> None:
    request = Request.of(
        "get", "/ia/api/v1/objects/order-entry/document::Sales%20Invoice/45%2F3?a=1&b=%2F&c=", {"X-Y": "z"}
    )
    assert request.method == "GET"
    assert request.segments[3:] == ("objects", "order-entry", "document::Sales Invoice", "45/3")
    assert request.query == {"a": "1", "b": "/", "c": ""}
    assert request.headers == {"x-y": "z"}


def test_the_recorded_error_body() -> None:
    """REST reference 8.4, the missing body, but for the support id."""
    body = refused(Refusal.payload_required("POST")).json()
    found = body["ia::result"]["ia::error"].pop("supportId")
    assert re.fullmatch(r"[A-Za-z]{5}WEB\d{13}%7E[\w-]{27}", found)
    assert body == {
        "ia::result": {
            "ia::error": {
                "code": "invalidRequest",
                "message": "A POST request requires a payload",
                "errorId": "REST-1028",
                "additionalInfo": {
                    "messageId": "IA.REQUEST_REQUIRES_A_PAYLOAD",
                    "placeholders": {"OPERATION": "POST"},
                    "propertySet": {},
                },
            }
        },
        "ia::meta": {"totalCount": 1, "totalSuccess": 0, "totalError": 1},
    }


def test_the_three_envelopes() -> None:
    assert refused(Refusal.oauth(400, "invalid_grant", "No.")).json() == {
        "error": "invalid_grant",
        "error_description": "No.",
    }
    assert refused(Refusal.token_invalid()).json()["error"]["errorId"] == "REST-2102"
    entry = refused_item(Refusal.payload_errors([not_a_valid_field("/newDate")]))
    assert entry["ia::status"] == 400
    assert entry["ia::error"]["details"][0]["target"] == "/newDate"


def test_support_ids_are_told_apart() -> None:
    assert len({support_id() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("total", "start", "size", "following", "previous"),
    [
        (128, 1, 100, 101, None),
        (128, 101, 100, None, 1),
        (26, 1, 100, None, None),
        (0, 1, 100, None, None),
        (9, 2, 5, 7, 1),
    ],
)
def test_recorded_page_neighbours(total: int, start: int, size: int, following: int, previous: int) -> None:
    meta = page([], total=total, start=start, size=size)["ia::meta"]
    assert (meta["next"], meta["previous"]) == (following, previous)
    assert (meta["totalCount"], meta["start"], meta["pageSize"]) == (total, start, size)


@given(total=st.integers(0, 9000), size=st.integers(1, 4000))
def test_following_next_reads_everything_once(total: int, size: int) -> None:
    start: int | None = 1
    seen = 0
    while start is not None:
        assert start == seen + 1
        seen += max(0, min(size, total - start + 1))
        start = page([], total=total, start=start, size=size)["ia::meta"]["next"]
    assert seen == total


def test_a_batch_has_one_status_only_if_all_agree() -> None:
    posted = {"key": "1", "id": "A", "href": "/objects/a/b/1", "ia::status": 201}
    failed = refused_item(Refusal.unprocessed())
    assert items([posted, posted]).status == 201
    assert items([failed, failed]).status == 422
    mixed = items([posted, failed, posted])
    assert mixed.status == 207
    assert mixed.json()["ia::meta"] == {"totalCount": 3, "totalSuccess": 2, "totalError": 1}
    assert items([{"name": "found"}, refused_item(Refusal.not_found("a/b", "9"))], shared=200).status == 207


def test_the_date_is_the_simulated_clocks() -> None:
    reply = finish(Request.of("GET", "/"), json_reply(200, {}), NOW)
    assert reply.headers["date"] == "Fri, 20 Mar 2026 09:58:10 GMT"


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [("gzip, deflate", True), ("br;q=1, gzip;q=0.5", True), ("identity", False), ("", False), ("gzip;q=0", False)],
)
def test_long_bodies_are_packed_for_those_who_can_read_them(accepts: str, packed: bool) -> None:
    content = {"text": "x" * 5000}
    reply = finish(Request.of("GET", "/", {"Accept-Encoding": accepts}), json_reply(200, content), NOW)
    assert (reply.headers.get("content-encoding") == "gzip") == packed
    assert json.loads(gzip.decompress(reply.body) if packed else reply.body) == content
    small = finish(Request.of("GET", "/", {"accept-encoding": "gzip"}), json_reply(200, {}), NOW)
    assert "content-encoding" not in small.headers
