"""Sign-in: what is simulated and what can be chosen (REST reference 1)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

_TOKEN_LOOKS = ("GW-0040", "GW-0031", "REST-1206", "REST-2102")

FACTS: tuple[Fact, ...] = (
    Fact(what="Client credentials, form or JSON, which also answers a refresh token", evidence="LIVE", where="1.4"),
    Fact(
        what="Authorization code: login page, consent page, redirect with `code` and the `state` as it came; "
        "`redirect_uri` must equal a registered one",
        evidence="DOC",
        where="1.2",
    ),
    Fact(
        what="PKCE, S256 and plain; with a verifier a code is redeemed without the secret", evidence="DOC", where="1.2"
    ),
    Fact(what="No refresh token without the scope `offline_access`", evidence="LIVE", where="1.2"),
    Fact(
        what="Refreshing takes the secret even after PKCE; `entity_id` moves to an entity", evidence="LIVE", where="1.3"
    ),
    Fact(what="Access tokens are RS256 JSON Web Tokens that the published keys verify", evidence="DOC", where="1.1"),
    Fact(what="Which of the announced claims a token carries, and its `aud`", evidence="INFERRED", where="1.6"),
    Fact(what="The discovery document, value for value", evidence="LIVE", where="1.1"),
    Fact(what="Revoking one token ends all of the user in the company", evidence="DOC", where="1.7"),
    Fact(what='Revoking answers `{"revoked": true}`, for an unknown token too', evidence="INFERRED", where="1.1"),
    Fact(
        what="`POST /oauth2/introspect` tells whether an access token works, to a client or to the bearer of one",
        evidence="INFERRED",
        where="1.1",
    ),
    Fact(
        what="Client credentials without `username` and `session_id` are refused in Sage's words",
        evidence="LIVE",
        where="1.4",
    ),
    Fact(
        what="`session_id` instead of `username`: the `sessionId` of a live access token gives its user another",
        evidence="INFERRED",
        where="1.4",
    ),
    Fact(what="null for a member of a token request counts as absent", evidence="INFERRED", where="1.5"),
    Fact(what="A second client-credentials token leaves the first alone", evidence="INFERRED", where="1.7"),
    Fact(what="A second authorization counts when its code is redeemed", evidence="INFERRED", where="1.7"),
    Fact(
        what="A code that was tried in vain (other client, address or verifier) still works",
        evidence="INFERRED",
        where="1.2",
    ),
    Fact(what="User names are case-sensitive; one without @ is refused in Sage's words", evidence="LIVE", where="1.4"),
    Fact(what="Client credentials name a Web Services user only", evidence="DOC", where="1.4"),
    Fact(what="A company without the Web Services subscription gives nobody a token", evidence="LIVE", where="1.4"),
    Fact(
        what="Only an `active` user signs in; a token that was given before lives on", evidence="INFERRED", where="9.1"
    ),
    Fact(what="A user without permissions gets a token and fails at the call", evidence="LIVE", where="1.4"),
    Fact(what="A restricted user sees fewer rows, without any error", evidence="DOC", where="10.3"),
    Fact(what="No or an odd `Authorization` header: GW-0034, with 401", evidence="INFERRED", where="1.8"),
    Fact(what="A token that is no token: REST-1206 with 400", evidence="LIVE", where="1.8"),
    Fact(
        what="A client that the company does not authorise any more: GW-0011 at the call, with 400",
        evidence="INFERRED",
        where="1.8",
    ),
)

_REFRESH = (
    Switch(
        name="rotation",
        default="lenient",
        choices=("lenient", "strict"),
        what="What becomes of a refresh token that was used: still accepted (lenient), or refused (strict).",
        where="1.3",
    ),
    Switch(
        name="rotation_grace",
        default=0,
        what="Seconds for which strict rotation still accepts a used refresh token.",
        where="1.3",
    ),
    Switch(
        name="refresh_reuse_kills",
        default=False,
        what="Whether a used refresh token that comes again, and is refused, ends its whole grant.",
        where="1.3",
    ),
    Switch(
        name="refresh_token_lifetime",
        default=0,
        what="Seconds that a refresh token lives; 0 for ever.",
        where="1.3",
    ),
    Switch(
        name="refresh_ends_access",
        default=False,
        what="Whether refreshing ends the access token that came with the refresh token.",
        where="1.3",
    ),
    Switch(
        name="second_authorization",
        default="kills",
        choices=("kills", "keeps"),
        what="Whether authorizing the same user of the same company again kills the refresh token of the first time.",
        evidence="LIVE",
        where="1.7",
    ),
    Switch(
        name="second_authorization_ends_access",
        default=False,
        what="Whether it also ends the access tokens of the first time.",
        where="1.7",
    ),
    Switch(
        name="forbidden_body",
        default="envelope",
        choices=("envelope", "gateway"),
        what="The body of a 403: as of other errors (`error_envelope`), or the gateway's, under `error`.",
        where="12",
    ),
    Switch(
        name="grant_scope",
        default="user",
        choices=("user", "client"),
        what="Which first authorization that is: the user's through any application (user), or the same one (client).",
        where="1.7",
    ),
    Switch(
        name="revoke_pool",
        default=True,
        what="Whether revoking one token ends all of its user, those by client credentials too, or its grant only.",
        evidence="DOC",
        where="1.7",
    ),
    Switch(
        name="dead_grant_error",
        default="invalid_grant",
        choices=("invalid_grant", "invalid_client"),
        what="How a dead refresh token is refused: invalid_grant with 400, or invalid_client with 401.",
        where="1.8",
    ),
)

_CODES = (
    Switch(name="code_lifetime", default=300, what="Seconds that an authorization code lives.", where="1.2"),
    Switch(
        name="code_replay_kills",
        default=True,
        what="Whether a code that comes again, and is refused, ends the tokens that it gave (RFC 6749 4.1.2).",
        where="1.2",
    ),
)

_TOKENS = (
    Switch(
        name="token_lifetime",
        default=43_200,
        what="Seconds that an access token lives.",
        evidence="LIVE",
        where="1.4",
    ),
    Switch(
        name="expired_token_error",
        default="GW-0040",
        choices=_TOKEN_LOOKS,
        what="How a call with an expired token is refused; REST-1206 with 400, the others with 401.",
        where="1.8",
    ),
    Switch(
        name="dead_token_error",
        default="REST-2102",
        choices=_TOKEN_LOOKS,
        what="How a call with a revoked or ended token is refused.",
        where="1.8",
    ),
)

_COMPANY = (
    Switch(
        name="client_error",
        default="invalid_client",
        choices=("invalid_client", "REST-1216"),
        what="The shape of a wrong client, or one that the company has not authorised, at the token endpoint.",
        where="1.8",
    ),
    Switch(
        name="unauthorised_client",
        default="admin_approves",
        choices=("admin_approves", "refused"),
        what="An application that the company has not authorised, at the consent page: an administrator's consent "
        "authorises it, or it is refused to all.",
        evidence="DOC",
        where="1.2",
    ),
    Switch(
        name="scope_mismatch",
        default="token",
        choices=("authorize", "token", "call"),
        what="Where a production application fails in a sandbox company, and the other way round: on the consent page, "
        "at the token endpoint, or at each call.",
        where="1.2",
    ),
    Switch(
        name="unauthorised_sender_error",
        default="XL03000006",
        choices=("XL03000006", "GW-0011"),
        what="How calls are refused when the application's sender id is not authorised by the company.",
        where="1.8",
    ),
    Switch(
        name="no_top_level",
        default="first_entity",
        choices=("first_entity", "refused"),
        what="A user without top level who names no entity at sign-in: lands in its first entity, or is refused.",
        where="1.4",
    ),
    Switch(
        name="no_permission",
        default="forbidden",
        choices=("forbidden", "empty", "refused"),
        what="A call without permission: 403, as if there were nothing (writes: 403), or 422 REST-7001.",
        where="8.1",
    ),
    Switch(
        name="foreign_entity",
        default="forbidden",
        choices=("forbidden", "empty", "refused"),
        what="A call in an entity that is not the user's: 403, as if there were nothing (writes: 403), or 422.",
        where="2",
    ),
)

SWITCHES: tuple[Switch, ...] = (*_TOKENS, *_REFRESH, *_CODES, *_COMPANY)
