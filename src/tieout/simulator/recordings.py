"""Recorded traffic of a real company, turned into a company that answers the same.

It reads `{_metadata, interactions: [{request, response}]}` and plain files of models; it invents no value: what was not
recorded is null. The users and entities that every company begins with are there before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tieout.catalogue import Field, Model, Node
from tieout.simulator.company import Company
from tieout.simulator.http import NotJsonError, read_json
from tieout.simulator.refusal import Refusal

STRAY = "API_QUERY_ALIAS__"
"""Columns that the real service adds unasked (REST reference 5.5)."""
_AGGREGATE = re.compile(r"(count|avg|sum|min|max):")


class RecordingError(Exception):
    """A file that cannot be read as recorded traffic; the text says which and why."""


class _Metadata(msgspec.Struct):
    recorded_at: datetime | None = None


class _Request(msgspec.Struct):
    method: str
    uri: str
    body: str | None = None


class _Status(msgspec.Struct):
    code: int


class _Body(msgspec.Struct):
    string: str = ""


class _Response(msgspec.Struct):
    status: _Status
    body: _Body = msgspec.field(default_factory=_Body)


class _Interaction(msgspec.Struct):
    request: _Request
    response: _Response


class _Recording(msgspec.Struct):
    interactions: list[_Interaction]
    metadata: _Metadata = msgspec.field(name="_metadata", default_factory=_Metadata)


class Recorded:
    """What several recordings hold together: models, rows by object and key, and when they were taken."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.rows: dict[str, dict[str, dict[str, Any]]] = {}
        self.moment: datetime | None = None
        """The latest `recorded_at`; None where no file says."""

    @classmethod
    def read(cls, *paths: Path) -> Recorded:
        """Raises RecordingError for the first file that does not fit."""
        found = cls()
        for path in paths:
            _collect(path, found)
        if not found.models and not found.rows:
            raise RecordingError(f"{', '.join(map(str, paths))}: no answered model or query request in it.")
        return found

    def load(self, company: Company) -> dict[str, int]:
        """Give a company the recorded models and rows -> records by object. Recorded values replace what is there."""
        models = dict(self.models)
        for object, rows in self.rows.items():
            models[object] = _widened(_model(company, self, object), rows)
        for model in models.values():
            company.set_model(model)
        return {
            object: company.load(object, [_nested(row) for row in rows.values()]) for object, rows in self.rows.items()
        }

    def add_row(self, object: str, row: object, where: str) -> None:
        if not isinstance(row, Mapping):
            raise RecordingError(f"{where}: a recorded row of {object} is no JSON object.")
        values = {path: value for path, value in row.items() if not path.startswith(STRAY)}
        key = values.get("key")
        if not isinstance(key, str):
            raise RecordingError(f"{where}: a recorded row of {object} has no key, so it cannot be told from others.")
        known = self.rows.setdefault(object, {}).setdefault(key, {})
        known.update(values)
        for group in {path[:dot] for path in known for dot in range(len(path)) if path[dot] == "."}:
            if known.get(group) is not None:
                raise RecordingError(f"{where}: {group!r} of a recorded row of {object} is both a value and a group.")
            known.pop(group, None)  # an empty reference is null, whatever its members are called


def load_recording(company: Company, *paths: Path) -> dict[str, int]:
    """Make recorded traffic a company's: its clock stands at the latest `recorded_at`, its models and rows are those
    recorded. -> records loaded by object. Raises RecordingError, and then nothing is changed.

    Recorded: the answers of the model and query services. Other requests and refused ones are passed over."""
    recorded = Recorded.read(*paths)
    with company.atomically():
        loaded = recorded.load(company)
    if recorded.moment is not None:
        company.clock.freeze(recorded.moment)
    return loaded


def _collect(path: Path, found: Recorded) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        content = read_json(data)
    except NotJsonError:
        raise RecordingError(f"{path} is not JSON, so it is not recorded traffic.") from None
    if isinstance(content, dict) and content and all(_is_model(value) for value in content.values()):
        for name, wire in content.items():
            found.models[name] = Model.from_wire({"apiObject": f"objects/{name}", **wire})
        return
    try:
        recording = msgspec.convert(content, _Recording)
    except msgspec.ValidationError as error:
        raise RecordingError(f"{path} is not recorded traffic: {error}.") from None
    moment = recording.metadata.recorded_at
    if moment is not None:
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
        found.moment = max(found.moment or moment, moment)
    for number, interaction in enumerate(recording.interactions, 1):
        _replay(interaction, found, f"{path}, interaction {number}")


def _is_model(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("fields"), dict)


def _replay(interaction: _Interaction, found: Recorded, where: str) -> None:
    if interaction.response.status.code != 200:
        return
    address = urlsplit(interaction.request.uri)
    if address.path.endswith("/services/core/model"):
        result = _result(interaction, where)
        if _is_model(result):  # an unknown name is answered by an empty array
            name = parse_qs(address.query).get("name", [""])[0].removeprefix("objects/")
            found.models[name] = Model.from_wire({"apiObject": f"objects/{name}", **result})
    elif address.path.endswith("/services/core/query"):
        query = _json(interaction.request.body or "", where)
        rows = _result(interaction, where)
        if not isinstance(query, dict) or not isinstance(query.get("object"), str) or not isinstance(rows, list):
            raise RecordingError(f"{where}: this query names no object, or its answer holds no rows.")
        if any(_AGGREGATE.match(str(field)) for field in query.get("fields") or ()):
            return  # not records
        for row in rows:
            found.add_row(query["object"], row, where)


def _json(text: str, where: str) -> Any:
    try:
        return read_json(text)
    except NotJsonError:
        raise RecordingError(f"{where}: its body is not JSON.") from None


def _result(interaction: _Interaction, where: str) -> Any:
    body = _json(interaction.response.body.string, where)
    if not isinstance(body, dict) or "ia::result" not in body:
        raise RecordingError(f"{where}: its answer has no ia::result.")
    return body["ia::result"]


def _model(company: Company, found: Recorded, object: str) -> Model:
    if object in found.models:
        return found.models[object]
    try:
        return company.model(object)
    except Refusal:
        raise RecordingError(f"{object} is neither a documented object nor described by a recorded model.") from None


def _widened(model: Model, rows: Mapping[str, Mapping[str, Any]]) -> Model:
    """The model with a plain field for every recorded path it lacks: what was seen exists."""
    seen = {path: value for row in rows.values() for path, value in row.items() if path != "href"}
    missing = seen.keys() - model.paths().keys()
    if not missing:
        return model
    model = msgspec.msgpack.decode(msgspec.msgpack.encode(model), type=Model)
    for path in sorted(missing):
        node: Node = model
        *groups, name = path.split(".")
        for group in groups:
            node = node.refs.get(group) or node.groups.setdefault(group, Node())
        node.fields[name] = Field(type=_type(seen[path]), inferred=True)
    return model


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """`{"vendor.id": 1}` -> `{"vendor": {"id": 1}}`."""
    record: dict[str, Any] = {}
    for path, value in row.items():
        level = record
        *groups, name = path.split(".")
        for group in groups:
            level = level.setdefault(group, {})
        level[name] = value
    return record
