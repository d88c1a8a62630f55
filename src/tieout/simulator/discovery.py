"""What a stranger's OAuth library reads first: the discovery document and the public keys (REST reference 1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tieout.simulator.http import Response, json_reply

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator


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
