"""The workflow endpoints: one action on one record, or on up to 500 (REST reference 4.7, 4.8).

It reads requests and shapes answers; what an action does is the company's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.simulator.call import Call
from tieout.simulator.http import Response, one
from tieout.simulator.objects import batch, record_of
from tieout.simulator.refusal import Refusal


def answer(call: Call) -> Response:
    """`POST /workflows/<application>/<object>/<action>`, `key` in the body. Raises Refusal."""
    if len(call.rest) != 3 or not call.company.has_action(*_names(call)):
        raise Refusal.unknown_resource(call.request.path)
    if call.request.method != "POST":
        raise Refusal.method_not_allowed(call.request.method, "workflows/" + "/".join(call.rest), ("POST",))
    object, word = _names(call)
    body = call.payload()

    def act(record: Mapping[str, Any]) -> Mapping[str, Any]:
        return call.company.act(object, word, record, call.who)

    return batch(call, body, act, done=200) if isinstance(body, list) else one(200, act(record_of(body)))


def _names(call: Call) -> tuple[str, str]:
    application, name, word = call.rest
    return f"{application}/{name}", word
