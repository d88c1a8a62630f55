"""The client against what a real company answered: token, model, pages and errors as they were recorded.

The other way round, recorded requests against the simulator, is in tests/simulator/test_recordings.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tieout import Intacct
from tieout.errors import InvalidRequestError
from tieout.rest import Reply, Request
from tieout.rest.rows import Row

RECORDINGS = Path(__file__).parents[3] / "shared" / "reference" / "recordings"
NAMES = ("customers", "gl-accounts", "invoices-since")

pytestmark = [
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recorded traffic of a real company beside the checkout"),
    pytest.mark.filterwarnings("ignore::tieout.errors.CheckWarning"),  # the recorded client asks for every field
]


class Recorded:
    """A transport that answers as the real company did: by path, in the order recorded."""

    def __init__(self, name: str) -> None:
        self.sent: list[Request] = []
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []
        for interaction in json.loads((RECORDINGS / f"{name}.json").read_text())["interactions"]:
            request, response = interaction["request"], interaction["response"]
            path = request["uri"].partition("?")[0]
            headers = {key.lower(): values[0] for key, values in response["headers"].items()}
            reply = Reply(response["status"]["code"], headers, response["body"]["string"].encode())
            self.replies.setdefault(path, []).append(reply)
            if path.endswith("/query"):
                self.asked.append(json.loads(request["body"]))

    def send(self, request: Request, timeout: float) -> Reply:
        self.sent.append(request)
        path = request.url.partition("?")[0]
        reply = self.replies[path].pop(0)
        return self._overlapping(request, reply) if path.endswith("/query") and reply.status == 200 else reply

    def _overlapping(self, request: Request, reply: Reply) -> Reply:
        """The recorded client began each page after the one before, ours begins with its last row: the reply that the
        company would have given to that."""
        page = json.loads(reply.body)
        before, self.last = self.last, page["ia::result"][-1:]
        if json.loads(request.body or b"")["start"] != page["ia::meta"]["start"] - 1 or not before:
            return reply
        page["ia::result"] = [*before, *page["ia::result"]]
        return Reply(reply.status, reply.headers, json.dumps(page).encode())

    def close(self) -> None: ...


@pytest.fixture(params=NAMES)
def recorded(request: pytest.FixtureRequest) -> Recorded:
    return Recorded(request.param)


def client(transport: Recorded) -> Intacct:
    return Intacct(
        client_id="REDACTED", client_secret="REDACTED", user="keboola-ex", company="keboolaMPP-DEV", transport=transport
    )


def pages(transport: Recorded) -> Iterator[Mapping[str, Any]]:
    for path, replies in transport.replies.items():
        if path.endswith("/query"):
            yield from (json.loads(reply.body, parse_float=Decimal) for reply in replies if reply.status == 200)


def plain(value: Any) -> Any:
    """A typed value as the wire wrote it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


def same(typed: Any, raw: Any) -> bool:
    if isinstance(typed, Decimal) and isinstance(raw, str):
        return typed == Decimal(raw) and str(typed) == raw
    return bool(plain(typed) == raw) and isinstance(typed, bool) == isinstance(raw, bool)


def test_every_recorded_value_arrives_typed_and_whole(recorded: Recorded) -> None:
    expected = [row for page in pages(recorded) for row in page["ia::result"]]
    asked = recorded.asked[-1]
    queries = recorded.replies["https://api.intacct.com/ia/api/v1/services/core/query"]
    queries[:] = [reply for reply in queries if reply.status == 200]
    with client(recorded) as intacct:
        rows: list[Row] = list(intacct.query(asked["object"], asked["fields"], page_size=asked["size"]))
    assert len(rows) == len(expected)
    for row, raw in zip(rows, expected, strict=True):
        assert row.misfits == ()
        assert set(row) == set(asked["fields"]), "a column that was not asked for"
        for name in asked["fields"]:
            assert same(row[name], raw.get(name)), f"{name}: {row[name]!r} is not {raw.get(name)!r}"


def test_what_is_sent_is_what_the_recording_shows_to_work(recorded: Recorded) -> None:
    """Token by form, the same model request, a query with the recorded names and no others than those documented."""
    asked = recorded.asked[-1]
    queries = recorded.replies["https://api.intacct.com/ia/api/v1/services/core/query"]
    queries[:] = [reply for reply in queries if reply.status == 200]
    with client(recorded) as intacct:
        list(intacct.query(asked["object"], asked["fields"], page_size=asked["size"]))
    token, model, *rest = recorded.sent
    assert token.body is not None
    assert set(token.body.decode().split("&")) == {
        "grant_type=client_credentials",
        "client_id=REDACTED",
        "client_secret=REDACTED",
        "username=keboola-ex%40keboolaMPP-DEV",
    }
    assert token.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert model.url.partition("?")[2] == f"name={asked['object'].replace('/', '%2F')}&schema=true"
    for place, request in enumerate(rest):
        body = json.loads(request.body or b"")
        assert body.keys() <= {"object", "fields", "orderBy", "start", "size"}
        assert (body["object"], body["fields"]) == (asked["object"], asked["fields"])
        again = 1 if place else 0  # later pages begin with the last row of the one before
        assert (body["start"], body["size"]) == (1 + place * asked["size"] - again, asked["size"] + again)
        assert body["orderBy"] == [{"key": "asc"}]


def test_the_recorded_refusals_name_the_field_and_are_learnt() -> None:
    transport = Recorded("invoices-since")
    queries = transport.replies["https://api.intacct.com/ia/api/v1/services/core/query"]
    first = json.loads(queries[0].body)["ia::result"]["ia::error"]
    with client(transport) as intacct:
        # The model says that `action` is write-only, so the check is passed by with a field of the same fate.
        with pytest.raises(InvalidRequestError) as refused:
            list(intacct.query("invoices", ["description", "id"], page_size=100))
        error = refused.value
        assert (error.status, error.error_id, error.support_id) == (400, "REST-1106", first["supportId"])
        assert error.placeholders == {"FIELD": "action", "OBJECT": "accounts-receivable/invoice", "VERSION": "1"}
        assert first["message"] in str(error)
