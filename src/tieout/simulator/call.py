"""One authorised API call on its way through the rooms: the company, who asks, and the request.

It reads bodies and headers; it decides nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tieout.simulator.company import Company
from tieout.simulator.http import NotJsonError, Request, read_json
from tieout.simulator.identity import Who
from tieout.simulator.refusal import Refusal


class Call(msgspec.Struct, frozen=True):
    """`rest` holds the decoded path segments behind `objects` or `services`."""

    company: Company
    who: Who
    request: Request
    rest: tuple[str, ...]

    @property
    def atomic(self) -> bool:
        """All records of this request, or none (REST reference 2)."""
        return self.request.headers.get("x-ia-api-param-transaction", "").strip().lower() == "true"

    def payload(self) -> Any:
        """The JSON body. Raises Refusal: REST-1028 without one, REST-1030 for text that is not JSON."""
        if not self.request.body.strip():
            raise Refusal.payload_required(self.request.method)
        try:
            return read_json(self.request.body)
        except NotJsonError:
            raise Refusal.malformed_json() from None
