"""Steps on the way to Intacct: its name, its port, its certificate, and whether something answers, with which clock.

Nothing is signed in and nothing costs. Through a proxy only the proxy is looked at: the rest is its business.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from tieout.connections.examining.case import Case
from tieout.connections.examining.findings import Finding
from tieout.errors import Exit, Whose
from tieout.rest import Request
from tieout.rest.effects import NoAnswer
from tieout.rest.transport import HttpTransport

DISCOVERY = "/.well-known/openid-configuration"
"""Public, and costs nothing (REST reference 1.1)."""
EXPIRES_SOON = 14
"""Days before a certificate's end from which it is told."""
SKEW = 60.0
"""Seconds by which this machine's clock may differ from Intacct's without a word."""
_REASONS = {
    10: "has expired",
    18: "is signed by itself",
    19: "comes with an issuer that this machine does not know",
    20: "comes from an issuer that this machine does not know",
    62: "is for another host",
}
"""OpenSSL's verify codes."""
_PROXY_HINT = "A proxy that reads the traffic puts its own certificate there: give its issuer as SSL_CERT_FILE."


def dns(case: Case) -> Iterator[Finding]:
    """Whether the host has an address."""
    host, _, through = _target(case)
    if case.transport is not None:
        yield Finding(step="dns", status="ok", said="none is needed: it runs in this process")
        return
    try:
        found = _resolved(host, case.timeout)
    except OSError as error:
        yield _failed(
            "dns",
            f"{host} has no address here ({_words(error)})",
            "Look for a slip in the address, then at the name server and VPN of this machine.",
        )
        return
    if found is None:
        yield _failed("dns", f"no name server said within {case.timeout:.0f} s where {host} is", "Look at its network.")
        return
    said = f"{host}{'' if found == [host] else ' is ' + ', '.join(found[:2])}{through}"
    yield Finding(step="dns", status="ok", said=said)


def tcp(case: Case) -> Iterator[Finding]:
    """Whether the port takes connections."""
    host, port, through = _target(case)
    if case.transport is None:
        try:
            socket.create_connection((host, port), timeout=case.timeout).close()
        except OSError as error:
            local = host in ("127.0.0.1", "localhost", "::1")
            advice = (
                "Is it running? `tieout simulate` starts a local one."
                if local
                else "A firewall is in the way, or the address is wrong: it must let this machine out to that port."
            )
            yield _failed("tcp", f"{host} does not answer on port {port} ({_words(error)})", advice)
            return
    yield Finding(step="tcp", status="ok", said=f"port {port} answers{through}")


def tls(case: Case) -> Iterator[Finding]:
    """Whether the certificate is trusted, and for how long."""
    url = urlsplit(case.connection.base_url)
    host, _, through = _target(case)
    if url.scheme != "https" or case.transport is not None:
        yield Finding(step="tls", status="ok", said="none: plain http, which never leaves this machine")
        return
    if through:
        yield Finding(step="tls", status="ok", said="not looked at: the proxy passes it on")
        return
    port = url.port or 443
    try:
        found = _certificate(host, port, case.timeout)
    except ssl.SSLCertVerificationError as error:
        reason = _REASONS.get(error.verify_code, error.verify_message)
        shown = _shown(host, port, case.timeout)
        yield _failed(
            "tls", f"the certificate of {host} {reason}{shown}", _PROXY_HINT, code=f"X509 {error.verify_code}"
        )
        return
    except OSError as error:
        yield _failed("tls", f"{host} does not speak TLS there ({_words(error)})", "Check the address and its port.")
        return
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    days = (ends - datetime.now(UTC)).days
    issuer = dict(part for parts in found["issuer"] for part in parts)
    said = f"trusted until {ends:%Y-%m-%d}, issued by {issuer.get('organizationName') or issuer.get('commonName')}"
    if days < EXPIRES_SOON:
        advice = "Whoever runs that host has to renew it."
        yield Finding(step="tls", status="warning", said=said, advice=advice, whose=str(Whose.SAGE))
        return
    yield Finding(step="tls", status="ok", said=said)


