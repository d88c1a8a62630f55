"""What a master key is to the rest: it wraps a data key and unwraps it. Knows no database and no provider.

A master key may be bytes at hand (`keys`) or stay in a key management service (`kms`).
"""

from __future__ import annotations

import os
from typing import Protocol

import msgspec

from tieout.errors import ConfigurationError, StoreError, Whose

NONCE = 12


class KeyWrapper(Protocol):
    """A master key. Bring your own for a service that is not among those of `TIEOUT_KMS`.

    Both methods raise ConfigurationError where it is refused and KmsUnreachableError where no answer comes."""

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        """48 bytes -> the name of the key that encrypted them (at most 255 characters, with its version), and what
        came of it."""
        ...

    def unwrap(self, name: str, blob: bytes) -> bytes:
        """What `wrap` was given. Raises LookupError for a `name` that is none of its own."""
        ...


class KmsUnreachableError(StoreError):
    """The key management service did not answer. What it guards is kept as it is; try again later."""

    whose = Whose.NETWORK

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(
            f"The key management service did not answer ({service}: {reason}).",
            advice="Nothing was lost. See whether it can be reached from here, then run the command again.",
        )


def refused(service: str, reason: str, advice: str) -> ConfigurationError:
    """The service answered, and said no."""
    return ConfigurationError(f"The key management service refused ({service}: {reason}).", advice=advice)


class Master(msgspec.Struct, frozen=True):
    """A master key at hand. `own` is False for the simulators' key file; `source` says where it came from."""

    wrapper: KeyWrapper
    source: str
    own: bool = True


class LocalKey:
    """A KeyWrapper over 32 bytes. The repr shows none of them."""

    def __init__(self, id: bytes, value: bytes) -> None:
        self.name = f"key:{id.hex()}"
        self._value = value

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE)
        return self.name, nonce + AESGCM(self._value).encrypt(nonce, key, self.name.encode())

    def unwrap(self, name: str, blob: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if name != self.name:
            raise LookupError(name)
        try:
            return AESGCM(self._value).decrypt(blob[:NONCE], blob[NONCE:], name.encode())
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                "A data key in the state database is damaged.", advice="Restore the state database from a backup."
            ) from None

    def __repr__(self) -> str:
        return f"LocalKey({self.name})"
