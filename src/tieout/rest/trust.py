"""Whose certificates are trusted: read once for all clients of a process, and anew when the file changes."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def trusted() -> ssl.SSLContext:
    """A context with the trusted issuers: of SSL_CERT_FILE, of SSL_CERT_DIR, or of the system. To read a system's costs
    some 20 ms of processor time, which fifty clients would pay fifty times. Raises OSError for a file that cannot be
    read."""
    return _read(*_place())


def _place() -> tuple[str | None, str | None, int | None]:
    """What decides, and when it was changed."""
    import ssl

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    place = file or folder or ssl.get_default_verify_paths().openssl_cafile
    try:
        changed = os.stat(place).st_mtime_ns
    except OSError:
        changed = None
    return file, folder, changed


@lru_cache(maxsize=2)
def _read(*_: object) -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()
