"""OAuth 2.0 of the simulated Intacct: the token endpoint, revocation and introspection (REST reference 1).

It decides who gets tokens. Signing in by browser is `authorize`'s, the check of every call `gate`'s, and what is
remembered `grants`'s.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import msgspec

from tieout.simulator import authorize, discovery
from tieout.simulator.clients import Client
from tieout.simulator.grants import Issued, RefusedGrantError, Session
from tieout.simulator.http import Request, Response, json_reply
from tieout.simulator.refusal import CLIENT_INCORRECT, Refusal
from tieout.simulator.tokens import Claims, ForgedTokenError, MalformedTokenError, read

if TYPE_CHECKING:
    from tieout.simulator.behaviour import Settings
    from tieout.simulator.identity import Who
    from tieout.simulator.server import Simulator, Tenant

AUTHORIZE = frozenset({("ia", "authorize"), ("ia", "api", "v1", "oauth2", "authorize")})
"""Both doors of the authorize page: the documented one and the one that discovery advertises (REST reference 1.1)."""
TOKEN = ("ia", "api", "v1", "oauth2", "token")
REVOKE = ("ia", "api", "v1", "oauth2", "revoke")
INTROSPECT = ("ia", "api", "v1", "oauth2", "introspect")


def answer(simulator: Simulator, request: Request) -> Response | None:
    """The reply to a request that is about signing in, None for every other."""
    segments = request.segments
    if request.method == "GET" and segments == (".well-known", "openid-configuration"):
        return discovery.discovery(simulator)
    if request.method == "GET" and segments == (".well-known", "jwks.json"):
        return discovery.key_set(simulator)
    if segments in AUTHORIZE:
        return authorize.answer(simulator, request)
    if segments not in (TOKEN, REVOKE, INTROSPECT):
        return None
    if request.method != "POST":
        raise Refusal.method_not_allowed(request.method, request.path, ("POST",))
    if segments == TOKEN:
        return token_endpoint(simulator, request)
    return (revoke_endpoint if segments == REVOKE else introspect_endpoint)(simulator, request)


# --- the token endpoint -------------------------------------------------------------------------------------------


def token_endpoint(simulator: Simulator, request: Request) -> Response:
    """`POST /oauth2/token`: authorization_code, refresh_token and client_credentials, form or JSON (REST reference
    1.2-1.5)."""
    form = _form(request)
    grant = form.get("grant_type", "")
    # A public client has no secret to show for a code, but a verifier; refreshing takes the secret all the same.
    client = _client(simulator, request, form, public=grant == "authorization_code" and bool(form.get("code_verifier")))
    if grant == "authorization_code":
        return _authorization_code(simulator, client, form)
    if grant == "refresh_token":
        return _refresh(simulator, client, form)
    if grant == "client_credentials":
        return _client_credentials(simulator, client, form)
    raise Refusal.oauth(400, "unsupported_grant_type", f"The grant type {grant!r} is not supported")


def _authorization_code(simulator: Simulator, client: Client, form: Mapping[str, str]) -> Response:
    text, redirect_uri = _required(form, "code"), _required(form, "redirect_uri")
    verifier = form.get("code_verifier") or None
    for tenant in simulator.tenants():
        code = tenant.desk.grants.code(text)
        if code is None:
            continue
        _let_in(tenant, client)
        who = _known(tenant, code.user_id, code.entity_id)
        try:
            return _tokens(simulator, tenant, who, tenant.desk.grants.redeem(text, client.id, redirect_uri, verifier))
        except RefusedGrantError as refused:
            raise Refusal.oauth(400, "invalid_grant", str(refused)) from None
    raise Refusal.oauth(400, "invalid_grant", "The authorization code is invalid")


def _refresh(simulator: Simulator, client: Client, form: Mapping[str, str]) -> Response:
    refresh = _required(form, "refresh_token")
    for tenant in simulator.tenants():
        session = tenant.desk.grants.renewable(refresh, client.id)
        if session is None:
            continue
        _let_in(tenant, client)
        entity_id = form.get("entity_id") or session.entity_id
        who = _known(tenant, session.user_id, entity_id)
        try:
            return _tokens(simulator, tenant, who, tenant.desk.grants.renew(refresh, entity_id))
        except RefusedGrantError:
            raise _dead_grant(tenant.company.settings) from None
    raise _dead_grant(simulator.settings)


def _client_credentials(simulator: Simulator, client: Client, form: Mapping[str, str]) -> Response:
    if not form.get("username"):
        return _by_session(simulator, client, form.get("session_id", ""))
    user_id, at, place = form["username"].rpartition("@")
    if not at:
        raise Refusal.oauth(400, "invalid_grant", "The username format is invalid (expected user@company)")
    company, _, entity_id = place.partition("|")
    tenant = simulator.tenant(company)
    if tenant is None:
        raise _bad_credentials()
    _let_in(tenant, client)
    user = tenant.company.users.get(user_id)
    if user is None or not user.web_services:
        raise _bad_credentials()
    entity = entity_id or default_entity(tenant, user_id)
    who = _known(tenant, user_id, entity)
    issued = tenant.desk.grants.begin(client.id, user_id, entity, kind="client_credentials", offline=True)
    return _tokens(simulator, tenant, who, issued)


def _by_session(simulator: Simulator, client: Client, session_id: str) -> Response:
    """Tokens for the user, and at the place, of a session that lives (REST reference 1.4). The only sessions here are
    those of access tokens, told by the claim `sessionId`."""
    if not session_id:
        raise Refusal.oauth(400, "invalid_request", "Either username or session_id is required")
    for tenant in simulator.tenants():
        session, state = tenant.desk.grants.find(session_id) or (None, "dead")
        if session is None or state != "live":
            continue
        _let_in(tenant, client)
        who = _known(tenant, session.user_id, session.entity_id)
        issued = tenant.desk.grants.begin(
            client.id, session.user_id, session.entity_id, kind="client_credentials", offline=True
        )
        return _tokens(simulator, tenant, who, issued)
    raise _bad_credentials()


def default_entity(tenant: Tenant, user_id: str) -> str | None:
    """Where a user lands who names no entity: top level, or for one who has none the first of its entities. Raises
    Refusal where the switch `no_top_level` refuses that."""
    user = tenant.company.users[user_id]
    if user.top_level or not user.entities:
        return None
    if tenant.company.settings.word("no_top_level") == "refused":
        raise _bad_credentials()
    return user.entities[0]


def _let_in(tenant: Tenant, client: Client) -> None:
    """The company has subscribed to Web Services and authorised the application (REST reference 1.2, 1.4)."""
    access, settings = tenant.desk.grants.access, tenant.company.settings
    if not access.web_services:
        raise _bad_credentials()
    if not access.admits(client) or (not access.fits(client) and settings.word("scope_mismatch") == "token"):
        raise _bad_client(settings)


def _known(tenant: Tenant, user_id: str, entity_id: str | None) -> Who:
    if user_id not in tenant.company.users or tenant.company.user_status(user_id) != "active":
        raise _bad_credentials()
    try:
        return tenant.company.who(user_id, entity_id)
    except Refusal:
        raise _bad_credentials() from None


def _tokens(simulator: Simulator, tenant: Tenant, who: Who, issued: Issued) -> Response:
    """The fields of the recorded reply in its order (REST reference 1.4); no refresh token where there is none."""
    session = issued.session
    claims = Claims(
        iss=simulator.origin,
        aud=f"{simulator.origin}/ia/api/v1",
        sub=f"{session.user_id}@{tenant.company.name}",
        iat=session.issued,
        exp=session.expires,
        client_id=session.client,
        cny_id=tenant.company.name,
        cny_key=tenant.key,
        user_id=session.user_id,
        user_key=who.user_key,
        entity_id=session.entity_id,
        session_id=session.id,
    )
    content: dict[str, object] = {"token_type": "Bearer", "access_token": tenant.desk.key.sign(claims)}
    if issued.refresh is not None:
        content["refresh_token"] = issued.refresh
    content["expires_in"] = session.expires - session.issued
    return json_reply(200, content, cache_control="no-store")


# --- revocation ---------------------------------------------------------------------------------------------------


def revoke_endpoint(simulator: Simulator, request: Request) -> Response:
    """`POST /oauth2/revoke`: ends the tokens of the token's user in its company (REST reference 1.7)."""
    form = _form(request)
    client = _client(simulator, request, form)
    token = form.get("token", "")
    for tenant in simulator.tenants():
        session = tenant.desk.grants.renewable(token, client.id) or _session_of(tenant, token)
        if session is not None and session.client == client.id:
            tenant.desk.grants.revoke(session)
    return json_reply(200, {"revoked": True}, cache_control="no-store")  # RFC 7009: an unknown token is no error


