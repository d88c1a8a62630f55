"""A server that answers like Sage's REST API with bytes encoded beforehand, in a process of its own.

It is there to cost nothing: a page is a slice of one buffer, sent without a copy. It holds one object, takes vendors
without looking at them, and refuses what it does not know. `start()` runs it; what it speaks: REST reference 1.4, 4.4,
5 and 6.
"""

from __future__ import annotations

import argparse
import operator
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import msgspec

from . import serving
from .bills import ATTRIBUTES, MONEY, OBJECT, bill, cents, model, modified, money
from .serving import Parts

BASE = "/ia/api/v1"
MAX_PAGE = 4000
VENDOR = "accounts-payable/vendor"
VENDOR_MODEL = {
    "fields": {name: {"type": "string", "mutable": True} for name in ("key", "id", "name")},
    "groups": {},
    "refs": {},
    "lists": [],
    "httpMethods": "OPTIONS,GET,DELETE,PATCH,POST",
    "idempotenceSupported": True,
    "apiObject": f"objects/{VENDOR}",
    "type": "rootObject",
}
ONE = {"totalCount": 1, "totalSuccess": 1, "totalError": 0}
NO_FILTER = b"[]"
MODIFIED = "audit.modifiedDateTime"
ALL_FIELDS = frozenset(ATTRIBUTES)

_encode = msgspec.json.Encoder().encode
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_FILTERABLE: dict[str, tuple[Callable[[int], Any], Callable[[str], Any]]] = {
    "key": (lambda i: i + 1, int),
    MODIFIED: (modified, str),
}
"""Path -> its value in row i, and how the filter's value is read for comparison."""


class RefusedError(Exception):
    """A request outside what this server holds."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Asked(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of a query (REST reference 5.1)."""

    object: str
    fields: list[str]
    filters: list[dict[str, dict[str, str]]] = []
    filter_expression: str | None = "and"
    filter_parameters: dict[str, Any] = {}
    order_by: list[dict[str, str]] = []
    start: int = 1
    size: int = 100


class Encoded:
    """Rows encoded once, commas between: row n ends before the comma that ends at `ends[n + 1]`."""

    def __init__(self, rows: Sequence[int], fields: frozenset[str]) -> None:
        text = bytearray()
        self._ends = array("Q", [0])
        for i in rows:
            text += _row(i, fields)
            text += b","
            self._ends.append(len(text))
        self._text = memoryview(bytes(text))

    def page(self, start: int, size: int) -> memoryview:
        """At most `size` rows from `start` (1-based), as the inside of a JSON array."""
        last = min(start - 1 + size, len(self._ends) - 1)
        return self._text[self._ends[start - 1] : self._ends[last] - 1] if start <= last else self._text[:0]


def _row(i: int, fields: frozenset[str]) -> bytes:
    whole = bill(i)
    if fields == ALL_FIELDS:
        return _encode(whole)
    return _encode({path: getattr(whole, name) for path, name in ATTRIBUTES.items() if path in fields})


class Selection:
    """The rows that one filter leaves, and every answer about them that was asked for once."""

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = rows
        self._encoded: dict[frozenset[str], Encoded] = {}
        self._sums: dict[str, int] = {}
        self._newest: str | None = None

    def encoded(self, fields: frozenset[str]) -> Encoded:
        if fields not in self._encoded:
            self._encoded[fields] = Encoded(self.rows, fields)
        return self._encoded[fields]

    def aggregate(self, text: str) -> int | str | None:
        """`count:key`, `max:` of the modified stamp or `sum:` of a money field, exact. Of nothing it is null."""
        function, _, path = text.partition(":")
        if function == "count" and path == "key":
            return len(self.rows)
        if function == "max" and path == MODIFIED:
            if self._newest is None:
                self._newest = max(map(modified, self.rows), default=None)
            return self._newest
        if function != "sum" or path not in MONEY:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"Held: count:key, max:{MODIFIED}, sums of money; not {text}")
        if not self.rows:
            return None
        if not self._sums:
            bills = [bill(i) for i in self.rows]
            self._sums = {name: sum(cents(getattr(b, ATTRIBUTES[name])) for b in bills) for name in MONEY}
        return money(self._sums[path])


