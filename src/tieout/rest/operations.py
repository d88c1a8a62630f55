"""The API's operations: pure functions that return a Call. Nothing here does I/O.

Paths take the key, never the business id (REST reference 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec

from tieout.catalogue.model import Model
from tieout.errors import ConfigurationError, IntacctError, InvalidRequestError, ReplyError
from tieout.rest.batch import MAX_BATCH, Outcome, Reference, read_outcomes
from tieout.rest.call import Call, Repeat, Reply
from tieout.rest.failures import find_error, refusal_from
from tieout.rest.query import MAX_PAGE, Query
from tieout.rest.rows import Page, load_exact, not_understood

R = TypeVar("R")
_ENCODER = msgspec.json.Encoder(decimal_format="string")
ATOMIC_HEADER = "X-IA-API-Param-Transaction"


def object_path(object: str, keys: Sequence[str] = ()) -> str:
    """`/objects/accounts-payable/bill/194,195`, percent-encoded; document types keep their `::`."""
    path = "/objects/" + quote(object, safe="/:")
    for key in keys:
        if not str(key).strip() or "," in str(key):
            raise ConfigurationError(f"{str(key)!r} is not a key.", advice="A key is Sage's system key, such as 46.")
    return f"{path}/{','.join(quote(str(key), safe='') for key in keys)}" if keys else path


def encode(body: Any) -> bytes:
    """JSON as Intacct wants it: Decimals as text, dates as YYYY-MM-DD. Same value, same bytes."""
    return _ENCODER.encode(body)


def new_key() -> str:
    """A random idempotency key for a plain write; its own retries reuse it (DESIGN rule 1)."""
    return uuid4().hex


def query_page(query: Query, start: int, size: int, parse: Callable[[Reply], Page[R]]) -> Call[Page[R]]:
    """One page of a query. `start` is 1-based, `size` at most 4000. One billable transaction."""
    if not 1 <= size <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} rows, not {size}")
    return Call(
        method="POST",
        path="/services/core/query",
        parse=parse,
        repeat=Repeat.FREE,
        body=encode(query.to_wire(start, size)),
        entity=query.entity,
    )


def get_model(object: str) -> Call[Model]:
    """The live definition of an object (REST reference 6). An unknown name is answered with an empty list."""

    def parse(reply: Reply) -> Model:
        result = _result(reply, "a model request")
        if isinstance(result, list):
            if not result:
                raise InvalidRequestError(
                    f"This company has no object {object!r}.",
                    status=404,
                    code="unknownObject",
                    advice="It may need a subscription; `tieout model` lists the documented objects.",
                )
            result = result[0]
        if not isinstance(result, dict) or not isinstance(result.get("fields"), dict):
            raise not_understood("a model request")
        return Model.from_wire(result)

    return Call(
        method="GET",
        path="/services/core/model",
        query=(("name", object), ("schema", "true")),
        parse=parse,
        repeat=Repeat.FREE,
    )


def get_one(object: str, key: str) -> Call[dict[str, Any]]:
    """The full record with its lines, undecoded beyond JSON."""

    def parse(reply: Reply) -> dict[str, Any]:
        result = _result(reply, "a read")
        if not isinstance(result, dict):
            raise not_understood("a read")
        return result

    return Call(method="GET", path=object_path(object, [key]), parse=parse, repeat=Repeat.FREE)


def get_many(object: str, keys: Sequence[str]) -> Call[list[dict[str, Any] | IntacctError]]:
    """Up to 500 full records, in the order of the keys; a missing one is its NotFoundError (REST reference 4.3)."""
    if not 1 <= len(keys) <= MAX_BATCH:
        raise ValueError(f"read 1 to {MAX_BATCH} keys at a time, not {len(keys)}")
    path = object_path(object, keys)

    def parse(reply: Reply) -> list[dict[str, Any] | IntacctError]:
        result = _result(reply, "a read")
        items = [result] if isinstance(result, dict) and len(keys) == 1 else result
        if not isinstance(items, list) or len(items) != len(keys):
            raise ReplyError(f"Reading {len(keys)} keys of {object} was answered with another number of records.")
        return [_record_or_error(item, reply.status, f"GET {path}") for item in items]

    return Call(method="GET", path=path, parse=parse, repeat=Repeat.FREE, batch=True)


def list_references(object: str) -> Call[list[Reference]]:
    """The list endpoint: key, id and href of up to 100 records, order not promised (REST reference 4.1)."""

    def parse(reply: Reply) -> list[Reference]:
        result = _result(reply, "a list")
        if not isinstance(result, list):
            raise not_understood("a list")
        return [_reference(item) for item in result]

    return Call(method="GET", path=object_path(object), parse=parse, repeat=Repeat.FREE)


def create(object: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Call[Reference]:
    """POST one record (REST reference 4.4)."""
    return _write("POST", object_path(object), encode(body), idempotency_key or new_key())


def update(object: str, key: str, changes: Mapping[str, Any], *, idempotency_key: str | None = None) -> Call[Reference]:
    """PATCH one record: fields not sent stay as they are, null clears (REST reference 4.5)."""
    return _write("PATCH", object_path(object, [key]), encode(changes), idempotency_key or new_key())


def _write(method: str, path: str, body: bytes, key: str) -> Call[Reference]:
    def parse(reply: Reply) -> Reference:
        result = _result(reply, "a write")
        if not isinstance(result, dict) or find_error(result) or result.get("key") is None:
            raise not_understood("a write")
        return _reference(result)

    return Call(method=method, path=path, parse=parse, repeat=Repeat.KEYED, body=body, idempotency_key=key)


def delete(object: str, key: str) -> Call[None]:
    """DELETE one record."""
    path = object_path(object, [key])

    def parse(reply: Reply) -> None:
        if not reply.body.strip():
            return
        body = load_exact(reply.body)
        result = body.get("ia::result") if isinstance(body, dict) else None
        item = result[0] if isinstance(result, list) and len(result) == 1 else body
        found = find_error(item)
        if found is not None:
            status = item.get("ia::status")
            raise refusal_from(found, status if isinstance(status, int) else 422, f"DELETE {path}").error

    return Call(method="DELETE", path=path, parse=parse, repeat=Repeat.DELETE)


def post(
    object: str,
    body: bytes,
    *,
    count: int,
    idempotency_key: str,
    method: Literal["POST", "PATCH"] = "POST",
    atomic: bool = False,
) -> Call[list[Outcome]]:
    """A batch: exactly these bytes, a JSON array of `count` records, under this key.

    A replay of the same bytes under the same key cannot post twice (REST reference 7.6)."""
    if not 1 <= count <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} records, not {count}")
    path = object_path(object)
    return Call(
        method=method,
        path=path,
        parse=lambda reply: read_outcomes(reply, count, f"{method} {path}"),
        repeat=Repeat.KEYED,
        headers={ATOMIC_HEADER: "true"} if atomic else {},
        body=body,
        idempotency_key=idempotency_key,
        batch=True,
        transactions=count,
    )


def first_row_decimals(names: Sequence[str]) -> Callable[[Reply], Page[dict[str, Decimal | None]]]:
    """A parser for one aggregated row. Under which key an aggregate comes back is not documented (REST reference
    5.5): the asked name, else the n-th value of the row."""

    def parse(reply: Reply) -> Page[dict[str, Decimal | None]]:
        rows = _result(reply, "a query")
        if not isinstance(rows, list):
            raise not_understood("a query")
        values = [_aggregates(row, names) for row in rows if isinstance(row, dict)]
        return Page(rows=values, total=len(values), start=1, next=None, date=reply.date)

    return parse


def _aggregates(row: dict[str, Any], names: Sequence[str]) -> dict[str, Decimal | None]:
    if not all(name in row for name in names):
        if len(row) != len(names):
            raise not_understood("an aggregate query")
        row = dict(zip(names, row.values(), strict=True))
    try:
        return {name: None if row[name] is None else Decimal(str(row[name])) for name in names}
    except ArithmeticError:
        raise not_understood("an aggregate query") from None


def _result(reply: Reply, what: str) -> Any:
    body = load_exact(reply.body)
    if not isinstance(body, dict) or "ia::result" not in body:
        raise not_understood(what)
    return body["ia::result"]


def _reference(item: Any) -> Reference:
    if not isinstance(item, dict) or item.get("key") is None:
        raise not_understood("a list")
    return Reference(
        key=str(item["key"]),
        id=None if item.get("id") is None else str(item["id"]),
        href=item.get("href"),
    )


def _record_or_error(item: Any, status: int, request: str) -> dict[str, Any] | IntacctError:
    if not isinstance(item, dict):
        raise not_understood("a read")
    found = find_error(item)
    if found is None:
        inner = item.get("ia::result")
        return inner if isinstance(inner, dict) else {k: v for k, v in item.items() if k != "ia::status"}
    item_status = item.get("ia::status")
    return refusal_from(found, item_status if isinstance(item_status, int) else status, request).error
