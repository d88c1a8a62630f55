"""The core services: query and model.

It reads their parameters and shapes their answers (REST reference 5, 6); rows and models come from the company.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tieout.catalogue import Model, actions, names
from tieout.catalogue.actions import with_actions
from tieout.simulator import reports
from tieout.simulator.call import Call
from tieout.simulator.http import Response, items, json_reply, one, refused_item, totals
from tieout.simulator.idempotency import unsupported
from tieout.simulator.refusal import Refusal
from tieout.simulator.shapes import paged, query_body, rows_of
from tieout.simulator.small_services import SERVICES

ALL_SERVICES = {**SERVICES, **reports.SERVICES}
KINDS = {"object": ("rootObject", "ownedObject")}
"""`type=object` means both kinds; any other word is a kind itself (REST reference 6)."""


def answer(call: Call) -> Response:
    """`/services/core/query`, `/services/core/model` and the small ones; others are not simulated and answer 404."""
    if call.rest == ("core", "query"):
        if call.request.method != "POST":
            raise Refusal.method_not_allowed(call.request.method, "services/core/query", ("POST",))
        return _query(call)
    if call.rest == ("core", "model"):
        if call.request.method != "GET":
            raise Refusal.method_not_allowed(call.request.method, "services/core/model", ("GET",))
        return _model(call)
    if call.rest in ALL_SERVICES:
        method, service = ALL_SERVICES[call.rest]
        if call.request.method != method:
            raise Refusal.method_not_allowed(call.request.method, "services/" + "/".join(call.rest), (method,))
        return service(call)
    raise Refusal.unknown_resource(call.request.path)


def _query(call: Call) -> Response:
    """One query, or an array of them: the answer to an array is INFERRED from composite's (REST reference 5.1)."""
    payload = call.payload()
    if not isinstance(payload, list):
        return json_reply(200, _page(call, payload))
    if not payload:
        raise Refusal.payload_required("POST")
    shape = call.company.settings.word("query_array")
    if shape == "refuse":
        raise Refusal.invalid_request("A query must be a JSON object")
    entries: list[Mapping[str, Any]] = []
    for each in payload:
        try:
            entries.append({**_page(call, each), **({} if shape == "bare" else {"ia::status": 200})})
        except Refusal as refusal:
            entries.append({**refused_item(refusal.settled(call.company.settings)), "ia::meta": totals(1, 1)})
    return items(entries)


def _page(call: Call, payload: object) -> dict[str, Any]:
    if not isinstance(payload, dict):
        raise Refusal.invalid_request("A query must be a JSON object")
    settings = call.company.settings
    payload = query_body(settings, _find(call, str(payload.get("object"))), payload)
    answer = call.company.query(payload, call.who)
    rows = rows_of(settings, payload["fields"], answer.rows)
    return paged(settings, rows, answer.total, answer.start, answer.size)


def _model(call: Call) -> Response:
    wanted = call.request.query
    version = wanted.get("version", "v1")
    if version not in ("v1", "all"):
        raise Refusal.unsupported_version(version)
    name = wanted.get("name", "").removeprefix("/").removeprefix("objects/")
    if not name:
        return _model_list(call, whole=wanted.get("schema", "false") == "true")
    model = _find(call, name)
    if model is None:
        return json_reply(200, {"ia::result": [], "ia::meta": totals(0)})
    if version == "all":  # that versions are listed is documented, how is UNKNOWN
        return one(200, [{"version": "v1", "href": model.to_wire()["href"]}])
    return one(200, _wire(call, model) if wanted.get("schema", "true") == "true" else _entry(model))


def _wire(call: Call, model: Model) -> dict[str, Any]:
    """A model as the company answers it: an object may be set to take no idempotency keys."""
    wire = model.to_wire()
    return wire | {"idempotenceSupported": False} if model.name in unsupported(call.company.settings) else wire


def _find(call: Call, name: str) -> Model | None:
    try:
        return call.company.model(name)
    except Refusal:
        return None


def _model_list(call: Call, *, whole: bool) -> Response:
    """All objects the company has, filtered by `type` (comma list) and `filter` (regular expression on the name)."""
    wanted = call.request.query
    kinds = {kind for word in wanted.get("type", "object").split(",") for kind in KINDS.get(word, (word,))}
    try:
        pattern = re.compile(wanted.get("filter", ""))
    except re.error:
        raise Refusal.invalid_request("filter is not a valid regular expression") from None
    entries = [
        _wire(call, model) if whole else _entry(model)
        for model in _models(call)
        if model.kind in kinds and pattern.search(f"objects/{model.name}")
    ]
    for kind, name, methods in _doings():
        if kind in kinds and pattern.search(name):
            entries.append(_listed(kind, name, methods))
    return json_reply(200, {"ia::result": entries, "ia::meta": totals(len(entries))})


def _doings() -> Iterator[tuple[str, str, str]]:
    """Kind, name and methods of the workflow actions and services: listed by `type=workflow` and `type=service`. How
    their names and models look is INFERRED; no model of one is answered."""
    for object in with_actions():
        for action in sorted(actions(object)):
            yield "workflow", f"workflows/{object}/{action}", "OPTIONS,POST"
    services: dict[tuple[str, ...], str] = {path: method for path, (method, _) in ALL_SERVICES.items()}
    services |= {("core", "model"): "GET", ("core", "query"): "POST"}
    for path, method in sorted(services.items()):
        yield "service", "services/" + "/".join(path), f"OPTIONS,{method}"


def _listed(kind: str, name: str, methods: str) -> dict[str, Any]:
    href = f"/services/core/model?version=v1&name={name}"
    return {"apiObject": name, "type": kind, "httpMethods": methods, "href": href}


def _models(call: Call) -> Iterator[Model]:
    for name in sorted({*names(), *call.company.objects_in_use()}):
        yield call.company.model(name)


def _entry(model: Model) -> dict[str, Any]:
    """The list form of a model (REST reference 6)."""
    wire = model.to_wire()
    return {name: wire[name] for name in ("apiObject", "type", "httpMethods", "href")}
