"""What an access token says of itself: company, user, entity. Not verified: it decides nothing about trust."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode

import msgspec


class Claims(msgspec.Struct, frozen=True, rename={"company": "cnyId", "user": "userId", "entity": "entityId"}):
    """Claims of a token (REST reference 1.6); None where it does not carry one. No entity means the top level."""

    company: str | None = None
    user: str | None = None
    entity: str | None = None


def claims_of(token: str) -> Claims | None:
    """The claims of a JSON Web Token, None where it is none. Sage calls its tokens JWTs (REST reference 1.6), but no
    sample is known: whoever asks must get along without."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=Claims)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
