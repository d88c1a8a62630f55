"""OAuth 2.0 of the simulated Intacct: the token endpoint, revocation, discovery, and the bearer check of every call.

Facts: REST reference 1. It decides who is calling; what that user may see is the company's business.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import msgspec

from tieout.simulator.http import Request, Response, json_reply
from tieout.simulator.refusal import Refusal
from tieout.simulator.tokens import Claims, ForgedTokenError, MalformedTokenError, read

if TYPE_CHECKING:
    from tieout.simulator.desk import Session
    from tieout.simulator.identity import Who
    from tieout.simulator.server import Simulator, Tenant

CLIENTS = {"demo-client": "demo-secret"}
"""Client id -> secret, of scope non-production."""


# --- the token endpoint -------------------------------------------------------------------------------------------


def token_endpoint(simulator: Simulator, request: Request) -> Response:
    """`POST /oauth2/token`: client_credentials and refresh_token, form or JSON (REST reference 1.3-1.5)."""
    form = _form(request)
    client = _client(simulator, request, form)
    grant = form.get("grant_type", "")
    if grant == "client_credentials":
        return _client_credentials(simulator, client, form)
    if grant == "refresh_token":
        return _refresh(simulator, client, form)
    raise Refusal.oauth(400, "unsupported_grant_type", f"The grant type {grant!r} is not supported")


def revoke_endpoint(simulator: Simulator, request: Request) -> Response:
    """`POST /oauth2/revoke`: ends every session of the token's user in its company (REST reference 1.7)."""
    form = _form(request)
    _client(simulator, request, form)
    token = form.get("token", "")
    for tenant in simulator.tenants():
        session = tenant.desk.by_refresh_token(token) or _session_of(tenant, token)
        if session is not None:
            tenant.desk.kill(session.user_id)
    return Response(200, {"cache-control": "no-store"})  # RFC 7009: an unknown token is no error


def _session_of(tenant: Tenant, token: str) -> Session | None:
    try:
        claims = read(token)
        tenant.desk.key.check(token)
    except (MalformedTokenError, ForgedTokenError):
        return None
    return tenant.desk.find(claims.session_id)


def _client_credentials(simulator: Simulator, client: str, form: Mapping[str, str]) -> Response:
    username = form.get("username")
    if not username:
        raise Refusal.oauth(400, "invalid_request", "The username parameter is required")
    user_id, at, place = username.rpartition("@")
    if not at:
        raise Refusal.oauth(400, "invalid_grant", "The username format is invalid (expected user@company)")
    company, _, entity_id = place.partition("|")
    tenant = simulator.tenant(company)
    if tenant is None:
        raise _bad_credentials()
    return _issue(simulator, tenant, client, user_id, entity_id or None)


def _refresh(simulator: Simulator, client: str, form: Mapping[str, str]) -> Response:
    refresh = form.get("refresh_token")
    if not refresh:
        raise Refusal.oauth(400, "invalid_request", "The refresh_token parameter is required")
    for tenant in simulator.tenants():
        session = tenant.desk.by_refresh_token(refresh)
        if session is None or session.client != client:
            continue
        entity_id = form.get("entity_id") or session.entity_id
        _known(tenant, session.user_id, entity_id)
        if simulator.settings.word("rotation") == "lenient" or tenant.desk.spend(refresh):
            return _issue(simulator, tenant, client, session.user_id, entity_id)
    raise Refusal.oauth(400, "invalid_grant", "The refresh token is invalid")


def _known(tenant: Tenant, user_id: str, entity_id: str | None) -> Who:
    if user_id not in tenant.company.users:
        raise _bad_credentials()
    try:
        return tenant.company.who(user_id, entity_id)
    except Refusal:
        raise _bad_credentials() from None


def _issue(simulator: Simulator, tenant: Tenant, client: str, user_id: str, entity_id: str | None) -> Response:
    who = _known(tenant, user_id, entity_id)
    session, refresh = tenant.desk.open(client, user_id, entity_id)
    now = int(simulator.clock.now().timestamp())
    lifetime = int(simulator.settings.number("token_lifetime"))
    claims = Claims(
        iss=simulator.origin,
        aud=f"{simulator.origin}/ia/api/v1",
        sub=f"{user_id}@{tenant.company.name}",
        iat=now,
        exp=now + lifetime,
        client_id=client,
        cny_id=tenant.company.name,
        cny_key=tenant.key,
        user_id=user_id,
        user_key=who.user_key,
        entity_id=entity_id,
        session_id=session.id,
    )
    return json_reply(
        200,
        {
            "token_type": "Bearer",
            "access_token": tenant.desk.key.sign(claims),
            "refresh_token": refresh,
            "expires_in": lifetime,
        },
        cache_control="no-store",
    )


def _client(simulator: Simulator, request: Request, form: Mapping[str, str]) -> str:
    client, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and not client:
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _bad_client() from None
        client, secret = unquote(client), unquote(secret)
    expected = simulator.clients.get(client)
    if expected is None or not secrets.compare_digest(expected.encode(), secret.encode()):
        raise _bad_client()
    return client


def _form(request: Request) -> dict[str, str]:
    if "json" in request.headers.get("content-type", ""):
        try:
            return msgspec.json.decode(request.body, type=dict[str, str])
        except msgspec.DecodeError:
            raise Refusal.oauth(400, "invalid_request", "The body is not a JSON object of strings") from None
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise Refusal.oauth(400, "invalid_request", "The body is not form data") from None


def _bad_client() -> Refusal:
    """The words of REST-1216; that they come in this shape is INFERRED (REST reference 1.8)."""
    return Refusal.oauth(
        401, "invalid_client", "The Client ID, Client Secret, and/or 3rd Party Application are incorrect"
    )


def _bad_credentials() -> Refusal:
    return Refusal.oauth(400, "invalid_grant", "The provided credentials are invalid")


# --- discovery ----------------------------------------------------------------------------------------------------


def discovery(simulator: Simulator) -> Response:
    """`/.well-known/openid-configuration`, the values of REST reference 1.1."""
    origin = simulator.origin
    return json_reply(
        200,
        {
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
        },
    )


def key_set(simulator: Simulator) -> Response:
    """`/.well-known/jwks.json`: every company's public key, once."""
    keys = {tenant.desk.key.kid: tenant.desk.key.public() for tenant in simulator.tenants()}
    return json_reply(200, {"keys": list(keys.values())})


# --- the gate -----------------------------------------------------------------------------------------------------


def admit(simulator: Simulator, request: Request) -> tuple[Tenant, Session]:
    """Whose token is it? Raises Refusal in the words of REST reference 1.8."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Refusal.authorization_missing()
    try:
        claims = read(token)
    except MalformedTokenError:
        raise Refusal.token_malformed() from None
    tenant = simulator.tenant(claims.cny_id)
    if tenant is None:
        raise Refusal.token_invalid()
    try:
        tenant.desk.key.check(token)
    except (MalformedTokenError, ForgedTokenError):
        raise Refusal.token_invalid() from None
    if claims.exp <= simulator.clock.now().timestamp():
        raise Refusal.token_expired()
    session = tenant.desk.find(claims.session_id)
    if session is None:
        raise Refusal.token_invalid()
    return tenant, session
