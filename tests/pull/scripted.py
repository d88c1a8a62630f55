"""A company with one object and its lines, whose every answer a test decides: odd values, rows that move, refusals.

The simulator answers as Intacct should; this answers as Intacct also might.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from functools import partial
from typing import Any

from tieout.rest import InProcessTransport, Intacct

BILL = "accounts-payable/bill"
LINE = "accounts-payable/bill-line"


def field(type: str = "string", format: str | None = None, **more: Any) -> dict[str, Any]:
    wire = {"type": type, "readOnly": False, "writeOnly": False, "required": False, "nullable": True, "mutable": True}
    return wire | ({"format": format} if format else {}) | more


def ref(target: str, **more: Any) -> dict[str, Any]:
    return {"apiObject": target, "fields": {"key": field(), "id": field(), "href": field()}} | more


AUDIT = {"fields": {"modifiedDateTime": field("string", "date-time", readOnly=True)}}

BILL_MODEL = {
    "apiObject": f"objects/{BILL}",
    "type": "rootObject",
    "httpMethods": "OPTIONS,GET,DELETE,PATCH,POST",
    "idempotenceSupported": True,
    "fields": {
        "key": field(readOnly=True),
        "id": field(),
        "href": field(),
        "description": field(),
        "totalDue": field("string", "decimal-precision-2"),
        "rate": field("number"),
        "days": field("integer"),
        "isOnHold": field("boolean"),
        "dueDate": field("string", "date"),
        "action": field(writeOnly=True),
        "accountLabel": field(),
        "accountlabel": field(),
        "SSN": field(),
        "extra": field("object"),
    },
    "groups": {"audit": AUDIT},
    "refs": {"vendor": ref("accounts-payable/vendor")},
    "lists": {"lines": {"apiObject": LINE}},
}

LINE_MODEL = {
    "apiObject": f"objects/{LINE}",
    "type": "ownedObject",
    "httpMethods": "OPTIONS,GET",
    "idempotenceSupported": True,
    "fields": {"key": field(), "id": field(), "txnAmount": field("string", "decimal-precision-2")},
    "groups": {"audit": AUDIT},
    "refs": {"bill": ref(BILL, isOwner=True)},
    "lists": [],
}


def bill(number: int, **more: Any) -> dict[str, Any]:
    """One row as the query service sends it: flat, refs dotted."""
    return {
        "key": str(number),
        "id": str(number),
        "description": f"bill {number}",
        "totalDue": f"{number}.10",
        "rate": Decimal("1.5"),
        "days": number,
        "isOnHold": number % 2 == 0,
        "dueDate": "2026-03-01",
        "accountLabel": "A",
        "accountlabel": "b",
        "SSN": "078-05-1120",
        "extra": None,
        "audit.modifiedDateTime": "2026-01-01T00:00:00Z",
        "vendor.key": "7",
        "vendor.id": "V7",
    } | more


def line(number: int, owner: int, **more: Any) -> dict[str, Any]:
    return {
        "key": str(number),
        "id": str(number),
        "txnAmount": f"{number}.01",
        "audit.modifiedDateTime": "2026-01-01T00:00:00Z",
        "bill.key": str(owner),
        "bill.id": str(owner),
    } | more


class ScriptedCompany:
    """Rows and models in plain dictionaries. `on_query(company, payload)` runs before each page is answered."""

    def __init__(self, rows: list[dict[str, Any]], lines: list[dict[str, Any]] | None = None) -> None:
        self.models: dict[str, dict[str, Any]] = {
            BILL: json.loads(json.dumps(BILL_MODEL)),
            LINE: json.loads(json.dumps(LINE_MODEL)),
        }
        self.rows: dict[str, list[dict[str, Any]]] = {BILL: rows, LINE: lines or []}
        self.listed: list[dict[str, str]] = []
        """Listed besides, without a model."""
        self.hidden: dict[str, list[dict[str, Any]]] = {}
        """Rows that sums add up and no page shows."""
        self.refused: set[str] = set()
        self.forbidden: set[str] = set()
        self.no_sums = False
        self.no_aggregates: set[str] = set()
        """Functions, `max` and `count`, that it refuses to every field."""
        self.newest = max
        """What `max` makes of stamps."""
        self.null_filters = True
        self.text_filters = False
        """Filters compare keys as text, though the order is that of numbers."""
        self.unsummable: set[str] = set()
        self.names_the_culprit = True
        self.now: datetime | None = datetime(2026, 2, 1, 12, 0, 0, tzinfo=UTC)
        self.queries: list[dict[str, Any]] = []
        self._lock = threading.Lock()  # each answer is a snapshot, however many are asked for at once
        self.on_query: Callable[[ScriptedCompany, dict[str, Any]], None] = lambda company, payload: None

    def client(self, **options: Any) -> Intacct:
        credentials = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}
        return Intacct(
            **credentials, base_url="http://127.0.0.1:1", transport=InProcessTransport(self.answer), **options
        )

    def pages(self, object: str = BILL) -> list[dict[str, Any]]:
        """The queries for rows, without those for totals."""
        return [q for q in self.queries if q["object"] == object and q["size"] > 1 and ":" not in q["fields"][0]]

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        path, _, parameters = target.partition("?")
        if path.endswith("/oauth2/token"):
            return self._reply(200, {"token_type": "Bearer", "access_token": "t", "expires_in": 43200})
        if path.endswith("/services/core/model") and "type=object" in parameters:
            names = ("apiObject", "type", "httpMethods")
            listed = [{name: model[name] for name in names} for model in self.models.values()]
            return self._reply(200, {"ia::result": listed + self.listed, "ia::meta": {"totalCount": len(listed)}})
        if path.endswith("/services/core/model"):
            name = parameters.partition("name=")[2].partition("&")[0].replace("%2F", "/")
            return self._reply(200, {"ia::result": self.models.get(name, []), "ia::meta": {"totalCount": 1}})
        payload = json.loads(body)
        with self._lock:
            self.queries.append(payload)
            self.on_query(self, payload)
            return self._query(payload)

    def _query(self, payload: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        totals = [name for name in payload["fields"] if name.partition(":")[0] in ("count", "sum", "max")]
        sums = [name for name in totals if name.startswith("sum:")]
        if payload["object"] in self.forbidden:
            error = {"code": "forbidden", "message": "You do not have permission", "errorId": "GW-0099"}
            return self._reply(403, {"ia::result": {"ia::error": error}, "ia::meta": {"totalCount": 1}})
        for name in payload["fields"]:
            if name.removeprefix("sum:") in self.unsummable and name in sums:
                return self._refusal(name if self.names_the_culprit else "", payload["object"])
            if name in totals and name.partition(":")[0] in self.no_aggregates:
                return self._refusal(name if self.names_the_culprit else "", payload["object"])
            if name in self.refused or (name in sums and self.no_sums):
                return self._refusal(name, payload["object"])
        nulls = [
            path
            for f in payload.get("filters", [])
            for path, value in (f.get("$eq") or f.get("$ne") or {}).items()
            if value is None
        ]
        if nulls and not self.null_filters:
            return self._refusal(nulls[0], payload["object"])
        found = self.found(payload)
        if totals:
            answer = {name: self._total(name, found, payload) for name in totals}
            return self._reply(200, {"ia::result": [answer], "ia::meta": {"totalCount": 1}})
        for order in reversed(payload["orderBy"]):
            ((name, _),) = order.items()
            found.sort(key=lambda row: _order(row[name], name))
        start, size = payload["start"], payload["size"]
        page = found[start - 1 : start - 1 + size]
        rows = [{name: row.get(name) for name in payload["fields"]} | {"API_QUERY_ALIAS__25": None} for row in page]
        following = start + size if start - 1 + size < len(found) else None
        meta = {"totalCount": len(found), "start": start, "pageSize": size, "next": following, "previous": None}
        return self._reply(200, {"ia::result": rows, "ia::meta": meta})

    def _total(self, name: str, found: list[dict[str, Any]], payload: dict[str, Any]) -> Any:
        function, _, path = name.partition(":")
        if function == "count":
            return len(found)
        if function == "max":
            stamps = [row[path] for row in found if row[path] is not None]
            return self.newest(stamps) if stamps else None
        hidden = [row for row in self.hidden.get(payload["object"], ()) if _selected(row, payload, text=False)]
        added = [Decimal(row[path] or 0) for row in [*found, *hidden]]
        return str(sum(added)) if added else None

    def found(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows a query selects, in no order."""
        text = self.text_filters
        return [row for row in self.rows[payload["object"]] if _selected(row, payload, text=text)]

    def _refusal(self, name: str, object: str) -> tuple[int, Mapping[str, str], bytes]:
        error = {
            "code": "invalidRequest",
            "message": f"The {name} field in {object} object cannot be used in query in version 1",
            "errorId": "REST-1106",
            "additionalInfo": {"messageId": "IA.X", "placeholders": {"FIELD": name, "OBJECT": object}},
        }
        return self._reply(400, {"ia::result": {"ia::error": error}, "ia::meta": {"totalCount": 1, "totalError": 1}})

    def _reply(self, status: int, body: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Content-Type": "application/json"}
        if self.now is not None:
            headers["Date"] = format_datetime(self.now, usegmt=True)
        return status, headers, _encode(body)


def _encode(value: Any) -> bytes:
    """JSON with Decimals as numbers, digit by digit."""
    text = json.dumps(value, default=lambda number: f"@@{number}@@")
    return re.sub(r'"@@(.*?)@@"', r"\1", text).encode()


def _selected(row: dict[str, Any], payload: dict[str, Any], *, text: bool) -> bool:
    results = [_matches(row, condition, text) for condition in payload.get("filters", [])]
    expression = payload.get("filterExpression", "and")
    if expression in ("and", "or"):
        return all(results) if expression == "and" else any(results)
    return bool(eval(re.sub(r"\d+", lambda n: str(results[int(n[0]) - 1]), expression)))  # our own text, in a test


def _matches(row: dict[str, Any], condition: dict[str, Any], text: bool) -> bool:
    ((operator, inner),) = condition.items()
    ((path, value),) = inner.items()
    order = str if text and path == "key" else partial(_order, name=path)
    match operator:
        case "$eq":
            return bool(row[path] == value)
        case "$ne":
            return bool(row.get(path) != value)
        case "$gte":
            return row[path] is not None and bool(row[path] >= value)
        case "$gt":
            return bool(order(row[path]) > order(value))
        case "$lt":
            return bool(order(row[path]) < order(value))
        case "$lte":
            return bool(order(row[path]) <= order(value))
        case "$in":
            return row[path] in value
        case "$notIn":
            return row[path] not in value
    raise AssertionError(f"the scripted company does not know {operator}")


def _order(value: Any, name: str) -> Any:
    return int(value) if name == "key" else value or ""


def company(bills: int = 25, lines: int = 60) -> ScriptedCompany:
    return ScriptedCompany(
        [bill(i) for i in range(1, bills + 1)], [line(i, i % bills + 1) for i in range(1, lines + 1)]
    )


def several(*objects: str, rows: int = 100) -> ScriptedCompany:
    """A company whose objects all look like bills without lines."""
    it = ScriptedCompany([])
    model = json.dumps(BILL_MODEL | {"lists": {}})
    it.models = {name: json.loads(model.replace(BILL, name)) for name in objects}
    it.rows = {name: [bill(i) for i in range(1, rows + 1)] for name in objects}
    return it
