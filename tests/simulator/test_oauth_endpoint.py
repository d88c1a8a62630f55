"""Signing in, being refused, refreshing and being revoked (REST reference 1)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tieout.simulator.clients import DEMO_CLIENT, Client
from tieout.simulator.clock import Clock
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Caller

TOKEN = "/ia/api/v1/oauth2/token"
FORM = {"content-type": "application/x-www-form-urlencoded"}
GRANT = b"grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&username="


def token(simulator: Simulator, body: bytes, **headers: str) -> Response:
    return simulator.handle(Request.of("POST", TOKEN, FORM | headers, body))


def claims(access_token: str) -> dict[str, Any]:
    part = access_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def list_entities(simulator: Simulator, authorization: str | None) -> Response:
    headers = {} if authorization is None else {"authorization": authorization}
    return simulator.handle(Request.of("GET", "/ia/api/v1/objects/company-config/entity", headers))


def refresh(simulator: Simulator, refresh_token: str, extra: str = "") -> Response:
    body = f"grant_type=refresh_token&client_id=demo-client&client_secret=demo-secret&refresh_token={refresh_token}"
    return token(simulator, (body + extra).encode())


def test_the_recorded_sign_in(simulator: Simulator) -> None:
    """REST reference 1.4: form body, and the fields of the recorded reply in its order."""
    reply = token(simulator, GRANT + b"admin%40demo")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert list(body) == ["token_type", "access_token", "refresh_token", "expires_in"]
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 43200
    said = claims(body["access_token"])
    assert said["cnyId"] == "demo"
    assert said["userId"] == "admin"
    assert said["entityId"] is None
    assert said["exp"] - said["iat"] == 43200
    assert {"iss", "aud", "sub", "clientId", "cnyKey", "userKey", "sessionId"} <= said.keys()
    assert list_entities(simulator, f"Bearer {body['access_token']}").status == 200


def test_json_and_basic_authentication_are_accepted_too(simulator: Simulator) -> None:
    asked = {"grant_type": "client_credentials", "username": "us@demo|E110"}
    asked |= {"client_id": "demo-client", "client_secret": "demo-secret"}
    body = json.dumps({**asked, "refresh_token": None, "scope": None}).encode()  # what many serializers make of nothing
    reply = token(simulator, body, **{"content-type": "application/json; charset=utf-8"})
    assert claims(reply.json()["access_token"])["entityId"] == "E110"
    basic = "Basic " + base64.b64encode(b"demo-client:demo-secret").decode()
    assert token(simulator, b"grant_type=client_credentials&username=ca%40demo", authorization=basic).status == 200


def test_a_session_that_lives_stands_for_its_user_and_place(simulator: Simulator) -> None:
    first = claims(token(simulator, GRANT + b"us%40demo%7CE110").json()["access_token"])
    asked = f"{GRANT.decode()}&session_id={first['sessionId']}".encode()
    second = claims(token(simulator, asked).json()["access_token"])
    assert (second["sub"], second["entityId"]) == (first["sub"], "E110")
    assert second["sessionId"] != first["sessionId"]
    simulator.clock.advance(43_201)
    assert token(simulator, asked).json()["error_description"] == "The provided credentials are invalid"


@pytest.mark.parametrize(
    ("body", "status", "error", "description"),
    [
        (GRANT + b"admin", 400, "invalid_grant", "The username format is invalid (expected user@company)"),
        (GRANT + b"nobody%40demo", 400, "invalid_grant", "The provided credentials are invalid"),
        (GRANT + b"Admin%40demo", 400, "invalid_grant", "The provided credentials are invalid"),
        (GRANT + b"admin%40elsewhere", 400, "invalid_grant", "The provided credentials are invalid"),
        (GRANT + b"admin%40demo%7CE999", 400, "invalid_grant", "The provided credentials are invalid"),
        (GRANT + b"us%40demo%7CE120", 400, "invalid_grant", "The provided credentials are invalid"),
        (GRANT + b"&session_id=x", 400, "invalid_grant", "The provided credentials are invalid"),
        (GRANT, 400, "invalid_request", "Either username or session_id is required"),
        (
            GRANT.replace(b"demo-secret", b"wrong") + b"admin%40demo",
            401,
            "invalid_client",
            "The Client ID, Client Secret, and/or 3rd Party Application are incorrect",
        ),
        (
            GRANT.replace(b"demo-client", b"wrong") + b"admin%40demo",
            401,
            "invalid_client",
            "The Client ID, Client Secret, and/or 3rd Party Application are incorrect",
        ),
        (
            GRANT.replace(b"client_credentials", b"password") + b"admin%40demo",
            400,
            "unsupported_grant_type",
            "The grant type 'password' is not supported",
        ),
        (
            b"grant_type=refresh_token&client_id=demo-client&client_secret=demo-secret",
            400,
            "invalid_request",
            "The refresh_token parameter is required",
        ),
        (
            b"grant_type=refresh_token&client_id=demo-client&client_secret=demo-secret&refresh_token=x",
            400,
            "invalid_grant",
            "The refresh token is invalid",
        ),
    ],
)
def test_refused_sign_ins(simulator: Simulator, body: bytes, status: int, error: str, description: str) -> None:
    reply = token(simulator, body)
    assert reply.status == status
    assert reply.json() == {"error": error, "error_description": description}


def test_bodies_that_are_no_form(simulator: Simulator) -> None:
    assert token(simulator, b"[1]", **{"content-type": "application/json"}).json()["error"] == "invalid_request"
    assert token(simulator, b"\xff\xfe").json()["error"] == "invalid_request"
    assert simulator.handle(Request.of("GET", TOKEN)).status == 405


@pytest.mark.parametrize("authorization", [None, "", "Basic abc", "Bearer", "Bearer  "])
def test_no_bearer_token(simulator: Simulator, authorization: str | None) -> None:
    reply = list_entities(simulator, authorization)
    assert reply.status == 401
    error = reply.json()["error"]
    assert (error["errorId"], error["message"]) == ("GW-0034", "Invalid Authorization Header")


@pytest.mark.parametrize("value", ["abc", "a.b.c", "YQ.YQ.YQ", "é.é.é"])
def test_a_malformed_token_is_a_400(simulator: Simulator, value: str) -> None:
    reply = list_entities(simulator, f"Bearer {value}")
    assert reply.status == 400
    error = reply.json()["ia::result"]["ia::error"]
    assert (error["errorId"], error["message"]) == ("REST-1206", "The token is not valid")


def test_an_expired_token(simulator: Simulator, caller: Caller) -> None:
    simulator.clock.advance(43199)
    assert caller.get("/objects/company-config/entity").status == 200
    simulator.clock.advance(1)
    reply = caller.get("/objects/company-config/entity")
    assert reply.status == 401
    assert (reply.json()["error"]["errorId"], reply.json()["error"]["message"]) == ("GW-0040", "Expired token")


def test_a_token_whose_text_was_changed(simulator: Simulator, caller: Caller) -> None:
    """Signed for `us`, rewritten to `admin`: the signature no longer fits."""
    us = type(caller)(simulator, "us@demo").tokens["access_token"]
    head, _, signature = us.split(".")
    forged = {**claims(us), "userId": "admin"}
    body = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
    reply = list_entities(simulator, f"Bearer {head}.{body}.{signature}")
    assert reply.status == 401
    assert reply.json()["error"]["errorId"] == "REST-2102"


def test_a_token_that_was_proven_proves_no_other(simulator: Simulator, caller: Caller) -> None:
    """Every call looks at the signature of its own token, also after another with the same claims was let in."""
    assert caller.get("/objects/company-config/entity").status == 200
    claimed, _, signature = caller.tokens["access_token"].rpartition(".")
    other = ("A" if signature[0] != "A" else "B") + signature[1:]
    for forged in (f"{claimed}.{other}", f"{claimed}."):
        reply = list_entities(simulator, f"Bearer {forged}")
        assert (reply.status, reply.json()["error"]["errorId"]) == (401, "REST-2102")


def test_a_token_without_signature_is_none(simulator: Simulator, caller: Caller) -> None:
    _, body, _ = caller.tokens["access_token"].split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"","typ":"JWT"}').rstrip(b"=").decode()
    assert list_entities(simulator, f"Bearer {head}.{body}.").status == 400


def test_tokens_of_another_server_are_unknown_here(simulator: Simulator, caller: Caller) -> None:
    """REST-2102, word for word as reported (REST reference 1.8)."""
    with Simulator("empty", clock=simulator.clock) as other:
        foreign = type(caller)(other).headers["authorization"]
        reply = list_entities(simulator, foreign)
    assert reply.status == 401
    error = reply.json()["error"]
    del error["supportId"]
    assert error == {
        "code": "tokenInvalid",
        "message": "Token is not valid",
        "errorId": "REST-2102",
        "additionalInfo": {"messageId": "IA.TOKEN_IS_INVALID", "placeholders": {}, "propertySet": {}},
    }


def test_refreshing_gives_new_tokens_and_leniently_keeps_the_old(simulator: Simulator, caller: Caller) -> None:
    first = refresh(simulator, caller.tokens["refresh_token"])
    assert first.status == 200
    assert first.json()["refresh_token"] != caller.tokens["refresh_token"]
    assert list_entities(simulator, f"Bearer {first.json()['access_token']}").status == 200
    assert refresh(simulator, caller.tokens["refresh_token"]).status == 200


def test_strict_rotation_takes_each_refresh_token_once(caller: Caller) -> None:
    with Simulator("empty", switches={"rotation": "strict"}) as strict:
        old = type(caller)(strict).tokens["refresh_token"]
        new = refresh(strict, old).json()["refresh_token"]
        again = refresh(strict, old)
        assert again.status == 400
        assert again.json()["error"] == "invalid_grant"
        assert refresh(strict, new).status == 200


def test_a_refused_refresh_does_not_use_up_the_token(caller: Caller) -> None:
    with Simulator("empty", switches={"rotation": "strict"}) as strict:
        old = type(caller)(strict, "us@demo").tokens["refresh_token"]
        assert refresh(strict, old, "&entity_id=E120").status == 400
        reply = refresh(strict, old, "&entity_id=E110")
        assert claims(reply.json()["access_token"])["entityId"] == "E110"


def test_a_refresh_token_belongs_to_its_client(caller: Caller) -> None:
    clients = (DEMO_CLIENT, Client(id="other", secret="other-secret"))
    with Simulator("empty", clients=clients) as two:
        mine = type(caller)(two).tokens["refresh_token"]
        body = f"grant_type=refresh_token&client_id=other&client_secret=other-secret&refresh_token={mine}"
        assert token(two, body.encode()).json()["error"] == "invalid_grant"


def test_revoking_one_token_kills_all_of_its_user(simulator: Simulator, caller: Caller) -> None:
    """REST reference 1.7: one pool per user and company; other users live on."""
    second, other = type(caller)(simulator), type(caller)(simulator, "us@demo")
    body = f"client_id=demo-client&client_secret=demo-secret&token={caller.tokens['refresh_token']}".encode()
    assert simulator.handle(Request.of("POST", "/ia/api/v1/oauth2/revoke", FORM, body)).status == 200
    for dead in (caller, second):
        assert dead.get("/objects/company-config/entity").json()["error"]["errorId"] == "REST-2102"
        assert refresh(simulator, dead.tokens["refresh_token"]).status == 400
    assert other.get("/objects/company-config/entity").status == 200
    assert type(caller)(simulator).get("/objects/company-config/entity").status == 200


def test_a_shorter_life(caller: Caller) -> None:
    clock = Clock(caller.simulator.clock.now())
    with Simulator("empty", clock=clock, switches={"token_lifetime": 60}) as hasty:
        brief = type(caller)(hasty)
        assert brief.tokens["expires_in"] == 60
        clock.advance(60)
        assert brief.get("/objects/company-config/entity").status == 401


def test_discovery_and_the_published_key_verify_a_token(simulator: Simulator, caller: Caller) -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256

    def number(text: str) -> int:
        return int.from_bytes(decoded(text), "big")

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    document = simulator.handle(Request.of("GET", "/.well-known/openid-configuration")).json()
    origin = simulator.origin
    assert document == {
        "issuer": origin,
        "authorization_endpoint": f"{origin}/ia/authorize",
        "token_endpoint": f"{origin}/ia/api/v1/oauth2/token",
        "revocation_endpoint": f"{origin}/ia/api/v1/oauth2/revoke",
        "jwks_uri": f"{origin}/.well-known/jwks.json",
        "scopes_supported": ["openid", "offline_access", "sage/ai-agents", "token-exchange"],
        "response_types_supported": ["code", "token", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "grant_types_supported": [
            "authorization_code",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "claims_supported": [
            *("aud", "exp", "iat", "iss", "sub", "agentId", "clientId", "cnyId", "cnyKey", "userId", "userKey"),
            *("entityId", "sessionId", "oid", "aiEnabled"),
        ],
    }
    (key,) = simulator.handle(Request.of("GET", "/.well-known/jwks.json")).json()["keys"]
    head, body, signature = caller.tokens["access_token"].split(".")
    assert json.loads(decoded(head)) == {"alg": "RS256", "kid": key["kid"], "typ": "JWT"}
    public = RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
    public.verify(decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
