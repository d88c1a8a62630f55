"""Reads the answer to a batch: every reply shape of REST reference 4.7 becomes one outcome per record sent, by
position, or an error. Knows no request and guesses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tieout.errors import ConflictError, IntacctError, ReplyError, TieoutError
from tieout.rest.batch import Outcome, State
from tieout.rest.call import Reply
from tieout.rest.conflicts import ADVICE
from tieout.rest.failures import find_error, refusal_from
from tieout.rest.rows import load_exact

SKIPPED = "skipped due to atomic"
"""Words of Sage's own sample (REST reference 4.7); asked only of an error that has no code."""
NAMES = ("key", "id", "href", "state")
_ALONE = {*NAMES, "ia::status"}


class Made(msgspec.Struct, gc=False):
    """What an answer calls the records of a batch, all of which Intacct made: a column each, in the order sent."""

    keys: list[str]
    ids: list[str | None]
    hrefs: list[str | None]
    states: list[str | None]


class _One(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    key: str
    id: str | None = None
    href: str | None = None
    state: str | None = None
    status: int | None = msgspec.field(name="ia::status", default=None)


class _Totals(msgspec.Struct, gc=False):
    count: int | None = msgspec.field(name="totalCount", default=None)
    good: int | None = msgspec.field(name="totalSuccess", default=None)
    bad: int | None = msgspec.field(name="totalError", default=None)


class _AllMade(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    result: list[_One] = msgspec.field(name="ia::result")
    meta: _Totals = msgspec.field(name="ia::meta", default_factory=_Totals)


_all_made = msgspec.json.Decoder(_AllMade).decode
NOT_BELIEVED = "Results belong to records by position only, so none of them can be trusted."


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply is read against."""

    request: str
    """`POST /objects/...`, for messages."""
    count: int
    atomic: bool = False
    keys: Sequence[str | None] = ()
    """Update and delete: the key sent at each position. A result that names another record is not believed."""
    deletes: bool = False
    """Successes carry no key (REST reference 4.6)."""
    unanswered: bool = False
    """An earlier try of a delete went unanswered: a record that is not there any more was deleted by it."""


def read_outcomes(reply: Reply, sheet: Sheet) -> list[Outcome]:
    """A batch reply -> one outcome per record sent.

    Raises ReplyError if the number of results, Intacct's own totals or the keys contradict what was sent: then
    nobody can say which result is whose."""
    if sheet.deletes and reply.status < 300 and not reply.body.strip():
        return [_deleted(position, sheet) for position in range(sheet.count)]
    body = load_exact(reply.body)
    result = body.get("ia::result") if isinstance(body, dict) else None
    alone = sheet.count == 1 and isinstance(body, dict) and (isinstance(result, dict) or find_error(body) is not None)
    if alone:
        result = [body if find_error(body) is not None else result]
    if not isinstance(result, list):
        raise ReplyError(f"{sheet.request} was answered without results.", advice="Nothing can be concluded from it.")
    if len(result) != sheet.count:
        raise ReplyError(
            f"{sheet.request} sent {sheet.count} records and got {len(result)} results.", advice=NOT_BELIEVED
        )
    outcomes = [_outcome(position, item, reply.status, sheet) for position, item in enumerate(result)]
    if reply.replayed:
        outcomes = [msgspec.structs.replace(outcome, replayed=True) for outcome in outcomes]
    meta = body.get("ia::meta")
    if isinstance(meta, dict):
        _check_totals(meta, outcomes, sheet, alone=alone)
    if sheet.unanswered:
        outcomes = [_gone(outcome, sheet) for outcome in outcomes]
    return _all_or_nothing(outcomes, sheet) if sheet.atomic else outcomes


def read_made(reply: Reply, count: int) -> Made | None:
    """A reply to a request that makes `count` records and says of each how it is called and nothing else, as most do;
    None for any other: `read_outcomes` then says what it means."""
    if reply.status >= 300:
        return None
    try:
        answer = _all_made(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    made, meta = answer.result, answer.meta
    if len(made) != count or any(one.status is not None and one.status >= 300 for one in made):
        return None
    if (meta.count, meta.good, meta.bad) not in ((None, None, None), (count, count, 0)):
        return None
    return Made(
        [one.key for one in made], [one.id for one in made], [one.href for one in made], [one.state for one in made]
    )


def _outcome(position: int, item: Any, http_status: int, sheet: Sheet) -> Outcome:
    if (plain := _plain(position, item, http_status, sheet)) is not None:
        return plain
    if not isinstance(item, Mapping):
        raise ReplyError(f"{sheet.request}: result {position + 1} is not an object.", advice=NOT_BELIEVED)
    nested = item.get("ia::result")
    inner: Mapping[str, Any] = nested if isinstance(nested, Mapping) else item
    found = find_error(dict(item))
    said = _number(item.get("ia::status", inner.get("ia::status")))
    status = said if said is not None else http_status
    key = _text(inner.get("key"))
    expected = sheet.keys[position] if sheet.keys else None
    if key is not None and expected is not None and key != expected:
        raise ReplyError(f"{sheet.request}: result {position + 1} names another record.", advice=NOT_BELIEVED)
    if found is not None or status >= 300:
        return _refused(position, found or {}, status if status >= 400 else 422, key or expected, sheet)
    if sheet.deletes:
        return _deleted(position, sheet)
    if key is None:
        raise ReplyError(f"{sheet.request}: result {position + 1} has neither a key nor an error.", advice=NOT_BELIEVED)
    return Outcome(
        position=position,
        state="posted",
        key=key,
        id=_text(inner.get("id")),
        href=_text(inner.get("href")),
        sage_state=_text(inner.get("state")),
        more=more_of(inner),
    )


def _plain(position: int, item: Any, http_status: int, sheet: Sheet) -> Outcome | None:
    """The outcome of a result that names its record and holds nothing else, as most do; None for any other."""
    if type(item) is not dict or not item.keys() <= _ALONE or sheet.deletes:
        return None
    key, status = item.get("key"), item.get("ia::status", http_status)
    if type(key) is not str or type(status) is not int or status >= 300:
        return None
    if sheet.keys and sheet.keys[position] not in (None, key):
        return None
    id, href, state = _text(item.get("id")), _text(item.get("href")), _text(item.get("state"))
    return Outcome(position=position, state="posted", key=key, id=id, href=href, sage_state=state)


def more_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer holds beside the names and the state."""
    return {name: value for name, value in result.items() if name not in NAMES and not name.startswith("ia::")}


def _refused(position: int, found: Mapping[str, Any], status: int, key: str | None, sheet: Sheet) -> Outcome:
    error: IntacctError = refusal_from(found, status, sheet.request).error
    if isinstance(error, ConflictError):
        # An idempotency key stands for the whole request, so what one record is in conflict with is another record.
        error.meaning, error.advice = "duplicate", ADVICE["duplicate"]
    wordless = not error.code and not error.error_id and SKIPPED in error.message.lower()
    state: State = "unprocessed" if error.code == "unprocessed" or wordless or status == 429 else "failed"
    if status >= 500:
        state = "unknown"  # Intacct broke off at this record: it may hold it
    return Outcome(position=position, state=state, key=key, error=error)


def _deleted(position: int, sheet: Sheet) -> Outcome:
    return Outcome(position=position, state="posted", key=sheet.keys[position] if sheet.keys else None)


def _gone(outcome: Outcome, sheet: Sheet) -> Outcome:
    if isinstance(outcome.error, IntacctError) and outcome.error.status == 404:
        return _deleted(outcome.position, sheet)
    return outcome


def _check_totals(meta: Mapping[str, Any], outcomes: Sequence[Outcome], sheet: Sheet, *, alone: bool) -> None:
    """Intacct's own totals, which may be numbers or text, must not contradict its items. A record skipped in an
    atomic batch may count as an error or not at all, one that broke off as either."""
    count, good, bad = (_number(meta.get(f"total{name}")) for name in ("Count", "Success", "Error"))
    if alone and count != 1:
        return  # samples of single answers print totals of three (REST reference 4.8): nothing to learn from
    posted = sum(outcome.state == "posted" for outcome in outcomes)
    skipped = sum(outcome.state == "unprocessed" for outcome in outcomes)
    broken = sum(outcome.state == "unknown" for outcome in outcomes)
    errors = len(outcomes) - posted
    if count not in (None, len(outcomes)):
        raise _contradiction(sheet, f"counts {count} records and shows {len(outcomes)}")
    if good is not None and not posted <= good <= posted + broken:
        raise _contradiction(sheet, f"counts {good} successes and shows {posted}")
    if bad is not None and not errors - skipped - broken <= bad <= errors:
        raise _contradiction(sheet, f"counts {bad} errors and shows {errors}")


def _contradiction(sheet: Sheet, what: str) -> ReplyError:
    return ReplyError(f"{sheet.request}: Intacct {what}.", advice="None of its results can be trusted.")


def _all_or_nothing(outcomes: list[Outcome], sheet: Sheet) -> list[Outcome]:
    """In an atomic batch nothing is posted beside a failure: where Intacct shows both, nobody can tell whether it
    took the record back or did not know the batch was atomic."""
    if all(outcome.state == "posted" for outcome in outcomes):
        return outcomes
    doubt: TieoutError = ReplyError(
        f"{sheet.request} was atomic, yet Intacct shows this record as posted beside one that was not.",
        advice="Look in Intacct whether it holds the record.",
    )
    return [
        msgspec.structs.replace(outcome, state="unknown", error=doubt) if outcome.state == "posted" else outcome
        for outcome in outcomes
    ]


def _number(value: Any) -> int | None:
    """Totals come as numbers and as text (REST reference 9.1)."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
