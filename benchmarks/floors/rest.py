"""The floors of the SDK: rows of a query, typed, and records created in batches, as fast as a hand-written loop goes.

Same work as the product for a user of the same answer: a token, ordered pages of 2,000, money as Decimal, dates as
date, every row visited; or bodies encoded, 500 a request under a key each, and every key read. No model, no check, no
retry, no pacing, no meter. Knows nothing of tieout.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import httpx2
import msgspec

from .bills import ATTRIBUTES, MONEY, OBJECT

PAGE = 2000
BATCH = 500
_JSON = {"Content-Type": "application/json"}
_AWARE = Annotated[datetime.datetime, msgspec.Meta(tz=True)]
_TYPES: dict[str, Any] = {
    **dict.fromkeys(ATTRIBUTES, str | None),
    **dict.fromkeys(MONEY, Decimal | None),
    "postingDate": datetime.date | None,
    "dueDate": datetime.date | None,
    "isOnHold": bool | None,
    "isTaxInclusive": bool | None,
    "dueInDays": int | str | None,
    "audit.modifiedDateTime": _AWARE | None,
}
Row = msgspec.defstruct(
    "Row", [(name, _TYPES[path], msgspec.field(name=path)) for path, name in ATTRIBUTES.items()], gc=False
)
Meta = msgspec.defstruct("Meta", [("next", int | None)])
Page = msgspec.defstruct(
    "Page", [("rows", list[Row], msgspec.field(name="ia::result")), ("meta", Meta, msgspec.field(name="ia::meta"))]
)
Made = msgspec.defstruct("Made", [("key", str), ("id", str)])
Answer = msgspec.defstruct("Answer", [("made", list[Made], msgspec.field(name="ia::result"))])
_page = msgspec.json.Decoder(Page).decode
_answer = msgspec.json.Decoder(Answer).decode


def sign_in(client: httpx2.Client) -> None:
    who = {"client_id": "demo-client", "client_secret": "demo-secret", "username": "admin@demo"}
    reply = client.post("/oauth2/token", data={"grant_type": "client_credentials", **who}).raise_for_status()
    client.headers["Authorization"] = "Bearer " + reply.json()["access_token"]


def read(base_url: str) -> int:
    """Every bill as a typed row -> how many."""
    asked = {"object": OBJECT, "fields": list(ATTRIBUTES), "orderBy": [{"key": "asc"}], "size": PAGE}
    start: int | None = 1
    rows = 0
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        sign_in(client)
        while start is not None:
            body = msgspec.json.encode(asked | {"start": start})
            with client.stream("POST", "/services/core/query", content=body, headers=_JSON) as reply:
                reply.raise_for_status()
                page = _page(b"".join(reply.iter_bytes()))
            for _ in page.rows:
                rows += 1
            start = page.meta.next
    return rows


def create(base_url: str, bodies: Sequence[dict[str, Any]]) -> int:
    """All vendors, 500 a request -> how many came back with a key."""
    made = 0
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        sign_in(client)
        for at in range(0, len(bodies), BATCH):
            body = msgspec.json.encode(bodies[at : at + BATCH])
            headers = {**_JSON, "Idempotency-Key": uuid.uuid4().hex}
            reply = client.post("/objects/accounts-payable/vendor", content=body, headers=headers).raise_for_status()
            made += len(_answer(reply.content).made)
    return made
