"""The object endpoints: list, read, create, update and delete, one record or up to 500, atomic or not.

It shapes requests and replies (REST reference 4); what a record may hold is the company's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tieout.simulator import permissions, singletons
from tieout.simulator.call import Call
from tieout.simulator.http import Response, items, json_reply, one, refused_item
from tieout.simulator.payload import LARGEST_PAGE
from tieout.simulator.refusal import Refusal, required_field
from tieout.simulator.shapes import batch_reply, paged

MAX_BATCH = 500
"""Records in one request, keys in one path (REST reference 8.7)."""

Record = Mapping[str, Any]
_WRITES = {"POST": "create", "PATCH": "update", "DELETE": "delete"}


def answer(call: Call) -> Response:
    """`/objects/<application>/<object>[/<key>[,<key>...]]`. Raises Refusal where one answer stands for the whole."""
    name, keys = _address(call)
    try:
        model = call.company.model(name)
    except Refusal:
        raise Refusal.unknown_resource(call.request.path) from None
    method = call.request.method
    if method == "OPTIONS":
        return Response(200, {"allow": ", ".join(("OPTIONS", *model.methods))})
    if method not in model.methods or (method == "POST" and keys):
        raise Refusal.method_not_allowed(method, name, model.methods)
    if len(keys) > MAX_BATCH:
        raise Refusal.batch_too_large(len(keys), MAX_BATCH)
    singletons.ensure(call.company, name, keys)
    if method in _WRITES:  # once for the request, not for each record of a batch
        permissions.hides(call.who, name, _WRITES[method])
    if method == "GET":
        return _read(call, name, keys) if keys else _list(call, name)
    if method == "POST":
        return _create(call, name)
    if method == "PATCH":
        return _update(call, name, keys)
    return _delete(call, name, keys)


def _address(call: Call) -> tuple[str, list[str]]:
    """Object name and keys of a path; keys are separated by commas."""
    application, name, *keys = (*call.rest, "", "")[: max(2, len(call.rest))]
    if not application or not name or len(keys) > 1:
        raise Refusal.unknown_resource(call.request.path)
    return f"{application}/{name}", [key for key in ",".join(keys).split(",") if key]


def _list(call: Call, name: str) -> Response:
    """The first 100 references. Whether `start` and `size` of the query string count is UNKNOWN (4.1)."""
    start, size = 1, 100
    if call.company.settings.on("list_paging"):
        start, size = _number(call, "start", 1), min(_number(call, "size", 100), LARGEST_PAGE)
    answer = call.company.list(name, call.who, start, size)
    return json_reply(200, paged(call.company.settings, answer.rows, answer.total, answer.start, answer.size))


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 10**15 else default


def _read(call: Call, name: str, keys: Sequence[str]) -> Response:
    """One record, or several in the order asked for; a missing one fails alone (INFERRED, 4.3). Records that were
    found carry no `ia::status`, as a record's own fields stand there."""
    if len(keys) == 1:
        return one(200, call.company.read(name, keys[0], call.who))
    missing = call.company.settings.word("missing_of_several")
    entries: list[Record] = []
    for key in keys:
        try:
            entries.append(call.company.read(name, key, call.who))
        except Refusal as refusal:
            if missing == "refuse":
                raise
            if missing == "item":
                entries.append(refused_item(refusal))
    return items(entries, shared=200)


def _create(call: Call, name: str) -> Response:
    body = call.payload()

    def create(record: Record) -> Record:
        return call.company.create(name, record, call.who)

    if isinstance(body, list):
        return batch(call, body, create, done=201)
    return one(201, create(record_of(body)))


def _update(call: Call, name: str, keys: Sequence[str]) -> Response:
    body = call.payload()

    def update(record: Record) -> Record:
        key = record.get("key")
        if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
            raise Refusal.payload_errors([required_field("/key")])
        changes = {field: value for field, value in record.items() if field != "key"}
        return call.company.update(name, str(key), changes, call.who)

    if not keys:
        return batch(call, body if isinstance(body, list) else [body], update, done=200)
    if len(keys) > 1:
        raise Refusal.unknown_resource(call.request.path)
    return one(200, update({**record_of(body), "key": keys[0]}))


def _delete(call: Call, name: str, keys: Sequence[str]) -> Response:
    """204 when all went well, whatever their number; else items, where deleted ones carry no key (4.6)."""
    if not keys:
        raise Refusal.payload_errors([required_field("/key")])

    def delete(record: Record) -> Record:
        call.company.delete(name, record["key"], call.who)
        return {}

    if len(keys) == 1:
        call.company.delete(name, keys[0], call.who)
        return Response(204)
    response = batch(call, [{"key": key} for key in keys], delete, done=204)
    return Response(204) if response.status == 204 else response


def record_of(body: object) -> Record:
    if not isinstance(body, dict):
        raise Refusal.invalid_request("A record must be a JSON object")
    return body


def batch(call: Call, records: Sequence[object], act: Callable[[Record], Record], *, done: int) -> Response:
    """Each record stands alone unless `X-IA-API-Param-Transaction: true` makes all of them one (REST reference 4.7).

    More than 500 are answered 429 without Retry-After (INFERRED)."""
    if not records:
        raise Refusal.payload_required(call.request.method)
    if len(records) > MAX_BATCH:
        raise Refusal.batch_too_large(len(records), MAX_BATCH)
    settings = call.company.settings
    entries: list[Record] = []
    try:
        with call.company.atomically():
            for record in records:
                try:
                    entries.append({**act(record_of(record)), "ia::status": done})
                except Refusal as refusal:
                    if call.atomic:
                        raise
                    entries.append(refused_item(refusal.settled(settings)))
    except Refusal as refusal:  # all of it was taken back
        if settings.word("atomic_failure") == "error":
            raise
        skipped = refused_item(Refusal.unprocessed())
        del skipped["ia::error"]["supportId"]  # Sage's own sample has none
        failed, failure = len(entries), refused_item(refusal.settled(settings))
        entries = [failure if place == failed else skipped for place in range(len(records))]
    return batch_reply(settings, entries)