def introspect_endpoint(simulator: Simulator, request: Request) -> Response:
    """`POST /oauth2/introspect`: what an access token says and whether it works (RFC 7662). Asked by a client, or with
    a token that works as the bearer. Path and field names are a public client's (INFERRED)."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    form = _form(request)
    if scheme.lower() != "bearer":
        _client(simulator, request, form)
    elif _alive(simulator, bearer.strip()) is None:
        raise Refusal.oauth(401, "invalid_token", "The token is not valid")
    found = _alive(simulator, form.get("token", ""))
    if found is None:
        return json_reply(200, {"active": False}, cache_control="no-store")
    tenant, session = found
    who = tenant.company.who(session.user_id, session.entity_id)
    place = {"entity_id": who.entity.id, "entity_key": who.entity.key} if who.entity is not None else {}
    content = {
        "active": True,
        "token_type": "bearer",
        "client_id": session.client,
        "user_id": session.user_id,
        "user_key": who.user_key,
        "cny_id": tenant.company.name,
        "company_key": tenant.key,
        "exp": session.expires,
        "iat": session.issued,
        "ai_enabled": False,
    }
    return json_reply(200, content | place, cache_control="no-store")


def _alive(simulator: Simulator, token: str) -> tuple[Tenant, Session] | None:
    """The company and the session of an access token that works."""
    for tenant in simulator.tenants():
        session = _session_of(tenant, token)
        found = tenant.desk.grants.find(session.id) if session is not None else None
        if found is not None and found[1] == "live" and found[0].user_id in tenant.company.users:
            return tenant, found[0]
    return None


def _session_of(tenant: Tenant, token: str) -> Session | None:
    try:
        claims = read(token)
        tenant.desk.key.check(token)
    except (MalformedTokenError, ForgedTokenError):
        return None
    found = tenant.desk.grants.find(claims.session_id) if claims.cny_id == tenant.company.name else None
    return found[0] if found is not None else None


# --- requests and refusals ----------------------------------------------------------------------------------------


def _client(simulator: Simulator, request: Request, form: Mapping[str, str], *, public: bool = False) -> Client:
    """The client, proven by its secret; a `public` one need not send any."""
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and not secret:
        try:
            named, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise _bad_client(simulator.settings) from None
        if client_id and client_id != unquote(named):
            raise _bad_client(simulator.settings)
        client_id, secret = unquote(named), unquote(secret)
    client = simulator.clients.get(client_id)
    if client is None or not ((public and not secret) or _same(client.secret, secret)):
        raise _bad_client(simulator.settings)
    return client


def _same(expected: str, given: str) -> bool:
    return secrets.compare_digest(expected.encode(), given.encode(errors="surrogatepass"))


def _form(request: Request) -> dict[str, str]:
    if "json" in request.headers.get("content-type", ""):
        try:
            given = msgspec.json.decode(request.body, type=dict[str, str | None])
            return {name: value for name, value in given.items() if value is not None}
        except msgspec.DecodeError:
            raise Refusal.oauth(400, "invalid_request", "The body is not a JSON object of strings") from None
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except ValueError:
        raise Refusal.oauth(400, "invalid_request", "The body is not form data") from None


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise Refusal.oauth(400, "invalid_request", f"The {name} parameter is required")
    return value


def _bad_client(settings: Settings) -> Refusal:
    """The words of REST-1216; in which shape they come is the switch `client_error` (REST reference 1.8)."""
    if settings.word("client_error") == "REST-1216":
        return Refusal.client_incorrect()
    return Refusal.oauth(401, "invalid_client", CLIENT_INCORRECT)


def _dead_grant(settings: Settings) -> Refusal:
    """A refresh token that does not work any more (REST reference 1.3, 1.8)."""
    if settings.word("dead_grant_error") == "invalid_client":
        return Refusal.oauth(401, "invalid_client", CLIENT_INCORRECT)
    return Refusal.oauth(400, "invalid_grant", "The refresh token is invalid")


def _bad_credentials() -> Refusal:
    return Refusal.oauth(400, "invalid_grant", "The provided credentials are invalid")
