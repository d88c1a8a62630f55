"""Access tokens: RS256 JSON Web Tokens with Sage's claims, and the keys that sign them.

It proves that a token is ours and unchanged; whether its session still lives is for `desk` to say.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 2048
_MOST_PROVEN = 1024


class Claims(msgspec.Struct, frozen=True, rename="camel"):
    """The claims Sage announces (REST reference 1.1); which of them a token carries, and `aud`, is INFERRED."""

    iss: str
    aud: str
    sub: str
    iat: int
    exp: int
    client_id: str
    cny_id: str
    cny_key: str
    user_id: str
    user_key: str
    entity_id: str | None
    session_id: str


class Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str = "JWT"


class MalformedTokenError(Exception):
    """Not a token at all: three parts, base64url, JSON with our claims."""


class ForgedTokenError(Exception):
    """A token, but not signed by this key."""


class SigningKey:
    """One RSA key pair. `pem` is what to keep so that tokens outlive a restart."""

    def __init__(self, pem: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("RS256 needs an RSA key")
        self.pem = pem
        self._key: RSAPrivateKey = key
        self._public = key.public_key()
        self._proven: set[str] = set()
        numbers = self._public.public_numbers()
        self._modulus = _base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"))
        self._exponent = _base64url(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"))
        self.kid = hashlib.sha256(self._modulus.encode()).hexdigest()[:16]

    @classmethod
    def generate(cls) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        return cls(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def sign(self, claims: Claims) -> str:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        head = msgspec.json.encode(Header("RS256", self.kid))
        signed = f"{_base64url(head)}.{_base64url(msgspec.json.encode(claims))}"
        return f"{signed}.{_base64url(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def check(self, token: str) -> None:
        """Raises ForgedTokenError unless this key signed the token. A token is proven once, as it comes often."""
        if token in self._proven:
            return
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        signed, _, signature = token.rpartition(".")
        try:
            self._public.verify(_bytes(signature), signed.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            raise ForgedTokenError from None
        if len(self._proven) >= _MOST_PROVEN:
            self._proven.clear()
        self._proven.add(token)

    def public(self) -> dict[str, str]:
        """The public half, for `/.well-known/jwks.json`."""
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": self._modulus, "e": self._exponent}


@functools.cache
def process_key() -> SigningKey:
    """The key of companies that live in memory only: made once, as making one takes a good part of a second."""
    return SigningKey.generate()


@functools.lru_cache(1024)
def read(token: str) -> Claims:
    """The claims of a token, not yet proven. Raises MalformedTokenError."""
    parts = token.split(".")
    if len(parts) != 3:
        raise MalformedTokenError
    try:
        header = msgspec.json.decode(_bytes(parts[0]), type=Header)
        claims = msgspec.json.decode(_bytes(parts[1]), type=Claims)
    except msgspec.DecodeError:
        raise MalformedTokenError from None
    if header.alg != "RS256":
        raise MalformedTokenError
    return claims


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise MalformedTokenError from None
