"""What a vendor says about its connect page: application, addresses, name. Everything is checked when it is made."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import msgspec

from tieout.connections.links import CALLBACK, checked_return_url
from tieout.connections.settings import is_loopback
from tieout.errors import ConfigurationError

_PORTS = {"https": 443, "http": 80}
_SHORTEST_SECRET = 32


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Raises ConfigurationError for what will not do. The repr shows no secret."""

    app: str
    """The name of the registered application."""
    redirect_uri: str
    """As registered, to the letter: the page's own address and `/callback`. Every address that the page uses follows
    from it; what a browser says in Host counts for nothing."""
    return_urls: tuple[str, ...]
    """Where people may be sent back to: an origin and the beginning of a path, `https://app.example/settings/`."""
    product: str = "this application"
    """How the page names the vendor's product."""
    base_url: str | None = None
    """Of Intacct; None for Sage's own."""
    secret: str = ""
    """Signs connect sessions, where the vendor's backend does not share the state database: 32 characters or more."""
    deliver_every: float = 5.0
    """Seconds between looks for events to send; 0 for never."""

    def __post_init__(self) -> None:
        checked_return_url(self.redirect_uri)
        if not self.redirect_uri.endswith(CALLBACK) or "?" in self.redirect_uri:
            raise ConfigurationError(
                f"The redirect URI of the connect page must end with {CALLBACK}.",
                advice="Register https://your.host/where-it-is-mounted/callback at Sage, and give the same here.",
            )
        if not self.return_urls:
            raise ConfigurationError("Say where people may be sent back to: return_urls, a list.")
        for url in self.return_urls:
            checked_return_url(url)
            if "?" in url or _place(url) is None:
                raise ConfigurationError("An entry of return_urls is an origin and the beginning of a path.")
        if self.secret and len(self.secret) < _SHORTEST_SECRET:
            raise ConfigurationError(f"The secret of the connect page has {_SHORTEST_SECRET} characters at least.")

    @property
    def page(self) -> str:
        """The page's address, without a slash at its end."""
        return self.redirect_uri.removesuffix(CALLBACK)

    @property
    def base(self) -> str:
        """The path of it: '' or `/connect`."""
        return urlsplit(self.page).path

    @property
    def local(self) -> bool:
        """Whether it connects a simulator on this machine."""
        return self.base_url is not None and is_loopback(self.base_url)

    def returns(self, url: str) -> bool:
        """Whether people may be sent to this URL."""
        try:
            checked_return_url(url)
        except ConfigurationError:
            return False
        there = _place(url)
        return there is not None and any(_inside(there, _place(allowed)) for allowed in self.return_urls)

    def __repr__(self) -> str:
        return f"Settings(app={self.app!r}, redirect_uri={self.redirect_uri!r})"


def _place(url: str) -> tuple[str, str] | None:
    """Origin and path; None for a path that goes up, however it is written."""
    parts = urlsplit(url)
    path = parts.path or "/"
    plain = unquote(unquote(path))
    if "\\" in plain or any(step in (".", "..") for step in plain.split("/")):
        return None
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{parts.port or _PORTS[parts.scheme]}", path


def _inside(there: tuple[str, str], allowed: tuple[str, str] | None) -> bool:
    if allowed is None or there[0] != allowed[0]:
        return False
    return there[1] == allowed[1] or there[1].startswith(allowed[1].rstrip("/") + "/")
