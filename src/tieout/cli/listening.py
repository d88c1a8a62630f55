"""A listener on this machine for one sign-in: HTTPS on 127.0.0.1 with a certificate made for it, one callback, then
closed. Knows no connection: what a callback means is for the function it is given to say.

Nothing is logged: what comes holds a code. It answers to its own address only, so that no web page can reach it under
another name.
"""

from __future__ import annotations

import html
import os
import secrets
import ssl
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from tieout.errors import BusyError, ConfigurationError, TieoutError

T = TypeVar("T")

HOST = "127.0.0.1"
SLOWEST = 10.0
"""Seconds for a browser to send its request."""

Read = Callable[[str], T | None]
"""Takes the whole redirected URL: what came of it, or None where it is no answer to this sign-in. Raises TieoutError
where it is one that failed."""


class Listener(Generic[T]):
    """Waits for the browser at `redirect_uri`, from `with` on."""

    def __init__(self, redirect_uri: str, authorize_url: str, read: Read[T]) -> None:
        """Raises ConfigurationError for a redirect URI that is not https on 127.0.0.1, BusyError where its port is
        taken."""
        parts = urlsplit(redirect_uri)
        if parts.scheme != "https" or parts.hostname != HOST:
            raise ConfigurationError(
                f"A browser that is sent to {redirect_uri} does not come to this program.",
                advice="Register a redirect URI on 127.0.0.1, or paste the address instead (without --listen).",
            )
        self._redirect_uri, self._read = redirect_uri, read
        self.place, self.path = parts.netloc, parts.path
        self.start = f"/start-{secrets.token_urlsafe(16)}"
        self.authorize_url = authorize_url
        self._turn, self.over = threading.Lock(), threading.Event()
        self._came: list[T] = []
        self._failed: list[BaseException] = []
        try:
            self._server = _Server((HOST, parts.port or 443), self)
        except OSError as error:
            raise BusyError(
                f"Nothing can listen on {self.place}: {error.strerror}.",
                advice="Close the program that does, or paste the address instead (without --listen).",
            ) from None

    @property
    def start_url(self) -> str:
        """Leads to Sage, once. What a browser is started with is seen by other users of this machine, and the
        authorize URL holds `state`."""
        return f"https://{self.place}{self.start}"

    def __enter__(self) -> Listener[T]:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float) -> T | None:
        """What came; None where nothing did in time. Raises what reading it raised."""
        self.over.wait(seconds)
        with self._turn:  # one that is being read is waited for
            if self._failed:
                raise self._failed[0]
            return self._came[0] if self._came else None

    def answered(self) -> None:
        """The browser has been told: it is over once something came."""
        if self._came or self._failed:
            self.over.set()

    def leave(self) -> str | None:
        """Where the start page leads, the first time."""
        with self._turn:
            url, self.authorize_url = self.authorize_url, ""
        return url or None

    def take(self, query: str) -> tuple[int, str]:
        """Status and words for a browser that came back."""
        with self._turn:
            if self._came or self._failed:
                return 410, "This sign-in is over. You can close this window."
            try:
                came = self._read(f"{self._redirect_uri}?{query}")
            except TieoutError as error:
                self._failed.append(error)
                return 400, f"Not connected. {error}"
            except BaseException as error:
                self._failed.append(error)
                raise
            if came is None:
                return 400, "This is not the answer to the sign-in that was begun here."
            self._came.append(came)
            return 200, "Connected. You can close this window and go back to the terminal."


class _Server(ThreadingHTTPServer):
    """Each browser in a thread of its own: one that says nothing keeps nobody waiting."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], listener: Listener[T]) -> None:
        self.listener: Listener[T] = listener
        self._context = _context()
        super().__init__(address, _Handler)

    def finish_request(self, request: object, client_address: object) -> None:
        """The handshake in the browser's own thread, and never for longer than `SLOWEST`."""
        request.settimeout(SLOWEST)  # type: ignore[attr-defined]  # a socket
        try:
            with self._context.wrap_socket(request, server_side=True) as secured:  # type: ignore[arg-type]
                _Handler(secured, client_address, self)
        except OSError:
            pass  # a browser that does not like the certificate hangs up first

    def handle_error(self, *_: object) -> None:
        """What fails is told by `wait`, or is the browser's."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.0"
    server_version, sys_version = "tieout", ""

    def do_GET(self) -> None:
        listener = self.server.listener
        target = urlsplit(self.path)
        if self.headers.get("host") != listener.place:
            self._answer(421, "Nothing is here under this name.")
        elif target.path == listener.start and (url := listener.leave()):
            self._answer(303, "Going to Sage Intacct.", url)
        elif target.path == listener.path:
            try:
                self._answer(*listener.take(target.query))
            finally:
                listener.answered()
        else:
            self._answer(404, "Nothing is here.")

    def _answer(self, status: int, words: str, to: str = "") -> None:
        page = _PAGE.format(html.escape(words)).encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if to:
            self.send_header("location", to)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """The request line holds the code."""


_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>tieout</title>'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    '<body style="font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em"><p>{}</p>'
)


def _context() -> ssl.SSLContext:
    """TLS with a certificate of a day, whose key is on disk, readable by its owner only, while OpenSSL reads it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    handle, name = tempfile.mkstemp(prefix="tieout-", suffix=".pem")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_certificate())
        context.load_cert_chain(name)
    finally:
        os.unlink(name)
    return context


def _certificate() -> bytes:
    """Key and self-signed certificate for 127.0.0.1, PEM."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tieout on this machine")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    unlocked = serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, unlocked)
    return private + certificate.public_bytes(encoding)
