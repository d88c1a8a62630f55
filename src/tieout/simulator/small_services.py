"""The services that answer from what the company is: dimensions, a session, the next number, what may be done
(REST reference 1.6, 3, 7.4, 9.1).

It reads their bodies and shapes their answers; numbers and records come from the company.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from tieout.simulator.call import Call
from tieout.simulator.http import Response, json_reply, one
from tieout.simulator.refusal import Refusal
from tieout.simulator.rules import life

SESSION_SECONDS = 21_600
"""Life of a session of the XML API (REST reference 1.6). Nothing here takes one: the XML gateway is not simulated."""
MOST_KEYS = 1000
"""Keys in one question for allowed operations (REST reference 8.7)."""
OPERATIONS = {"canView": "GET", "canEdit": "PATCH", "canDelete": "DELETE"}
_BILL_LINE = "accounts-payable/bill-line"
_NOT_IN_GL = ("contract", "asset")
"""The example says so of contracts; of assets it is INFERRED."""


def _session(call: Call) -> Response:
    return one(200, {"sessionId": secrets.token_urlsafe(42), "expiresIn": SESSION_SECONDS})


def _dimensions(call: Call) -> Response:
    """Those of a bill's line, user-defined ones included: they are told by their names, `nsp::`."""
    group = call.company.model(_BILL_LINE).groups.get("dimensions")
    rows = []
    for name, ref in group.refs.items() if group is not None else ():
        own = name.startswith("nsp::")
        label = name.removeprefix("nsp::")
        title = label[:1].upper() + "".join(f" {mark.lower()}" if mark.isupper() else mark for mark in label[1:])
        rows.append(
            {
                "dimensionName": label.upper(),
                "dimensionLabel": title,
                "termName": title,
                "isUserDefinedDimension": own,
                "isEnabledInGL": name not in _NOT_IN_GL,
                "dimensionEndpoint": f"/objects/{ref.object}",
            }
        )
    count = str(len(rows))
    totals = {"totalCount": count, "totalSuccess": count, "totalError": "0"}  # strings, as Sage's example has them
    return json_reply(200, {"ia::result": rows, "ia::meta": totals})


def _next_value(call: Call) -> Response:
    return one(200, call.company.next_number(_body(call)))


def _allowed(call: Call) -> Response:
    """What may be done with each record by its object's methods and its state; of a key not seen, nothing."""
    body = _body(call)
    object, keys, asked = body.get("object"), body.get("keys"), body.get("operations", list(OPERATIONS))
    if not isinstance(object, str) or not isinstance(keys, list) or not isinstance(asked, list):
        raise Refusal.invalid_request("allowed-operations takes object, keys and operations")
    if len(keys) > MOST_KEYS:
        raise Refusal.invalid_request(f"allowed-operations takes {MOST_KEYS} keys at most")
    model = call.company.model(object)
    rows = []
    for key in map(str, keys):
        try:
            state = call.company.read(object, key, call.who).get("state")
        except Refusal:
            rows.append({"key": key, "operations": [], "additionalData": {}})
            continue
        lived = life(object)
        allowed = [word for word in asked if OPERATIONS.get(str(word)) in model.methods]
        if lived is not None and state is not None:
            kept = {"canEdit": lived.editable, "canDelete": lived.deletable}
            allowed = [word for word in allowed if word not in kept or state in kept[word]]
        rows.append({"key": key, "operations": allowed, "additionalData": {}})
    return one(200, rows)


def _body(call: Call) -> Mapping[str, Any]:
    body = call.payload()
    if not isinstance(body, dict):
        raise Refusal.invalid_request("The body must be a JSON object")
    return body


SERVICES: dict[tuple[str, ...], tuple[str, Callable[[Call], Response]]] = {
    ("core", "session", "id"): ("GET", _session),
    ("core", "allowed-operations", "list"): ("POST", _allowed),
    ("company-config", "dimensions", "list"): ("GET", _dimensions),
    ("company-config", "document-sequence", "generate-next-value"): ("POST", _next_value),
}
"""Path behind `/services/` -> its method and who answers."""
