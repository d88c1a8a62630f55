"""Whom a company lets in, and what its users may do: applications, senders, subscriptions, permissions, entities."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulator.browser import Application, Page, claims, control, error_id, returned

from tieout.simulator.clients import Client
from tieout.simulator.http import Request
from tieout.simulator.permissions import OPERATIONS, allows
from tieout.simulator.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.conftest import Caller

CUSTOMER = "accounts-receivable/customer"
PLACE = f"/objects/{CUSTOMER}"
QUERY = {"object": CUSTOMER, "fields": ["id"]}


@pytest.fixture
def app(simulator: Simulator) -> Application:
    return Application(simulator)


def credentials_error(app: Application) -> str:
    reply = app.token(grant_type="client_credentials", username=f"{app.user}@{app.company}")
    return "" if reply.status == 200 else str(reply.json()["error"])


# --- applications -------------------------------------------------------------------------------------------------


def test_a_company_that_has_not_authorised_the_application(app: Application) -> None:
    living = app.credentials()
    control(app.simulator, "access", {"clients": ["another"]})
    assert credentials_error(app) == "invalid_client"
    assert (app.call(living).status, error_id(app.call(living))) == (400, "GW-0011")
    app.simulator.settings.set({"client_error": "REST-1216"})
    reply = app.token(grant_type="client_credentials", username="admin@demo")
    assert (reply.status, error_id(reply)) == (401, "REST-1216")
    assert error_id(app.token(grant_type="client_credentials", client_secret="wrong")) == "REST-1216"


def test_an_administrator_authorises_it_by_consent(app: Application) -> None:
    control(app.simulator, "access", {"clients": []})
    clerk = Application(app.simulator, user="us")
    page = clerk.consent()
    assert (page.status, Page(page.body.decode()).buttons) == (403, ["deny"])
    assert returned(clerk.submit(page, decision="allow"))["error"] == "access_denied"
    page = app.consent()
    assert "authorises" in page.body.decode()
    assert returned(app.submit(page, decision="deny"))["error"] == "access_denied"
    assert credentials_error(app) == "invalid_client"
    assert "code" in returned(app.submit(app.consent(), decision="allow"))
    assert control(app.simulator, "access")["access"]["clients"] == ["demo-client"]
    assert clerk.call(clerk.authorized()).status == 200
    assert credentials_error(app) == ""


def test_or_consent_is_not_enough(app: Application) -> None:
    app.simulator.settings.set({"unauthorised_client": "refused"})
    control(app.simulator, "access", {"clients": []})
    assert returned(app.submit(app.consent(), decision="allow"))["error"] == "access_denied"


@pytest.mark.parametrize("where", ["authorize", "token", "call"])
@pytest.mark.parametrize(("scope", "environment"), [("production", "sandbox"), ("non-production", "production")])
def test_an_application_of_the_wrong_kind_fails_somewhere(
    app: Application, where: str, scope: str, environment: str
) -> None:
    app.simulator.settings.set({"scope_mismatch": where})
    control(app.simulator, "clients", {"id": "demo-client", "scope": scope})
    control(app.simulator, "access", {"environment": environment})
    told = returned(app.submit(app.consent(), decision="allow"))
    if where == "authorize":
        assert told["error"] == "access_denied"
        return
    reply = app.redeem(told["code"])
    if where == "token":
        assert (reply.status, reply.json()["error"], credentials_error(app)) == (
            401,
            "invalid_client",
            "invalid_client",
        )
        return
    assert (reply.status, error_id(app.call(reply.json()))) == (200, "GW-0011")


@pytest.mark.parametrize("look", ["XL03000006", "GW-0011"])
def test_a_sender_that_is_not_authorised(app: Application, look: str) -> None:
    app.simulator.settings.set({"unauthorised_sender_error": look})
    tokens = app.credentials()
    control(app.simulator, "access", {"senders": ["demo-sender"]})
    assert app.call(tokens).status == 200
    control(app.simulator, "access", {"senders": []})
    assert error_id(app.call(tokens)) == look
    control(app.simulator, "access", {"senders": None})
    assert app.call(tokens).status == 200


def test_a_company_without_web_services(app: Application) -> None:
    code, refresh_token = app.code(), app.credentials()["refresh_token"]
    control(app.simulator, "access", {"web_services": False})
    for reply in (
        app.redeem(code),
        app.refresh(refresh_token),
        app.token(grant_type="client_credentials", username="admin@demo"),
    ):
        assert reply.json() == {"error": "invalid_grant", "error_description": "The provided credentials are invalid"}


def test_client_credentials_take_a_web_services_user(app: Application) -> None:
    control(app.simulator, "users", {"id": "admin", "web_services": False})
    assert credentials_error(app) == "invalid_grant"
    assert app.call(app.authorized()).status == 200


@pytest.mark.parametrize("how", ["first_entity", "refused"])
def test_a_user_without_top_level(app: Application, how: str) -> None:
    app.simulator.settings.set({"no_top_level": how})
    control(app.simulator, "users", {"id": "us", "top_level": False})
    app.user = "us"
    if how == "refused":
        assert credentials_error(app) == "invalid_grant"
        assert app.consent().status == 403
    else:
        for tokens in (app.credentials(), app.authorized()):
            assert claims(tokens["access_token"])["entityId"] == "E110"
    inside = app.token(grant_type="client_credentials", username="us@demo|E110")
    assert inside.status == 200


# --- permissions --------------------------------------------------------------------------------------------------


def without(simulator: Simulator, how: str, **permissions: list[str]) -> None:
    """Take everything from `us` but these; what is missing is answered as `how` says."""
    simulator.settings.set({"no_permission": how})
    given = {name.replace("__", "/"): operations for name, operations in permissions.items()}
    control(simulator, "users", {"id": "us", "permissions": given})


@pytest.fixture
def us(caller: Caller, sign_in: Callable[[str], Caller]) -> Caller:
    """A user of one entity, in a company with one shared customer."""
    assert caller.post(PLACE, {"id": "C1", "name": "One"}).status == 201
    return sign_in("us@demo|E110")


def every_operation(us: Caller, key: str) -> dict[str, Any]:
    return {
        "list": us.get(PLACE),
        "query": us.query(**QUERY),
        "read": us.get(f"{PLACE}/{key}"),
        "create": us.post(PLACE, {"id": "C2", "name": "Two"}),
        "update": us.patch(f"{PLACE}/{key}", {"name": "Other"}),
        "delete": us.delete(f"{PLACE}/{key}"),
    }


def key_of(us: Caller) -> str:
    return str(us.get(PLACE).json()["ia::result"][0]["key"])


@pytest.mark.parametrize(("how", "status"), [("forbidden", 403), ("refused", 422)])
def test_calls_without_permission_are_refused(us: Caller, how: str, status: int) -> None:
    key = key_of(us)
    without(us.simulator, how)
    for operation, reply in every_operation(us, key).items():
        assert reply.status == status, operation
        assert CUSTOMER in reply.json()["ia::result"]["ia::error"]["message"]
    assert us.get("/services/core/model?name=accounts-receivable/customer").status == 200


def test_or_look_as_if_there_were_nothing(us: Caller) -> None:
    key = key_of(us)
    without(us.simulator, "empty")
    replies = every_operation(us, key)
    for operation in ("list", "query"):
        assert replies[operation].json()["ia::result"] == []
        assert replies[operation].json()["ia::meta"]["totalCount"] == 0
    assert replies["read"].status == 404
    for operation in ("create", "update", "delete"):
        assert replies[operation].status == 403, operation


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_is_allowed_by_itself(us: Caller, operation: str) -> None:
    key = key_of(us)
    without(us.simulator, "forbidden", accounts_receivable__customer=[])
    control(us.simulator, "users", {"id": "us", "permissions": {CUSTOMER: [operation]}})
    done = {name for name, reply in every_operation(us, key).items() if reply.status < 300}
    assert done == {operation}


def test_a_batch_without_permission_is_refused_as_a_whole(us: Caller) -> None:
    without(us.simulator, "forbidden")
    reply = us.post(PLACE, [{"id": "C3", "name": "3"}, {"id": "C4", "name": "4"}])
    assert (reply.status, reply.json()["ia::meta"]["totalCount"]) == (403, 1)
    assert us.query(object="company-config/department", fields=["id"]).status == 403


@given(
    permissions=st.dictionaries(
        st.sampled_from(["a/b", "a/c", "a/*", "b/*", "*"]), st.sets(st.sampled_from(OPERATIONS)).map(tuple)
    ),
    object=st.sampled_from(["a/b", "a/c", "b/x", "c/x"]),
    operation=st.sampled_from(OPERATIONS),
)
def test_the_nearest_entry_decides(permissions: dict[str, tuple[str, ...]], object: str, operation: str) -> None:
    ways = [object, object.split("/")[0] + "/*", "*"]
    nearest = next((permissions[way] for way in ways if way in permissions), ())
    assert allows(permissions, object, operation) == (operation in nearest)
    assert allows(None, object, operation)


@pytest.mark.parametrize("entity", ["E120", "E999"])
def test_a_foreign_entity(us: Caller, entity: str) -> None:
    def status(method: str, path: str, body: Any = None) -> int:
        return us.call(method, path, body, x_ia_api_param_entity=entity).status

    assert status("GET", PLACE) == 403
    us.simulator.settings.set({"foreign_entity": "refused"})
    assert status("GET", PLACE) == 422
    us.simulator.settings.set({"foreign_entity": "empty"})
    assert us.get(PLACE, x_ia_api_param_entity=entity).json()["ia::result"] == []
    assert status("POST", PLACE, {"id": "C9", "name": "x"}) == 403
    assert us.get(PLACE).json()["ia::meta"]["totalCount"] == 1


# --- the control API ------------------------------------------------------------------------------------------------


def refused(simulator: Simulator, action: str, body: bytes, **headers: str) -> str:
    named = {"content-type": "application/json"} | headers
    reply = simulator.handle(Request.of("POST", f"/_simulator/{action}", named, body))
    assert reply.status in (400, 403, 404), reply.body
    return str(reply.json()["error"])


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("users", b"{}", "id"),
        ("users", b'{"id": ""}', "user id"),
        ("users", b'{"id": "a@b"}', "no @"),
        ("users", b'{"id": "us", "company": "other"}', "There is no company 'other'"),
        ("users", b'{"id": "us", "permissions": {"customer": []}}', "an application/*"),
        ("users", b'{"id": "us", "permissions": {"*": ["write"]}}', "list, read, query"),
        ("users", b'{"id": "us", "status": "gone"}', "status"),
        ("clients", b'{"id": "x", "secret": ""}', "not empty"),
        ("clients", b'{"id": ""}', "id"),
        ("clients", b'{"id": "x", "colour": 1}', "colour"),
        ("access", b'{"environment": "moon"}', "environment"),
        ("sessions", b'{"session": ""}', "beginning"),
        ("sessions", b'{"as": "live"}', "as"),
        ("sessions", b"\xff", "fit"),
    ],
)
def test_what_does_not_fit_is_said_and_changes_nothing(
    simulator: Simulator, action: str, body: bytes, words: str
) -> None:
    before = [control(simulator, name) for name in ("users", "clients", "access", "sessions")]
    assert words in refused(simulator, action, body)
    assert [control(simulator, name) for name in ("users", "clients", "access", "sessions")] == before
    assert "web pages" in refused(simulator, action, b"{}", origin="https://evil.example")


def test_users_are_made_and_changed(app: Application) -> None:
    control(app.simulator, "users", {"id": "new", "password": "p", "entities": ["E130"]})
    app.user = "new"
    assert app.sign_in(app.open()).status == 401
    assert app.sign_in(app.open(), password="p").status == 200
    listed = control(app.simulator, "users", {"id": "new", "admin": True})["users"]
    new = next(user for user in listed if user["id"] == "new")
    assert (new["entities"], new["admin"], new["status"], "password" in new) == (["E130"], True, "active", False)


def test_clients_are_made_and_changed(app: Application) -> None:
    made = control(app.simulator, "clients", {"id": "web", "redirect_uris": ["https://a.example/"]})
    app.client, app.secret = "web", made["secret"]
    assert app.call(app.credentials()).status == 200
    assert "secret" not in control(app.simulator, "clients", {"id": "web", "name": "Web"})
    assert made["secret"] not in str(control(app.simulator, "clients"))
    assert "to <strong>Web</strong>" in app.open(redirect_uri="https://a.example/").body.decode()
    app.simulator.clients["web"] = Client(id="web", secret="other")
    assert credentials_error(app) == "invalid_client"


def test_a_removed_application_is_not_admitted(app: Application) -> None:
    tokens, consent = app.credentials(), app.consent()
    del app.simulator.clients["demo-client"]
    assert error_id(app.call(tokens)) == "GW-0011"
    assert app.submit(consent, decision="allow").status == 400


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(action=st.sampled_from(["users", "clients", "access", "sessions"]), body=st.binary(max_size=20), data=st.data())
def test_any_control_body_is_answered(simulator: Simulator, action: str, body: bytes, data: st.DataObject) -> None:
    names = st.sampled_from(["id", "company", "entities", "permissions", "status", "clients", "as", "session", "user"])
    values = st.none() | st.booleans() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)
    given = data.draw(st.just(body) | st.dictionaries(names, values).map(lambda value: json.dumps(value).encode()))
    headers = {"content-type": "application/json"}
    reply = simulator.handle(Request.of("POST", f"/_simulator/{action}", headers, given))
    assert reply.status in (200, 201, 400, 404)
