"""Reports that Intacct makes: submitted, waited for, downloaded (REST reference 7.8).

A report changes nothing, so that a request without an answer is repeated: at worst one report more is made. Knows no
report's content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tieout.errors import InvalidRequestError, ReplyError, UnreachableError
from tieout.rest.call import Call, Repeat, Reply
from tieout.rest.desk import Desk
from tieout.rest.effects import All, Exchange, Sleep
from tieout.rest.operations import encode
from tieout.rest.perform import perform
from tieout.rest.rows import load_exact, not_understood

T = TypeVar("T")

WAIT = 30.0
"""Seconds between two questions where Intacct does not say."""
LONGEST = 900.0
"""Seconds that a report is waited for."""
AT_ONCE = 4
"""Reports under way at once: few, since it is not documented whether they are counted among the offline processes of
which a company's tier has one to four (REST reference 8.6)."""
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

    @property
    def ended(self) -> bool:
        return bool(self.download) or self.status in _ENDED


def report(
    desk: Desk, service: str, parameters: Mapping[str, Any], *, name: str = "", longest: float = LONGEST
) -> Exchange[str]:
    """Run a report (`general-ledger/trial-balance`) -> its CSV text. Waits as long as Intacct says between questions.

    Raises InvalidRequestError where the report failed, UnreachableError where it is not ready in time, ReplyError."""
    (found,) = yield from reports(desk, service, [parameters], name=name, longest=longest)
    if isinstance(found, InvalidRequestError):
        raise found
    return found


def reports(
    desk: Desk, service: str, several: Sequence[Mapping[str, Any]], *, name: str = "", longest: float = LONGEST
) -> Exchange[list[str | InvalidRequestError]]:
    """Run a report once for each of some parameters -> the CSV texts in that order, or why Intacct did not make one.
    A few are under way at once, `longest` seconds for each few.

    Raises UnreachableError where they are not ready in time, ReplyError."""
    found: list[str | InvalidRequestError] = []
    for at in range(0, len(several), AT_ONCE):
        found += yield from _together(desk, service, several[at : at + AT_ONCE], name or service, longest)
    return found


def _together(
    desk: Desk, service: str, several: Sequence[Mapping[str, Any]], name: str, longest: float
) -> Exchange[list[str | InvalidRequestError]]:
    """All submitted, then asked after by turns, so that only the caller's own thread ever sleeps."""
    bodies = [{"reportName": name, "outputType": "csv", "outputLocation": "intacct", "parameters": p} for p in several]
    told: list[_Told | InvalidRequestError]
    told = yield All([_or_refusal(perform(desk.session, _submit(service, body))) for body in bodies])
    waited = 0.0
    while under_way := [(at, one) for at, one in enumerate(told) if isinstance(one, _Told) and not one.ended]:
        if waited > longest:
            raise UnreachableError(
                f"Intacct has not finished the report {service} in {longest:,.0f} seconds.", advice="Try again later."
            )
        wait = max(one.wait for _, one in under_way)
        yield Sleep(wait)
        waited += max(wait, 1.0)
        again = yield All([perform(desk.session, _status(one.id)) for _, one in under_way])
        for (at, _), one in zip(under_way, again, strict=True):
            told[at] = one
    made: list[str | InvalidRequestError] = yield All([_text(desk, service, one) for one in told])
    return made


def _or_refusal(exchange: Exchange[T]) -> Exchange[T | InvalidRequestError]:
    try:
        return (yield from exchange)
    except InvalidRequestError as error:
        return error


def _text(desk: Desk, service: str, told: _Told | InvalidRequestError) -> Exchange[str | InvalidRequestError]:
    if isinstance(told, InvalidRequestError):
        return told
    if told.download:
        return (yield from perform(desk.session, _download(told.download)))
    return InvalidRequestError(
        f"Intacct ended the report {service} as {told.status}{told.words}.",
        status=200,
        error_id=told.error_id,
        advice="Widen its dates or filters, or look into its parameters.",
    )


def _submit(service: str, body: Mapping[str, Any]) -> Call[_Told]:
    path = f"/services/reports/{service}"
    return Call(method="POST", path=path, parse=_told, repeat=Repeat.FREE, body=encode(body))


def _status(id: str) -> Call[_Told]:
    return Call(
        method="GET",
        path="/services/reports/status",
        query=(("reportId", id), ("outputType", "csv"), ("outputLocation", "intacct")),
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
