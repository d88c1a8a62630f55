"""Applications that may ask for tokens, and which of them a company lets in (REST reference 1.2).

Plain records and their rules; who asks and what is answered is decided in `oauth`, `authorize` and `gate`.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

Scope = Literal["production", "non-production"]
"""Fixed when the key is made, and not changeable at Sage (REST reference 1.2)."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One application: its credentials, and where a browser may be sent back to."""

    id: str
    secret: str
    name: str = ""
    """As the consent page names it; empty: the id."""
    redirect_uris: tuple[str, ...] = ()
    loopback: bool = False
    """Any http or https address on this machine is taken as registered, whatever its port and path. Ours, not Sage's:
    a tool under test does not know its port beforehand."""
    scope: Scope = "non-production"
    sender: str | None = None
    """The Web Services sender id that the application belongs to."""

    @property
    def title(self) -> str:
        return self.name or self.id

    def accepts(self, uri: str) -> bool:
        """Whether the address is registered: equal as text, nothing less."""
        return uri in self.redirect_uris or (self.loopback and _is_loopback(uri))


DEMO_CLIENT = Client(
    id="demo-client",
    secret="demo-secret",  # noqa: S106 - printed by the simulator itself
    name="Demo Application",
    loopback=True,
    sender="demo-sender",
)


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a company has subscribed to and whom it has authorised (Company > Security)."""

    environment: Literal["production", "sandbox"] = "sandbox"
    """A client of scope non-production belongs to a sandbox (implementation) company, one of scope production to a
    production company."""
    web_services: bool = True
    """The Web Services subscription; without it nobody gets a token."""
    clients: tuple[str, ...] | None = None
    """Client ids authorised by the company, None for all."""
    senders: tuple[str, ...] | None = None
    """Sender ids authorised by the company, None for all."""

    def admits(self, client: Client) -> bool:
        return self.clients is None or client.id in self.clients

    def admits_sender(self, client: Client) -> bool:
        return self.senders is None or client.sender in self.senders

    def fits(self, client: Client) -> bool:
        """Whether the client's scope is the company's."""
        return (client.scope == "production") == (self.environment == "production")


def _is_loopback(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return False
    plain = parts.username is None and not parts.fragment and uri.isprintable() and " " not in uri
    return plain and parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK
