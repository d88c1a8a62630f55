"""Reads what a browser brought back from Sage: the whole redirected URL or its query string. Decides nothing.

It comes from outside, by paste or by a listener: any text is read or refused, and none of it is repeated in an error.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import msgspec

LONGEST = 16_384
"""Characters of an answer; a code and a state have a few hundred."""
_ONCE = ("state", "code", "error", "iss")


class Answer(msgspec.Struct, frozen=True):
    """What came back on the redirect (RFC 6749 4.1.2, RFC 9207). The repr shows none of it."""

    state: str
    code: str = ""
    error: str = ""
    issuer: str = ""
    address: str = ""
    """Where it came back to, without the query; '' where only a query string is known."""

    def __repr__(self) -> str:
        return "Answer(…)"


def read_answer(text: str) -> Answer | None:
    """None where Sage sends no browser back with it: no `state`, neither `code` nor `error`, or one of them twice."""
    text = "".join(text.split()).strip("'\"<>")  # as terminals and mail programs break and quote it
    if not text or len(text) > LONGEST:
        return None
    try:
        parts = urlsplit(text)
        address = f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.scheme and parts.netloc else ""
        query = parts.query if address or "?" in text else text.partition("#")[0]
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return None
    told: dict[str, str] = {}
    for name, value in pairs:
        if name in _ONCE and name in told:
            return None
        told[name] = value
    state, code, error = (told.get(name, "") for name in ("state", "code", "error"))
    if not state or bool(code) == bool(error):
        return None
    return Answer(state, code, error, told.get("iss", ""), address)
