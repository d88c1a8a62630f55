"""The API's operations: pure functions that return a Call. Nothing here does I/O.

Paths take the key, never the business id (REST reference 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, Literal, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec

from tieout.catalogue.model import Model
from tieout.errors import ConfigurationError, IntacctError, InvalidRequestError, NotFoundError, ReplyError
from tieout.rest.batch import MAX_BATCH, Outcome, Reference
from tieout.rest.call import Call, Repeat, Reply, checked_key
from tieout.rest.failures import find_error, refusal_from
from tieout.rest.filters import F
from tieout.rest.outcomes import Sheet, more_of, read_outcomes
from tieout.rest.query import Query
from tieout.rest.rows import Page, load_exact, not_understood
from tieout.rest.wire import MAX_PAGE

R = TypeVar("R")
_ENCODER = msgspec.json.Encoder(decimal_format="string")
ATOMIC_HEADER = "X-IA-API-Param-Transaction"


def object_path(object: str, keys: Sequence[str] = ()) -> str:
    """`/objects/accounts-payable/bill/194,195`, percent-encoded; document types keep their `::` (REST reference 3).

    Only the first slash divides: `order-entry/document::Sales/Return` names a type with a slash in it."""
    path = "/objects/" + _name_path(object)
    return f"{path}/{','.join(quote(key_text(key), safe='') for key in keys)}" if keys else path


def key_problem(key: Any) -> str:
    """What is wrong with a key, or nothing."""
    if isinstance(key, int) and not isinstance(key, bool):
        return ""
    if not isinstance(key, str):
        return f"a key is text such as '46', not {type(key).__name__}"
    return "" if key.strip() and "," not in key and key[0] != "/" else f"{key!r} is not a key"


def key_text(key: Any) -> str:
    """A key for a path. Raises ConfigurationError for what is none: None, a blank, an href."""
    if problem := key_problem(key):
        sentence = f"{problem[0].upper()}{problem[1:]}."
        raise ConfigurationError(sentence, advice="A key is Sage's system key, such as 46.")
    return str(key)


def workflow_path(object: str, action: str) -> str:
    """`/workflows/accounts-payable/bill/submit` (REST reference 4.8)."""
    return f"/workflows/{_name_path(object)}/{quote(action, safe='')}"


def _name_path(object: str) -> str:
    application, _, name = object.partition("/")
    return f"{quote(application, safe='')}/{quote(name, safe=':')}"


def encode(body: Any) -> bytes:
    """JSON as Intacct wants it: Decimals as text, dates as YYYY-MM-DD. Same value, same bytes.

    Raises ConfigurationError for what JSON cannot hold."""
    try:
        encoded = _ENCODER.encode(body)
        if b"null" in encoded and _has_no_number(body):
            raise ValueError("NaN and infinity are no amounts")
        return encoded
    except (TypeError, ValueError, RecursionError) as error:
        reason = "text that is not Unicode" if isinstance(error, UnicodeError) else str(error)
        raise ConfigurationError(
            f"A record cannot be written as JSON: {reason}.", advice="Send text, numbers, dates, lists and mappings."
        ) from None


def _has_no_number(value: Any) -> bool:
    """Whether a float in it is NaN or infinite: it would be written as null, which clears a field."""
    if isinstance(value, float):
        return not isfinite(value)
    if isinstance(value, Mapping):
        return any(_has_no_number(inner) for inner in value.values())
    return isinstance(value, (list, tuple)) and any(_has_no_number(inner) for inner in value)


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
        object=query.object,
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
        try:
            return Model.from_wire(result)
        except (AttributeError, KeyError, TypeError, ValueError):  # a table or a field of another shape
            raise not_understood("a model request") from None

    return Call(
        method="GET",
        path="/services/core/model",
        query=(("name", object), ("schema", "true")),
        parse=parse,
        repeat=Repeat.FREE,
        object=object,
    )


class Listed(msgspec.Struct, frozen=True):
    """An entry of the model service's list (REST reference 6)."""

    name: str
    """`accounts-payable/vendor`."""
    kind: str
    """rootObject or ownedObject."""
    methods: tuple[str, ...]


