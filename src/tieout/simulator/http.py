"""Requests and replies of the simulated API as plain data, and the JSON envelopes around results.

It opens no socket and knows no object: the doors (in process, thread, ASGI) bring requests, others answer them.
"""

from __future__ import annotations

import functools
import gzip
import secrets
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from tieout.simulator.delivery import Delivery
from tieout.simulator.refusal import Refusal

GZIP_FROM = 1024
"""Bytes: smaller bodies go out as they are."""

_json = msgspec.json.Encoder(decimal_format="number")


class NotJsonError(Exception):
    """A body that is not JSON text."""


def read_json(text: bytes | str) -> Any:
    """Decoded JSON; a number that a float would bend becomes a Decimal. Raises NotJsonError."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotJsonError from None


def _exact(text: str) -> float | Decimal:
    number, exact = float(text), Decimal(text)
    return number if Decimal(repr(number)) == exact else exact


_decoder = msgspec.json.Decoder(float_hook=_exact)


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. `path` is percent-encoded as sent, header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Request:
        """From a request target as on the wire: `/ia/api/v1/services/core/model?name=accounts-payable%2Fvendor`."""
        path, _, query = target.partition("?")
        return cls(
            method.upper(),
            path,
            dict(parse_qsl(query, keep_blank_values=True)),
            {name.lower(): value for name, value in (headers or {}).items()},
            body,
        )

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's parts, decoded: `("objects", "order-entry", "document::Sales Invoice")`."""
        return _segments(self.path)


@functools.lru_cache(1024)
def _segments(path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in path.strip("/").split("/"))


class Response(msgspec.Struct):
    """One HTTP reply. Header names are lower-case."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
    delivery: Delivery | None = None
    """What is done to it on its way out; None: nothing."""

    def json(self) -> Any:
        """The decoded body (empty body: None)."""
        return msgspec.json.decode(self.body) if self.body else None


def support_id() -> str:
    """A support id in the recorded shape: node, number, `%7E`, 27 characters (REST reference 8.3)."""
    node = "".join(secrets.choice(string.ascii_letters) for _ in range(5))
    return f"{node}WEB{secrets.randbelow(10**13):013d}%7E{secrets.token_urlsafe(20)}"


def json_reply(status: int, content: object, **headers: str) -> Response:
    """`headers` are given with underscores: `cache_control="no-store"`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": "application/json", **named}, _json.encode(content))


def refused(refusal: Refusal, *, flat: bool = False) -> Response:
    """A refusal in the envelope it belongs in; `flat` puts `ia::error` on top, as is seen too (REST reference 8.2)."""
    error = refusal.to_error(support_id())
    if refusal.envelope == "oauth":
        return json_reply(refusal.status, error, cache_control="no-store", **refusal.headers)
    if refusal.envelope == "error":
        return json_reply(refusal.status, {"error": error}, **refusal.headers)
    content = {"ia::error": error} if flat else {"ia::result": {"ia::error": error}}
    return json_reply(refusal.status, {**content, "ia::meta": totals(1, 1)}, **refusal.headers)


def refused_item(refusal: Refusal) -> dict[str, Any]:
    """A refusal as the entry of one record in a batch (REST reference 4.7)."""
    return {"ia::error": refusal.to_error(support_id()), "ia::status": refusal.status}


def totals(count: int, failed: int = 0) -> dict[str, int]:
    """`ia::meta` of everything but pages (REST reference 4.2)."""
    return {"totalCount": count, "totalSuccess": count - failed, "totalError": failed}


def one(status: int, result: object) -> Response:
    """One result with its totals."""
    return json_reply(status, {"ia::result": result, "ia::meta": totals(1)})


def page(rows: Sequence[object], *, total: int, start: int, size: int) -> dict[str, Any]:
    """A page with the start of its neighbours, null where there is none (REST reference 5.5)."""
    return {
        "ia::result": rows,
        "ia::meta": {
            "totalCount": total,
            "start": start,
            "pageSize": size,
            "next": start + size if start + size <= total else None,
            "previous": max(1, start - size) if start > 1 else None,
        },
    }


def items(entries: Sequence[Mapping[str, Any]], *, shared: int | None = None) -> Response:
    """A batch answer: one entry per record, by position. 207 when the entries differ in `ia::status`, else their
    common status (REST reference 4.7). `shared` stands for it where entries that succeeded carry none."""
    statuses = {int(entry.get("ia::status", shared or 200)) for entry in entries}
    failed = sum("ia::error" in entry for entry in entries)
    status = statuses.pop() if len(statuses) == 1 else 207
    return json_reply(status, {"ia::result": entries, "ia::meta": totals(len(entries), failed)})


def finish(request: Request, response: Response, now: datetime) -> Response:
    """Stamp the simulated clock's time on a reply, compress it if the caller can read that, and say how long it is."""
    response.headers["date"] = format_datetime(now, usegmt=True)
    if (
        len(response.body) > GZIP_FROM
        and "content-encoding" not in response.headers
        and _accepts_gzip(request.headers.get("accept-encoding", ""))
    ):
        response.body = gzip.compress(response.body, compresslevel=1, mtime=0)
        response.headers["content-encoding"] = "gzip"
        response.headers["vary"] = "accept-encoding"
    if response.status in (204, 304):
        response.body = b""
    else:
        response.headers["content-length"] = str(len(response.body))
    if request.method == "HEAD":
        response.body = b""
    return response


def _accepts_gzip(header: str) -> bool:
    for choice in header.lower().split(","):
        name, _, weight = choice.strip().partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0")
    return False
