"""Reports that Intacct makes: submitted, waited for, downloaded (REST reference 7.8).

A report changes nothing, so that a request without an answer is repeated: at worst one report more is made. Knows no
report's content.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tieout.errors import InvalidRequestError, ReplyError, UnreachableError
from tieout.rest.call import Call, Repeat, Reply
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange, Sleep
from tieout.rest.operations import encode
from tieout.rest.perform import perform
from tieout.rest.rows import load_exact, not_understood

WAIT = 30.0
"""Seconds between two questions where Intacct does not say."""
LONGEST = 900.0
"""Seconds that a report is waited for."""
DOWNLOAD = "/services/reports/download"
_ENDED = ("failed", "canceled")


class _Told(msgspec.Struct, frozen=True):
    """What one answer says."""

    id: str
    status: str
    download: str
    words: str
    error_id: str
    wait: float


def report(
    desk: Desk, service: str, parameters: Mapping[str, Any], *, name: str = "", longest: float = LONGEST
) -> Exchange[str]:
    """Run a report (`general-ledger/trial-balance`) -> its CSV text. Waits as long as Intacct says between questions.

    Raises InvalidRequestError where the report failed, UnreachableError where it is not ready in time, ReplyError."""
    body = {"reportName": name or service, "outputType": "csv", "outputLocation": "intacct", "parameters": parameters}
    told = yield from perform(desk.session, _submit(service, body))
    waited = 0.0
    asked = {"reportId": told.id, "outputType": "csv", "outputLocation": "intacct"}
    while not told.download:
        if told.status in _ENDED:
            raise InvalidRequestError(
                f"Intacct ended the report {service} as {told.status}{told.words}.",
                status=200,
                error_id=told.error_id,
                advice="Widen its dates or filters, or look into its parameters.",
            )
        if waited > longest:
            raise UnreachableError(
                f"Intacct has not finished the report {service} in {longest:,.0f} seconds.", advice="Try again later."
            )
        yield Sleep(told.wait)
        waited += max(told.wait, 1.0)
        told = yield from perform(desk.session, _status(asked))
    return (yield from perform(desk.session, _download(told.download)))


def _submit(service: str, body: Mapping[str, Any]) -> Call[_Told]:
    path = f"/services/reports/{service}"
    return Call(method="POST", path=path, parse=_told, repeat=Repeat.FREE, body=encode(body))


def _status(asked: Mapping[str, str]) -> Call[_Told]:
    return Call(
        method="GET",
        path="/services/reports/status",
        query=tuple(asked.items()),
        parse=_told,
        repeat=Repeat.FREE,
        see_other=True,
        transactions=0,
    )


def _download(url: str) -> Call[str]:
    """The file, from this company's own API only: a bearer token goes to no other host."""
    parts = urlsplit(url)
    if not parts.path.endswith(DOWNLOAD):
        raise ReplyError(
            "Intacct named a place for the report that is not its report service.",
            advice="Nothing was fetched from there. Report it with the request's time.",
        )
    query = tuple(parse_qsl(parts.query))
    return Call(
        method="GET",
        path=DOWNLOAD,
        query=query,
        parse=lambda reply: reply.body.decode("utf-8-sig"),
        repeat=Repeat.FREE,
        headers={"Accept": "*/*"},
        transactions=0,
    )


def _told(reply: Reply) -> _Told:
    try:
        result = load_exact(reply.body)["ia::result"]
        id, status = str(result["reportId"]), str(result["status"])
    except (ValueError, KeyError, TypeError, msgspec.DecodeError):
        raise not_understood("a report") from None
    download = str(result.get("downloadURL") or "") if status == "completed" else ""
    if status == "completed" and not download:
        raise not_understood("a report")
    words = f": {result['message']}" if result.get("message") else ""
    return _Told(id, status, download, words, str(result.get("errorId") or ""), _wait(reply))


def _wait(reply: Reply) -> float:
    try:
        return min(max(float(reply.headers.get("retry-after", "")), 0.0), LONGEST)
    except ValueError:
        return WAIT