def server(case: Case) -> Iterator[Finding]:
    """Whether something answers HTTP, and how far its clock is from ours."""
    url = urlsplit(case.connection.base_url)
    sender = case.transport or HttpTransport()
    began = time.time()
    try:
        reply = sender.send(Request("GET", f"{url.scheme}://{url.netloc}{DISCOVERY}", {}, None), case.timeout)
    except NoAnswer as silence:
        yield _failed("server", f"no answer: {silence}", "Look at the proxy and firewall of this machine.")
        return
    finally:
        if case.transport is None:
            sender.close()
    ours = (began + time.time()) / 2
    if reply.status in (429, 503) or reply.status >= 500:
        yield Finding(
            step="server",
            status="failed",
            said=f"answers, with HTTP {reply.status}",
            code=f"HTTP {reply.status}",
            advice="Intacct or a proxy before it is in trouble, or refuses the pace: try again later.",
            whose=str(Whose.SAGE),
            exit_code=Exit.UNREACHABLE,
        )
        return
    theirs = _moment(reply.headers.get("date", ""))
    if theirs is None:
        yield Finding(step="server", status="ok", said="answers; it does not say what time it is")
        return
    skew = ours - theirs
    if abs(skew) <= SKEW:
        yield Finding(step="server", status="ok", said="answers, and its clock agrees with this machine's")
        return
    word = "ahead of" if skew > 0 else "behind"
    yield Finding(
        step="server",
        status="warning",
        said=f"this machine's clock is {_span(abs(skew))} {word} Intacct's",
        advice="Set it by NTP. Pulls go by Intacct's clock and do not suffer; the times in logs are wrong.",
        whose=str(Whose.YOURS),
    )


def _target(case: Case) -> tuple[str, int, str]:
    """Host and port that this machine connects to, and the words for a proxy that is between."""
    from urllib.request import getproxies, proxy_bypass

    url = urlsplit(case.connection.base_url)
    host = url.hostname or ""
    proxy = None if proxy_bypass(host) else getproxies().get(url.scheme)
    if proxy and case.transport is None:
        between = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        return between.hostname or "", between.port or 80, f", a proxy before {host}"
    return host, url.port or (443 if url.scheme == "https" else 80), ""


def _resolved(host: str, timeout: float) -> list[str] | None:
    """Addresses of a host; None where nobody says in time. Raises OSError."""
    found: list[list[str]] = []
    failed: list[OSError] = []

    def look() -> None:
        try:
            found.append(
                sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
            )
        except (OSError, UnicodeError) as error:
            failed.append(error if isinstance(error, OSError) else OSError("it cannot be a name of a host"))

    # The resolver has no time limit of its own.
    asking = threading.Thread(target=look, daemon=True)
    asking.start()
    asking.join(timeout)
    if failed:
        raise failed[0]
    return found[0] if found else None


def _certificate(host: str, port: int, timeout: float) -> dict[str, Any]:
    """The certificate that the client would trust, as Python shows it."""
    import httpx2

    context = httpx2.create_ssl_context()
    with (
        socket.create_connection((host, port), timeout=timeout) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return dict(secure.getpeercert() or {})


def _shown(host: str, port: int, timeout: float) -> str:
    """Who issued a certificate that is not trusted, and until when: nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            der = secure.getpeercert(binary_form=True)
        from cryptography import x509

        found = x509.load_der_x509_certificate(der or b"")
        issuer = found.issuer.rfc4514_string()
        return f" (issued by {issuer}, until {found.not_valid_after_utc:%Y-%m-%d})"
    except (OSError, ValueError):
        return ""


def _failed(step: str, said: str, advice: str, code: str = "") -> Finding:
    return Finding(
        step=step,
        status="failed",
        said=said,
        code=code,
        advice=advice,
        whose=str(Whose.NETWORK),
        exit_code=Exit.UNREACHABLE,
    )


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error) or type(error).__name__).strip()


def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _span(seconds: float) -> str:
    if seconds < 7200:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours" if seconds < 172_800 else f"{round(seconds / 86_400)} days"
