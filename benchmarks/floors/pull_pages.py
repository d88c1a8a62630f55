"""Reading for the floors of `tieout pull`: a token, ordered pages, rows as structs of what JSON has.

No retries, no lines, no check against the model, no fallback for a value that does not fit. Knows no database, and
nothing of tieout.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import msgspec

OBJECT = "accounts-payable/bill"
PAGE = 4000
OVERLAP = datetime.timedelta(minutes=5)
"""How far the next read reaches back behind the server's clock, for rows that were committed late."""

COLUMNS = {
    "key": "text",
    "id": "text",
    "billNumber": "text",
    "referenceNumber": "text",
    "description": "text",
    "postingDate": "date",
    "dueDate": "date",
    "paymentPriority": "text",
    "isOnHold": "flag",
    "isTaxInclusive": "flag",
    "state": "text",
    "totalBaseAmount": "money",
    "totalBaseAmountDue": "money",
    "totalTxnAmount": "money",
    "totalTxnAmountDue": "money",
    "dueInDays": "integer",
    "currency.txnCurrency": "text",
    "audit.modifiedDateTime": "stamp",
    "vendor.id": "text",
    "entity.id": "text",
}
"""Queried path -> what it holds. Money, dates and stamps are texts on the wire."""
NAMES = [path.replace(".", "__") for path in COLUMNS]
OTHERS = [name for name in NAMES if name != "key"]

_PYTHON = {"flag": bool | None, "integer": int | None}
Row = msgspec.defstruct(
    "Row",
    [
        (name, _PYTHON.get(kind, str | None), msgspec.field(name=path))
        for name, (path, kind) in zip(NAMES, COLUMNS.items(), strict=True)
    ],
    gc=False,
)
Meta = msgspec.defstruct("Meta", [("next", int | None)])
Answer = msgspec.defstruct(
    "Answer",
    [("rows", list[Row], msgspec.field(name="ia::result")), ("meta", Meta, msgspec.field(name="ia::meta"))],
)
_decode = msgspec.json.Decoder(Answer).decode
values: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple
"""A row, in the order of `NAMES`."""


class OvertakenError(RuntimeError):
    """Another run has moved the cursor."""


def sign_in(client: httpx2.Client) -> str:
    """Fetch a token for all further requests. -> the watermark of a read that begins now, by the server's clock."""
    who = {"client_id": "demo-client", "client_secret": "demo-secret", "username": "admin@demo"}
    reply = client.post("/oauth2/token", data={"grant_type": "client_credentials", **who}).raise_for_status()
    client.headers["Authorization"] = "Bearer " + reply.json()["access_token"]
    now = parsedate_to_datetime(reply.headers["Date"])
    return (now - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")


def pages(client: httpx2.Client, since: str | None) -> Iterator[list[Any]]:
    """The rows of every page in key order: all of them, or those changed since a watermark."""
    asked = {"object": OBJECT, "fields": list(COLUMNS), "orderBy": [{"key": "asc"}], "size": PAGE}
    if since is not None:
        asked["filters"] = [{"$gte": {"audit.modifiedDateTime": since}}]
    start: int | None = 1
    while start is not None:
        body = msgspec.json.encode(asked | {"start": start})
        with client.stream(
            "POST", "/services/core/query", content=body, headers={"Content-Type": "application/json"}
        ) as reply:
            reply.raise_for_status()
            answer = _decode(b"".join(reply.iter_bytes()))
        yield answer.rows
        start = answer.meta.next
