"""Any request below the API, for services that no operation wraps. Everything around it is as for every other call.

What it refuses is what would go around the client: another host, the token endpoint, headers the client sets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from tieout.errors import ConfigurationError, ReplyError
from tieout.rest.call import Call, Repeat, Reply, checked_entity, checked_key
from tieout.rest.failures import strange_reply
from tieout.rest.rows import load_exact

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE")
"""There is no PUT (REST reference 4.5)."""
KEYLESS = ("/services/core/query", "/services/core/model")
"""POSTs that take no idempotency key and change nothing (REST reference 7.6)."""
RESERVED = {
    "authorization": "the client sends the token",
    "host": "the base URL says it",
    "content-length": "the body says it",
    "transfer-encoding": "the body says it",
    "accept-encoding": "the client unpacks what it asks for",
    "idempotency-key": "give `idempotency_key=`",
    "x-ia-api-param-entity": "give `entity=`",
}
_SAFE = "/:%@,;=+$!*'()~-._&"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class RawReply(msgspec.Struct, frozen=True):
    """What Intacct answered, undecoded beyond JSON. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    data: Any = None
    """The decoded body, numbers with all their digits; None where it is empty or not JSON (an export, a file)."""

    @property
    def result(self) -> Any:
        """`ia::result`. Raises ReplyError where there is none."""
        if isinstance(self.data, dict) and "ia::result" in self.data:
            return self.data["ia::result"]
        raise ReplyError("This reply has no `ia::result`.", advice="Look at its `data` or `body`.")

    @property
    def replayed(self) -> bool:
        """Intacct repeats the answer to an earlier request under the same idempotency key (REST reference 7.6)."""
        return Reply(self.status, self.headers, self.body).replayed

    def __repr__(self) -> str:
        return f"RawReply({self.status}, {self.headers.get('content-type', 'no content type')}, {len(self.body)} bytes)"


def raw_call(
    method: str,
    path: str,
    *,
    body: Any = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    entity: str | None = None,
    idempotency_key: str | None = None,
) -> Call[RawReply]:
    """A Call of any method and path below the API. Raises ConfigurationError for what it refuses."""
    method = method.upper()
    if method not in METHODS:
        raise ConfigurationError(f"Intacct knows no method {method!r}.", advice=f"One of {', '.join(METHODS)}.")
    place, asked = checked_path(path)
    given = checked_headers(headers or {})
    encoded = _encoded(method, body)
    write = method in ("POST", "PATCH") and place not in KEYLESS
    if idempotency_key is not None and not write:
        raise ConfigurationError(
            f"{method} {place} takes no idempotency key.", advice="POST and PATCH do, but for query and model."
        )
    content_type = given.pop("content-type", "application/json")
    return Call(
        method=method,
        path=place,
        query=(*asked, *((str(name), str(value)) for name, value in (query or {}).items())),
        parse=lambda reply: _parse(reply, method, place),
        repeat=Repeat.KEYED if write else Repeat.DELETE if method == "DELETE" else Repeat.FREE,
        headers=given,
        body=encoded,
        content_type=content_type,
        entity=checked_entity(entity) if entity else entity,
        idempotency_key=_key(idempotency_key) if write else None,
        new_key=write and idempotency_key is None,
        batch=True,
        transactions=len(body) if write and isinstance(body, list) else 1,
    )


def checked_path(path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """-> (path below the API, percent-encoded; query). Raises ConfigurationError for one that leads elsewhere."""
    place, _, query = path.partition("?")
    plain = place
    for _round in range(3):  # `%252e` is `..` to a server that decodes twice
        plain = unquote(plain)
    wrong = (
        not place.startswith("/")
        or place.startswith("//")
        or "\\" in plain
        or "#" in place
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in plain)
        or any(part in (".", "..") for part in plain.split("/"))
    )
    if wrong:
        raise ConfigurationError(
            f"{place!r} is not a path below the API.",
            advice="It begins with a slash and names no host: /objects/accounts-payable/vendor/46",
        )
    if plain.lower().startswith("/oauth2"):
        raise ConfigurationError("Tokens are the client's business.", advice="Give it credentials or a TokenSource.")
    return quote(place, safe=_SAFE), tuple(parse_qsl(query, keep_blank_values=True))


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers to add, `content-type` in lower case. Raises ConfigurationError for those that the client sets."""
    given = {}
    for name, value in headers.items():
        if name.lower() in RESERVED:
            raise ConfigurationError(f"The header {name} is not yours to set: {RESERVED[name.lower()]}.")
        if not _TOKEN.fullmatch(name) or not (value.isascii() and (value.isprintable())):
            raise ConfigurationError(f"{name!r} cannot be sent as a header.", advice="Printable ASCII only.")
        given["content-type" if name.lower() == "content-type" else name] = value
    return given


def _key(given: str | None) -> str:
    from tieout.rest.operations import new_key

    return new_key() if given is None else checked_key(given)


def _encoded(method: str, body: Any) -> bytes | None:
    from tieout.rest.operations import encode

    if body is None:
        return None
    if method in ("GET", "HEAD", "OPTIONS"):
        raise ConfigurationError(f"A {method} has no body.", advice="Use `query=` for parameters.")
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if not isinstance(body, Mapping | list | tuple):
        raise ConfigurationError(
            f"A body is a dict, a list or bytes, not {type(body).__name__}.", advice="Text that is JSON: encode it."
        )
    try:
        return encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigurationError(f"The body cannot be written as JSON: {error}.") from None


def _parse(reply: Reply, method: str, path: str) -> RawReply:
    start = reply.body[:64].lstrip()
    kind = reply.headers.get("content-type", "").lower()
    request = f"{method} {path}"
    if "html" in kind or (start[:1] == b"<" and ("json" in kind or not kind)):
        raise strange_reply(reply, request)
    if not start:
        if reply.status == 204 or method in ("HEAD", "OPTIONS", "DELETE"):
            return RawReply(reply.status, reply.headers, reply.body)
        raise strange_reply(reply, request)
    if "json" not in kind and start[:1] not in (b"{", b"["):
        return RawReply(reply.status, reply.headers, reply.body)
    data = load_exact(reply.body)
    if isinstance(data, dict) and reply.status < 300 and _whole_error(data):
        raise strange_reply(reply, request)  # the caller looks for the refusal inside
    return RawReply(reply.status, reply.headers, reply.body, data)


def _whole_error(data: dict[str, Any]) -> bool:
    from tieout.rest.failures import find_error

    return find_error(data) is not None
