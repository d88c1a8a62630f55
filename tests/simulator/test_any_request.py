"""Whatever a request holds, the answer is a reply of the API's own shape, never a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.simulator.http import Request
from tieout.simulator.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.conftest import Caller

STATUSES = {200, 201, 204, 207, 400, 401, 403, 404, 405, 409, 422, 429}
OBJECTS = [
    "company-config/department",
    "accounts-receivable/customer",
    "general-ledger/journal-entry",
    "time/timesheet",
    "accounts-payable/bill-line",
    "order-entry/document::Sales%20Invoice",
    "platform-apps/nsp::thing",
    "no/such",
]
FIELDS = ["key", "id", "name", "href", "audit", "parent.id", "audit.modifiedDateTime", "status", "lines", "nsp::x", ""]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner),
    max_leaves=6,
)
records = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), values, max_size=4)
operators = st.sampled_from(["$eq", "$ne", "$lt", "$gte", "$in", "$between", "$contains", "$startsWith", "$ge", ""])
queries = st.fixed_dictionaries(
    {"object": st.sampled_from([name.replace("%20", " ") for name in OBJECTS]) | values},
    optional={
        "fields": st.lists(st.sampled_from(FIELDS) | st.text(max_size=6), max_size=3) | values,
        "filters": st.lists(st.dictionaries(operators, st.dictionaries(st.sampled_from(FIELDS), values)), max_size=3)
        | values,
        "filterExpression": st.text("12 ()andor", max_size=12) | values,
        "filterParameters": values,
        "orderBy": st.lists(st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["asc", "desc", "up"]))) | values,
        "start": st.integers(-2, 10) | values,
        "size": st.integers(-2, 5000) | values,
        "surprise": values,
    },
)


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    with Simulator("empty") as simulator:
        yield simulator


@pytest.fixture
def anyone(shared_simulator: Simulator, caller_of: Callable[[Simulator], Caller]) -> Caller:
    return caller_of(shared_simulator)


def proper(reply: Any, *, bodiless: bool = False) -> None:
    assert reply.status in STATUSES
    if reply.status == 204 or not reply.body:
        assert reply.body == b""
        assert bodiless or reply.status == 204
        return
    body = json.loads(reply.body)
    assert "ia::result" in body or "error" in body
    if reply.status >= 400 and "ia::result" in body and not isinstance(body["ia::result"], list):
        assert body["ia::result"]["ia::error"]["supportId"]


fuzzed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(payload=queries | values | st.lists(queries, max_size=3))
def test_any_query(anyone: Caller, payload: Any) -> None:
    proper(anyone.post("/services/core/query", payload))


@fuzzed
@given(
    method=st.sampled_from(["POST", "PATCH"]),
    name=st.sampled_from(OBJECTS),
    body=records | st.lists(records | values, max_size=3) | values,
    atomic=st.booleans(),
)
def test_any_write(anyone: Caller, method: str, name: str, body: Any, atomic: bool) -> None:
    proper(anyone.call(method, f"/objects/{name}", body, x_ia_api_param_transaction=str(atomic).lower()))


@fuzzed
@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "PATCH", "POST", "OPTIONS"]),
    path=st.text(max_size=10)
    | st.builds("/ia/api/v1/objects/{}/{}".format, st.sampled_from(OBJECTS), st.text(max_size=6))
    | st.builds("/ia/api/v1/services/core/{}?{}".format, st.sampled_from(["model", "query", ""]), st.text(max_size=6)),
    body=st.binary(max_size=20),
    header=st.sampled_from(["x-ia-api-param-entity", "idempotency-key", "accept-encoding", "content-type"]),
    value=st.text(max_size=10),
)
def test_any_path(anyone: Caller, method: str, path: str, body: bytes, header: str, value: str) -> None:
    reply = anyone.simulator.handle(Request.of(method, path, {**anyone.headers, header: value}, body))
    proper(reply, bodiless=method in ("HEAD", "OPTIONS"))


@fuzzed
@given(body=st.binary(max_size=60), kind=st.sampled_from(["application/json", "text/plain", ""]), token=st.text())
def test_any_sign_in(anyone: Caller, body: bytes, kind: str, token: str) -> None:
    headers = {"content-type": kind, "authorization": f"Bearer {token}"}
    for path in ("/ia/api/v1/oauth2/token", "/ia/api/v1/oauth2/revoke", "/ia/api/v1/objects/company-config/entity"):
        proper(anyone.simulator.handle(Request.of("POST", path, headers, body)))
