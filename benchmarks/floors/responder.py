"""Takes batches of customers as Sage's REST API does and answers each position with its key and id, in a process of its
own. It keeps nothing but a count: the key is a function of the id.

A body that does not hold the customers of the file, in their order and with all their fields, is refused, so that a
benchmark cannot quietly measure less than the work. What it speaks: REST reference 1.4, 4.3, 4.4 and 6.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import count
from urllib.parse import parse_qs

import msgspec

from . import serving
from .customers import FIRST_KEY, OBJECT, identifier, model, record
from .serving import Parts

BASE = "/ia/api/v1"
ONE = {"totalCount": 1, "totalSuccess": 1, "totalError": 0}
COUNT = "/requests"
"""Answers how many batches were taken since it was last asked."""

_encode = msgspec.json.Encoder().encode


class Term(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str


class Sent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One customer of a batch: every column of the file."""

    id: str
    name: str
    tax_id: str = msgspec.field(name="taxId")
    notes: str
    credit_limit: str = msgspec.field(name="creditLimit")
    since: str = msgspec.field(name="nsp::SINCE")
    term: Term
    is_on_hold: bool = msgspec.field(name="isOnHold")


_sent = msgspec.json.Decoder(list[Sent]).decode


class RefusedError(Exception):
    """A request outside what this server takes."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Company:
    """Customers 0 to `customers` - 1, each answer to a creation encoded beforehand."""

    def __init__(self, customers: int, latency: float) -> None:
        """`latency`: seconds that creating a batch, or reading records by key, takes before it is answered."""
        self._ids = [identifier(i) for i in range(customers)]
        made = [_made(i) for i in range(customers)]
        self._width = len(made[0]) + 1 if made else 0
        self._made = memoryview(b",".join(made))
        self._latency = latency
        self._batches = count()
        self._model = _encode({"ia::result": model(), "ia::meta": ONE})

    def answer(self, method: str, target: str, body: bytes) -> tuple[HTTPStatus, Parts]:
        """One request -> status and body. Credentials are not looked at."""
        path, _, query = target.partition("?")
        try:
            if (method, path) == ("POST", f"{BASE}/objects/{OBJECT}"):
                return self._create(body)
            if method == "GET" and path.startswith(f"{BASE}/objects/{OBJECT}/"):
                return HTTPStatus.OK, self._read(path.rpartition("/")[2].replace("%2C", ",").split(","))
            return HTTPStatus.OK, [self._small(method, path, query)]
        except RefusedError as refused:
            error = {"code": "invalidRequest", "message": str(refused), "errorId": "REST-1064", "supportId": "static"}
            meta = {"totalCount": 1, "totalSuccess": 0, "totalError": 1}
            return refused.status, [_encode({"ia::result": {"ia::error": error}, "ia::meta": meta})]

    def _create(self, body: bytes) -> tuple[HTTPStatus, Parts]:
        next(self._batches)
        try:
            sent = _sent(body)
            first = int(sent[0].id[2:]) if sent else 0
        except (msgspec.MsgspecError, ValueError) as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None
        last = first + len(sent)
        if not sent or [each.id for each in sent] != self._ids[first:last]:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Taken: customers that follow each other")
        time.sleep(self._latency)
        made = self._made[first * self._width : last * self._width - 1]
        return HTTPStatus.CREATED, [b'{"ia::result":[', made, b'],"ia::meta":' + _meta(len(sent)) + b"}"]

    def _read(self, keys: list[str]) -> Parts:
        """Records by key, made when asked for."""
        indexes = [int(key) - FIRST_KEY for key in keys if key.isdecimal()]
        if len(indexes) != len(keys) or not all(0 <= i < len(self._ids) for i in indexes):
            raise RefusedError(HTTPStatus.NOT_FOUND, "No such key")
        time.sleep(self._latency)
        found = [record(i) for i in indexes]
        return [
            b'{"ia::result":',
            _encode(found if len(found) > 1 else found[0]),
            b',"ia::meta":' + _meta(len(found)) + b"}",
        ]

    def _small(self, method: str, path: str, query: str) -> bytes:
        if (method, path) == ("GET", COUNT):
            # `count` has no way to look without taking one: the next number is how many there were, and starts anew.
            batches, self._batches = next(self._batches), count()
            return _encode(batches)
        if (method, path) == ("GET", BASE + "/services/core/model"):
            asked = parse_qs(query).get("name", [""])[0].removeprefix("objects/")
            return self._model if asked == OBJECT else _encode({"ia::result": [], "ia::meta": dict.fromkeys(ONE, 0)})
        if (method, path) == ("POST", BASE + "/oauth2/token"):
            grant = {"token_type": "Bearer", "access_token": "static", "refresh_token": "static", "expires_in": 43200}
            return _encode(grant)
        raise RefusedError(HTTPStatus.NOT_FOUND, f"No such path: {method} {path}")


def _made(i: int) -> bytes:
    key = str(FIRST_KEY + i)
    return _encode({"key": key, "id": identifier(i), "href": f"/objects/{OBJECT}/{key}", "ia::status": 201})


def _meta(number: int) -> bytes:
    return _encode({"totalCount": number, "totalSuccess": number, "totalError": 0})


@contextmanager
def start(customers: int, latency: float = 0.0) -> Iterator[str]:
    """Run it in a process of its own and give its origin. Each customer takes about 0.2 kB of memory there."""
    with serving.start("responder", "--customers", str(customers), "--latency", str(latency)) as origin:
        yield origin


def main() -> None:
    parser = argparse.ArgumentParser(description="Take customers until standard input closes; prints the port.")
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.0)
    asked = parser.parse_args()
    serving.serve(Company(asked.customers, asked.latency).answer)


if __name__ == "__main__":
    main()
