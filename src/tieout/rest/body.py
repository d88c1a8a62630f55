"""The bytes of a reply as they arrive: decompressed, counted, and given up where they are too many or broken.

A small reply can unpack to gigabytes, so what is unpacked is limited while it is unpacked, not afterwards.
"""

from __future__ import annotations

import zlib

from tieout.rest.effects import NoAnswer

MAX_REPLY = 256_000_000
"""Bytes of one reply, decompressed. The largest page (4,000 rows) is some megabytes."""
ENCODING = "gzip"
"""What we ask for, since it can be unpacked with a limit."""
_GZIP = 31
"""zlib's code for it."""


class Body:
    """Collects one body. `add` and `whole` raise NoAnswer where it cannot be used."""

    def __init__(self, encoding: str, most: int = MAX_REPLY) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        named = [word.strip() for word in encoding.lower().split(",") if word.strip() not in ("", "identity")]
        if len(named) > 1 or (named and named[0] not in ("gzip", "x-gzip")):
            raise NoAnswer(f"a reply came in an encoding nobody asked for ({encoding[:40]!r})", sent=True, reply=True)
        self._packed = zlib.decompressobj(_GZIP) if named else None
        self._begun = False

    def add(self, chunk: bytes) -> None:
        """The next bytes from the wire."""
        if self._packed is None:
            self._keep(chunk)
            return
        while chunk:
            chunk = self._unpack(chunk)

    def whole(self) -> bytes:
        """Everything, once no more bytes come."""
        if self._packed is not None and self._begun and not self._packed.eof:
            raise NoAnswer("the reply was cut off", sent=True, reply=True)
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _unpack(self, chunk: bytes) -> bytes:
        """-> what is left of the chunk."""
        assert self._packed is not None
        if self._packed.eof:  # gzip allows several members after one another
            self._packed = zlib.decompressobj(_GZIP)
        try:
            unpacked = self._packed.decompress(chunk, self._most - self._size + 1)
        except zlib.error:
            raise NoAnswer("the reply could not be unpacked", sent=True, reply=True) from None
        self._begun = True
        self._keep(unpacked)
        return self._packed.unused_data if self._packed.eof else self._packed.unconsumed_tail

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            self._parts.clear()
            raise NoAnswer(f"the reply is larger than {self._most:,} bytes", sent=True, reply=True, again=False)
        if part:
            self._parts.append(part)
