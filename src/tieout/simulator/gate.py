"""The gate before every API call: whose token is it, does it still work, and is its application welcome here.

Facts: REST reference 1.8. What the user may then see is the company's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tieout.simulator.refusal import Refusal
from tieout.simulator.tokens import ForgedTokenError, MalformedTokenError, read

if TYPE_CHECKING:
    from tieout.simulator.grants import Session
    from tieout.simulator.http import Request
    from tieout.simulator.server import Simulator, Tenant

_LOOKS: dict[str, Callable[[], Refusal]] = {
    "GW-0040": Refusal.token_expired,
    "GW-0031": Refusal.gateway_token_invalid,
    "REST-1206": Refusal.token_malformed,
    "REST-2102": Refusal.token_invalid,
}
"""How a token that does not work is answered: the words of `expired_token_error` and `dead_token_error`."""


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
    settings = tenant.company.settings
    found = tenant.desk.grants.find(claims.session_id)
    if found is None or found[0].user_id not in tenant.company.users:
        raise _LOOKS[settings.word("dead_token_error")]()
    session, state = found
    if state != "live":
        raise _LOOKS[settings.word(f"{state}_token_error")]()
    _welcome(simulator, tenant, session.client)
    return tenant, session


def _welcome(simulator: Simulator, tenant: Tenant, client_id: str) -> None:
    """The application is still known, authorised by the company, and of the company's kind."""
    client, access = simulator.clients.get(client_id), tenant.desk.grants.access
    if client is None or not access.admits(client):
        raise Refusal.invalid_sender()
    settings = tenant.company.settings
    if not access.fits(client) and settings.word("scope_mismatch") == "call":
        raise Refusal.invalid_sender()
    if not access.admits_sender(client):
        known = settings.word("unauthorised_sender_error") == "XL03000006"
        raise Refusal.sender_not_authorized() if known else Refusal.invalid_sender()
