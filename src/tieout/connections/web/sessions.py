"""Connect sessions: what a vendor's backend says about who comes, signed, for minutes. Serves nothing, stores nothing.

Owner and return URL come from here, never from what a browser says.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from tieout.connections import installation
from tieout.connections.adding import refuse_blank, refuse_environment, refuse_unstorable
from tieout.connections.settings import Environment
from tieout.connections.web.settings import Settings
from tieout.errors import ConfigurationError, NotAuthorisedError

if TYPE_CHECKING:
    from tieout.connections.registry import Connections

LONGEST = timedelta(minutes=15)
KEY = "connect-session"
"""The name of the installation's signing key."""
_FORMAT = "cs1"
_LONGEST_TOKEN = 8192

Fault = Literal["forged", "expired", "elsewhere", "ended"]


class SessionError(NotAuthorisedError):
    """A connect session that opens nothing. `reason` says why."""

    def __init__(self, reason: Fault) -> None:
        super().__init__("This connect session is not valid.", advice="Begin again where you came from.")
        self.reason: Fault = reason


class ConnectSession(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed."""

    owner: str
    return_url: str
    audience: str
    """The address of the one page that it is for."""
    issued: float
    """Seconds since 1970, by the clock of who signs: a session from before its owner was let go opens nothing."""
    expires: float
    id: str
    """Random: a session opens the page once."""
    label: str = ""
    name: str = ""
    company: str = ""
    environment: Environment | None = None
    connection_id: str = ""


def sign_session(
    connections: Connections | None,
    settings: Settings,
    owner: str,
    return_url: str,
    *,
    lifetime: timedelta = LONGEST,
    label: str = "",
    name: str = "",
    company: str = "",
    environment: Environment | None = None,
    connection_id: str = "",
) -> str:
    """A signed connect session, for the vendor's backend: a form posts it to the page as `session`, or the browser is
    redirected to `settings.page + "/?session=" + it`. Good once, for 15 minutes at most.

    `label` is what the page calls the owner; `name` and `company` fix what is connected, `environment` too (None: the
    page asks), `connection_id` names a connection of the owner's to connect anew. Without `connections` it is signed
    with `settings.secret`. Raises ConfigurationError for a return URL that `settings` does not allow, for a longer
    lifetime, for text of more than 255 characters, and without a key; UnknownNameError for an `environment` that is
    none."""
    refuse_blank({"owner": owner})
    refuse_unstorable({"owner": owner, "label": label, "name": name, "company": company})
    if environment is not None:
        refuse_environment(environment)
    if not timedelta(0) < lifetime <= LONGEST:
        raise ConfigurationError("A connect session is good for 15 minutes at most.")
    if not settings.returns(return_url):
        raise ConfigurationError("The address to return to is not one of return_urls.")
    now = time.time()
    session = ConnectSession(
        owner=owner,
        return_url=return_url,
        audience=settings.page,
        issued=now,
        expires=now + lifetime.total_seconds(),
        id=secrets.token_urlsafe(16),
        label=label,
        name=name,
        company=company,
        environment=environment,
        connection_id=connection_id,
    )
    body = base64.urlsafe_b64encode(msgspec.json.encode(session, order="sorted")).decode()
    return f"{_FORMAT}.{body}.{_signature(body, session_key(connections, settings))}"


def read_session(token: str, key: bytes, audience: str, now: float) -> ConnectSession:
    """What a token says, if it was signed with `key`, for this page, and is not too old. Raises SessionError."""
    kind, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    fits = hmac.compare_digest(_signature(body, key).encode(), signature.encode(errors="replace"))
    if len(token) > _LONGEST_TOKEN or kind != _FORMAT or not fits:
        raise SessionError("forged")
    try:
        session = msgspec.json.decode(base64.b64decode(body, altchars=b"-_", validate=True), type=ConnectSession)
    except (binascii.Error, msgspec.MsgspecError):
        raise SessionError("forged") from None
    if session.audience != audience:
        raise SessionError("elsewhere")
    if not now < session.expires <= now + LONGEST.total_seconds() + 60:
        raise SessionError("expired")
    return session


def session_key(connections: Connections | None, settings: Settings) -> bytes:
    """What signs sessions: from the settings, or the installation's own. Raises ConfigurationError without any."""
    if settings.secret:
        return hmac.digest(settings.secret.encode(), b"tieout connect session", hashlib.sha256)
    if connections is None:
        raise ConfigurationError("There is nothing to sign with.", advice="Give `connections`, or Settings(secret=…).")
    return installation.key(connections.store, connections.vault, KEY)


def _signature(body: str, key: bytes) -> str:
    told = f"{_FORMAT}.{body}".encode(errors="replace")
    return base64.urlsafe_b64encode(hmac.digest(key, told, hashlib.sha256)).decode().rstrip("=")