class Bills:
    """The answer book. Everything that a full read and its tie-out ask is encoded before the first request."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._selections = {NO_FILTER: Selection(range(count))}
        for fields in (ALL_FIELDS, frozenset(["key"])):  # the latter of a count, which is asked as a page of one row
            self._selections[NO_FILTER].encoded(fields)
        self._newest = max(map(modified, range(count)), default="")
        self._selections[NO_FILTER].aggregate(f"sum:{MONEY[0]}")
        self._selections[NO_FILTER].aggregate(f"max:{MODIFIED}")
        self._model = _encode({"ia::result": model(), "ia::meta": ONE})

    def model(self, name: str) -> Parts:
        if name.removeprefix("objects/") == VENDOR:
            return [_encode({"ia::result": VENDOR_MODEL, "ia::meta": ONE})]
        if name.removeprefix("objects/") != OBJECT:
            return [_encode({"ia::result": [], "ia::meta": dict.fromkeys(ONE, 0)})]
        return [self._model]

    def query(self, body: bytes) -> Parts:
        asked = _read(body)
        with self._lock:
            chosen = self._select(asked)
            if any(":" in field for field in asked.fields):
                row = _encode({field: chosen.aggregate(field) for field in asked.fields})
                return [b'{"ia::result":[', row, _meta(asked, 1)]
            rows = chosen.encoded(frozenset(asked.fields))
        return [b'{"ia::result":[', rows.page(asked.start, asked.size), _meta(asked, len(chosen.rows))]

    def _select(self, asked: Asked) -> Selection:
        name = _encode(asked.filters)
        if name not in self._selections:
            rows: Sequence[int] = self._selections[NO_FILTER].rows
            for entry in asked.filters:
                for operation, operand in entry.items():
                    later = operation in ("$gt", "$gte") and operand.get(MODIFIED, "") > self._newest
                    rows = () if later else _filtered(rows, operation, operand)
            self._selections[name] = Selection(rows)
        return self._selections[name]


def _read(body: bytes) -> Asked:
    try:
        asked = msgspec.json.decode(body, type=Asked)
    except msgspec.MsgspecError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None
    if asked.object != OBJECT or asked.start < 1 or not 1 <= asked.size <= MAX_PAGE:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"Held: {OBJECT}, start from 1, size 1 to {MAX_PAGE}")
    if asked.order_by not in ([], [{"key": "asc"}]) or "or" in (asked.filter_expression or "and"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Held: orderBy key ascending, filters joined by and")
    for field in asked.fields:
        if field not in ATTRIBUTES and ":" not in field:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"The {field} field in {OBJECT} object cannot be used in query")
    return asked


def _filtered(rows: Sequence[int], operation: str, operand: dict[str, str]) -> Sequence[int]:
    ((path, text),) = operand.items()
    if operation not in _COMPARE or path not in _FILTERABLE:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"Held: comparisons of {', '.join(_FILTERABLE)}")
    value, read = _FILTERABLE[path]
    compare, bound = _COMPARE[operation], read(text)
    kept = [i for i in rows if compare(value(i), bound)]
    return rows if len(kept) == len(rows) else kept


def _meta(asked: Asked, total: int) -> bytes:
    after, before = asked.start + asked.size, asked.start - asked.size
    meta = {
        "totalCount": total,
        "start": asked.start,
        "pageSize": asked.size,
        "next": after if after <= total else None,
        "previous": max(before, 1) if asked.start > 1 else None,
    }
    return b'],"ia::meta":' + _encode(meta) + b"}"


@cache
def _created(count: int) -> bytes:
    """What a batch of so many vendors is answered with: the same keys every time."""
    made = [
        {"key": str(n), "id": f"V{n}", "href": f"/objects/{VENDOR}/{n}", "ia::status": 201} for n in range(1, count + 1)
    ]
    return _encode({"ia::result": made, "ia::meta": {"totalCount": count, "totalSuccess": count, "totalError": 0}})


def answer(bills: Bills, method: str, target: str, body: bytes) -> tuple[HTTPStatus, Parts]:
    """One request -> status and body. Credentials are not looked at."""
    path, _, query = target.partition("?")
    try:
        if (method, path) == ("POST", BASE + "/services/core/query"):
            return HTTPStatus.OK, bills.query(body)
        if (method, path) == ("GET", BASE + "/services/core/model"):
            return HTTPStatus.OK, bills.model(parse_qs(query).get("name", [""])[0])
        if (method, path) == ("POST", f"{BASE}/objects/{VENDOR}"):
            return HTTPStatus.CREATED, [_created(len(msgspec.json.decode(body, type=list[msgspec.Raw])))]
        if (method, path) == ("POST", BASE + "/oauth2/token"):
            grant = {"token_type": "Bearer", "access_token": "static", "refresh_token": "static", "expires_in": 43200}
            return HTTPStatus.OK, [_encode(grant)]
        raise RefusedError(HTTPStatus.NOT_FOUND, f"No such path: {method} {path}")
    except RefusedError as refused:
        error = {"code": "invalidRequest", "message": str(refused), "errorId": "REST-1064", "supportId": "static"}
        meta = {"totalCount": 1, "totalSuccess": 0, "totalError": 1}
        return refused.status, [_encode({"ia::result": {"ia::error": error}, "ia::meta": meta})]


def late(latency: float, bills: Bills, method: str, target: str, body: bytes) -> tuple[HTTPStatus, Parts]:
    """The same, later."""
    if latency:
        time.sleep(latency)
    return answer(bills, method, target, body)


@contextmanager
def start(rows: int = 200_000, latency: float = 0.0) -> Iterator[str]:
    """Run the server with `rows` bills in a process of its own and give its base URL. `latency`: seconds that each
    answer takes, of however many at once.

    Every page size to 4000 is served from the same bytes. Each row takes about 0.5 kB of memory.
    """
    with serving.start("static_server", "--rows", str(rows), "--latency", str(latency)) as origin:
        yield origin + BASE


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve bills until standard input closes; prints the port.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--latency", type=float, default=0.0)
    asked = parser.parse_args()
    serving.serve(partial(late, asked.latency, Bills(asked.rows)))


if __name__ == "__main__":
    main()
