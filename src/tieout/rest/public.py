"""Requests to addresses that others name, such as webhooks: https, to public hosts only, no redirect, no proxy.

The address that was judged is the one that is dialled: a name that resolves anew meanwhile (DNS rebinding) gains
nothing. Knows nothing of what is sent.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tieout.errors import ConfigurationError
from tieout.rest.call import Reply, Request
from tieout.rest.cutoff import keep_deadlines, until
from tieout.rest.effects import NoAnswer

MAX_REPLY = 65_536
"""Bytes of an answer that are read; the rest is left."""
_PORTS = {"https": 443, "http": 80}
_INSIDE_SIX = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""IPv6 addresses that lead to an IPv4 one, and how many bits stand behind it."""
_WORLD = ipaddress.IPv6Network("2000::/3")
"""All that is assigned of the open Internet of IPv6. What stands elsewhere may lead inside: IPv4 in old or local forms
(::10.0.0.1, ::ffff:0:10.0.0.1, 64:ff9b:1::/48), site-local fec0::/10."""
_NOT_MEANT = (
    ipaddress.IPv6Network("3fff::/20"),
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv4Network("192.88.99.0/24"),
)
"""Counted as public, but documentation, a cloud's own service inside its machines, and a relay that is no more."""

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) -> IP addresses. Raises OSError where there is none."""


def checked_url(url: str, *, allow_local: bool = False) -> SplitResult:
    """The parts of a URL that may be asked. Raises ConfigurationError, in which no secret of the URL is repeated.

    Plain http and addresses of private networks only where `allow_local`. Asks no name server: `send` does."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or 0 < parts.port < 65536)
    except ValueError:
        named = False
    if not named or not url.isascii() or any(c <= " " or c in '\\"<>^`{|}' for c in url):
        raise ConfigurationError("The address is not a URL.", advice="Give a whole one: https://app.example/webhook")
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        raise ConfigurationError("The address must begin with https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ConfigurationError("The address must not hold a user, a password or a fragment.")
    if not allow_local and _literal(parts.hostname or "") is False:
        raise ConfigurationError("The address leads into a private network or to this machine, where nothing is sent.")
    return parts


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open Internet."""
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        for network, behind in _INSIDE_SIX:
            if ip in network:
                return ip.is_global and is_public(str(ipaddress.IPv4Address((int(ip) >> behind) & 0xFFFF_FFFF)))
    if ip.version == 6 and ip not in _WORLD:
        return False
    return bool(ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_MEANT))


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host as this machine's resolver tells them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PublicTransport:
    """Sends to public hosts only, or with `allow_local` to any. One connection per request; threads may share it."""

    def __init__(self, *, allow_local: bool = False, resolve: Resolve = resolved) -> None:
        self._allow_local, self._resolve = allow_local, resolve
        self._trusted: Any = None

    def send(self, request: Request, timeout: float) -> Reply:
        """One request -> the answer, whatever its status; a redirect is not followed. `timeout` seconds for all of it.

        Raises NoAnswer (`again` False where the address will never do), ConfigurationError for a URL that none may
        ask."""
        import httpx2

        end = time.monotonic() + timeout
        parts = checked_url(request.url, allow_local=self._allow_local)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        address = self._dialled(host, port)
        literal = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{literal}:{port}").geturl()
        headers = {**request.headers, "host": parts.netloc, "accept-encoding": "identity"}
        if self._trusted is None:
            self._trusted = httpx2.create_ssl_context()
        options: dict[str, Any] = {"trust_env": False, "follow_redirects": False, "verify": self._trusted}
        try:
            with httpx2.Client(timeout=timeout, **options) as client, until(end):
                keep_deadlines(client)
                with client.stream(
                    request.method,
                    target,
                    headers=headers,
                    content=request.body,
                    extensions={"sni_hostname": host},
                ) as answer:
                    return Reply(answer.status_code, dict(answer.headers), _beginning(answer))
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise NoAnswer(_plain(error), sent=not isinstance(error, httpx2.ConnectError)) from None

    def close(self) -> None:
        """Nothing is kept open."""

    def _dialled(self, host: str, port: int) -> str:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NoAnswer(f"there is no host {host[:100]}", sent=False) from None
        # All of them: a name that has one private address among public ones is not to be trusted.
        if not found or (not self._allow_local and not all(map(is_public, found))):
            raise NoAnswer(f"{host[:100]} leads into a private network or to this machine", sent=False, again=False)
        return found[0]


def _literal(host: str) -> bool | None:
    """Whether a host that is an IP address is public; None for a name. Names that say this machine are not public."""
    if host.lower().rstrip(".") == "localhost" or host.lower().rstrip(".").endswith(".localhost"):
        return False
    try:
        return is_public(host)
    except ValueError:
        return None


def _beginning(answer: Any) -> bytes:
    body = bytearray()
    for chunk in answer.iter_raw():
        body += chunk
        if len(body) >= MAX_REPLY:
            break
    return bytes(body[:MAX_REPLY])


def _plain(error: Exception) -> str:
    import httpx2

    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    text = str(error).strip().split("\n", 1)[0][:120]
    return f"the connection failed ({text or type(error).__name__})"