def list_models() -> Call[list[Listed]]:
    """Every object of the company, owned ones too (REST reference 6)."""

    def parse(reply: Reply) -> list[Listed]:
        result = _result(reply, "a list of models")
        if not isinstance(result, list) or not all(isinstance(entry, dict) for entry in result):
            raise not_understood("a list of models")
        return [
            Listed(
                name=str(entry.get("apiObject") or "").removeprefix("objects/"),
                kind=str(entry.get("type") or "rootObject"),
                methods=tuple(word.strip() for word in str(entry.get("httpMethods") or "").split(",")),
            )
            for entry in result
        ]

    return Call(
        method="GET",
        path="/services/core/model",
        query=(("type", "object"), ("schema", "false")),
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
        items = [result] if isinstance(result, dict) else result
        if not isinstance(items, list):
            raise not_understood("a read")
        return _by_keys([_record_or_error(item, reply.status, f"GET {path}") for item in items], keys, object)

    return Call(method="GET", path=path, parse=parse, repeat=Repeat.FREE, batch=True)


def _by_keys(
    found: list[dict[str, Any] | IntacctError], keys: Sequence[str], object: str
) -> list[dict[str, Any] | IntacctError]:
    """Each record to its key. That they come in the order asked for is our reading, and so is that a missing one has an
    item (REST reference 4.3): where it is otherwise, the records say which they are."""
    named = [None if isinstance(item, IntacctError) else str(item.get("key")) for item in found]
    if len(found) == len(keys) and all(name in (None, key) for name, key in zip(named, keys, strict=True)):
        return found
    records = {name: item for name, item in zip(named, found, strict=True) if name is not None}
    errors = [item for item in found if isinstance(item, IntacctError)]
    missing = [key for key in keys if key not in records]
    if not set(records) <= set(keys) or len(errors) not in (0, len(missing)):
        raise ReplyError(f"Reading {len(keys)} keys of {object} was answered with other records than those asked for.")
    gone = errors or [NotFoundError(f"There is no {object} with key {key}.", status=404) for key in missing]
    return [records[key] if key in records else gone[missing.index(key)] for key in keys]


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
    return _write("POST", object_path(object), encode(body), idempotency_key)


def update(object: str, key: str, changes: Mapping[str, Any], *, idempotency_key: str | None = None) -> Call[Reference]:
    """PATCH one record: fields not sent stay as they are, null clears (REST reference 4.5)."""
    return _write("PATCH", object_path(object, [key]), encode(changes), idempotency_key)


def action(
    object: str, key: str, name: str, parameters: Mapping[str, Any], *, idempotency_key: str | None = None
) -> Call[Reference]:
    """POST one workflow action, the key in the body (REST reference 4.8)."""
    body = encode({"key": str(key), **parameters})
    return _write("POST", workflow_path(object, name), body, idempotency_key)


def _write(method: str, path: str, body: bytes, key: str | None) -> Call[Reference]:
    def parse(reply: Reply) -> Reference:
        result = load_exact(reply.body)
        if isinstance(result, dict) and not find_error(result):
            result = result.get("ia::result", result)  # bank transactions are shown without the envelope (4.8)
        if isinstance(result, list) and len(result) == 1:
            result = result[0]
        if not isinstance(result, dict) or find_error(result) or result.get("key") is None:
            raise not_understood("a write")
        return msgspec.structs.replace(_reference(result), replayed=reply.replayed)

    return Call(
        method=method,
        path=path,
        parse=parse,
        repeat=Repeat.KEYED,
        body=body,
        idempotency_key=new_key() if key is None else checked_key(key),
        new_key=key is None,
    )


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
    return batch(method, object_path(object), body, [None] * count, idempotency_key=idempotency_key, atomic=atomic)


def batch(
    method: str,
    path: str,
    body: bytes | None,
    keys: Sequence[str | None],
    *,
    idempotency_key: str | None,
    atomic: bool = False,
    entity: str | None = None,
    new_key: bool = False,
    rekeyed: Callable[[str], None] | None = None,
    again: bool = False,
) -> Call[list[Outcome]]:
    """One request with many records: create, update, delete or an action, by method and path.

    `keys` has one entry per record: the key it must be answered with, None where only Intacct knows. `new_key`: the
    idempotency key was never sent before; `rekeyed` is told of another. `again`: the request was, its answer is not
    known."""
    if not 1 <= len(keys) <= MAX_BATCH:
        raise ValueError(f"a batch has 1 to {MAX_BATCH} records, not {len(keys)}")
    deletes = method == "DELETE"
    sheet = Sheet(request=_label(method, path), count=len(keys), atomic=atomic, keys=keys, deletes=deletes)
    later = msgspec.structs.replace(sheet, unanswered=deletes)
    return Call(
        method=method,
        path=path,
        parse=lambda reply: read_outcomes(reply, later if again else sheet),
        parse_again=(lambda reply: read_outcomes(reply, later)) if deletes else None,
        repeat=Repeat.DELETE if deletes else Repeat.KEYED,
        headers={ATOMIC_HEADER: "true"} if atomic else {},
        body=body,
        entity=entity,
        idempotency_key=None if idempotency_key is None else checked_key(idempotency_key),
        new_key=new_key,
        rekeyed=rekeyed,
        batch=True,
        transactions=len(keys),
    )


def _label(method: str, path: str) -> str:
    """What a message calls a request: a path with 500 keys is no sentence."""
    first, comma, _ = path.partition(",")
    return f"{method} {first}{',…' if comma else ''}"


def find_keys(object: str, id: str) -> Call[list[str]]:
    """The keys of the records with this id, at most two: more than one is one too many. Entities included."""
    query = Query(object=object, fields=("key",), where=F("id") == id, private=True)

    def parse(reply: Reply) -> list[str]:
        rows = _result(reply, "a query")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("key") is not None for row in rows):
            raise not_understood("a query")
        return [str(row["key"]) for row in rows]

    body = encode(query.to_wire(1, 2))
    return Call(method="POST", path="/services/core/query", parse=parse, repeat=Repeat.FREE, body=body)


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
        state=None if item.get("state") is None else str(item["state"]),
        more=more_of(item),
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
