"""Finds records in Intacct by what a source knows of them: for their keys, and to see what became of a lost request.

Reads only. Which record an id means in the ledger is not its business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from tieout import catalogue
from tieout.errors import (
    CheckError,
    ConfigurationError,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    UnknownNameError,
)
from tieout.push.dispatch.names import kept
from tieout.push.dispatch.requests import object_of
from tieout.rest.outcomes import NAMES
from tieout.store.ledger import Batch, Result

if TYPE_CHECKING:
    from tieout.push.dispatch.sending import Request
    from tieout.rest import Intacct, Row

VALUES_A_QUERY = 200
QUIET = timedelta(minutes=15)
"""How long after a request was sent "it is not there" means that it never will be: Intacct may still be working on a
request whose connection broke. Our choice: the longest wait for one request is 60 seconds, and Sage names no limit."""
SKEW = timedelta(minutes=5)
"""How far our clock may be from Intacct's: a record made longer before the request was sent is not the request's."""
CREATED = "audit.createdDateTime"
UNREADABLE = (
    CheckError,
    ConfigurationError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    UnknownNameError,
)
"""Errors that say: of this object nobody can tell. Others are the connection's, and are raised."""


def value_at(body: Mapping[str, Any], path: str) -> str:
    """The text at a path of a body; "" where there is none."""
    here: Any = body
    for name in path.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    return "" if here is None or isinstance(here, dict | list) else str(here).strip()


def values_of(body: Mapping[str, Any], paths: Sequence[str]) -> tuple[str, ...]:
    """The texts at some paths; () where one is blank."""
    found = tuple(value_at(body, path) for path in paths)
    return found if found and all(found) else ()


def find(
    client: Intacct, object: str, paths: Sequence[str], wanted: Iterable[tuple[str, ...]], more: Sequence[str] = ()
) -> dict[tuple[str, ...], list[Row]]:
    """Records by the values of some fields, compared to the letter -> for each wanted tuple the rows that have it, with
    the fields `key`, `paths` and `more`.

    One query for up to 200 values, to its last page, entity-private records included, in the client's entity (REST
    reference 5). Raises what the client raises."""
    from tieout.rest import F

    found: dict[tuple[str, ...], list[Row]] = {values: [] for values in wanted}
    ordered = list(found)
    fields = list(dict.fromkeys(("key", *paths, *more)))
    for start in range(0, len(ordered), VALUES_A_QUERY):
        part = ordered[start : start + VALUES_A_QUERY]
        where = None
        for position, path in enumerate(paths):
            one = F(path).in_(list(dict.fromkeys(values[position] for values in part)))
            where = one if where is None else where & one
        for row in client.query(object, fields, where, private=True, case_sensitive=True, page_size=4000):
            same = found.get(tuple("" if row[path] is None else str(row[path]).strip() for path in paths))
            if same is not None:
                same.append(row)
    return found


class Lookback:
    """Sees in Intacct what became of a request that asking again cannot settle. A `LookUp` of the sender.

    `identify` are the fields that tell a record of the push from every other. What it takes for not carried out is
    `failed`, never sent again by itself: somebody decides (`tieout retry`)."""

    def __init__(self, identify: Sequence[str]) -> None:
        self._identify = tuple(identify)

    def __call__(self, request: Request, positions: Sequence[int]) -> Mapping[int, Result]:
        batch = request.batch
        try:
            if batch.method == "DELETE":
                return self._deleted(request, positions)
            if batch.method == "PATCH":
                return self._changed(request, positions)
            if not object_of(batch):
                return self._moved(request, positions)
            return self._created(request, positions)
        except UNREADABLE:
            return {}

    def _created(self, request: Request, positions: Sequence[int]) -> dict[int, Result]:
        batch, client = request.batch, request.desk.client
        object = object_of(batch)
        paths = self._identify if object == batch.object else ("id",)
        known = client.model(object).paths()
        if not paths or CREATED not in known or any(path not in known for path in paths):
            return {}  # nothing tells the request's record from one that was there before
        bodies = msgspec.json.decode(batch.body)
        wanted = {position: values for position in positions if (values := values_of(bodies[position], paths))}
        more = [name for name in ("id", "state", CREATED) if name in known]
        found = find(client, object, paths, wanted.values(), more)
        taken = request.desk.ledger.taken([str(row["key"]) for rows in found.values() for row in rows])
        rivals = Counter(wanted.values())
        results: dict[int, Result] = {}
        for position, values in wanted.items():
            mine = [row for row in found[values] if _made_since(row, batch) and str(row["key"]) not in taken]
            words = " and ".join(f"{path} {value!r}" for path, value in zip(paths, values, strict=True))
            if len(mine) == 1 and rivals[values] == 1:  # of several that say the same nobody can tell whose it is
                row = mine[0]
                results[position] = Result(
                    position=position,
                    state="posted",
                    sage_key=str(row["key"]),
                    sage_id=kept("id", str(row["id"])) if "id" in known and row["id"] is not None else None,
                    sage_state=str(row["state"]) if "state" in known and row["state"] is not None else None,
                )
            elif not mine and _is_quiet(batch):
                there = "the one that has it is older" if found[values] else "there is none with it"
                results[position] = _not_done(position, f"no answer came, and of records with {words} {there}")
        return results

    def _deleted(self, request: Request, positions: Sequence[int]) -> dict[int, Result]:
        results: dict[int, Result] = {}
        for position, answer in self._read(request, positions, request.batch.keys).items():
            if isinstance(answer, NotFoundError):
                key = request.batch.keys[position]
                results[position] = Result(position=position, state="posted", sage_key=key)
            elif not isinstance(answer, IntacctError) and _is_quiet(request.batch):
                results[position] = _not_done(position, "no answer came, and the record is still there")
        return results

    def _changed(self, request: Request, positions: Sequence[int]) -> dict[int, Result]:
        """A change is there where every field that was sent has its value. Lines that were added cannot be told."""
        bodies = msgspec.json.decode(request.batch.body, type=list[dict[str, Any]])
        plain = [p for p in positions if not any(isinstance(value, list) for value in bodies[p].values())]
        results: dict[int, Result] = {}
        for position, answer in self._read(request, plain, request.batch.keys).items():
            if isinstance(answer, IntacctError):
                continue
            if holds_all(answer, bodies[position]):
                results[position] = _done(position, answer)
            elif _is_quiet(request.batch):
                results[position] = _not_done(position, "no answer came, and Intacct has other values than were sent")
        return results

    def _moved(self, request: Request, positions: Sequence[int]) -> dict[int, Result]:
        batch = request.batch
        object, _, action = batch.path.removeprefix("/workflows/").rpartition("/")
        known = catalogue.actions(batch.object).get(action)
        if known is None or not known.states or batch.object.partition("::")[0] != object:
            return {}
        bodies = msgspec.json.decode(batch.body, type=list[dict[str, Any]])
        results: dict[int, Result] = {}
        for position, answer in self._read(request, positions, [body["key"] for body in bodies]).items():
            if isinstance(answer, IntacctError):
                continue
            state = str(answer.get("state") or "")
            if state in known.states:
                results[position] = _done(position, answer)
            elif _is_quiet(batch):
                results[position] = _not_done(position, f"no answer came to {action}, and its state is {state}")
        return results

    def _read(self, request: Request, positions: Sequence[int], keys: Sequence[str | None]) -> dict[int, Any]:
        asked = [(position, key) for position in positions if (key := keys[position])]
        answers = request.desk.client.get_many(request.batch.object, [key for _, key in asked])
        return {position: answer for (position, _), answer in zip(asked, answers, strict=True)}


def holds_all(record: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a record holds every value that was sent; amounts are compared as numbers."""
    for name, value in sent.items():
        there = record.get(name)
        if isinstance(value, Mapping):
            if not isinstance(there, Mapping) or not holds_all(there, value):
                return False
        elif not same(value, there):
            return False
    return True


def same(mine: Any, theirs: Any) -> bool:
    """Whether two values mean the same: `10` and `"10.00"` do, and nothing and a blank."""
    if mine in (None, "") or theirs in (None, ""):
        return mine in (None, "") and theirs in (None, "")
    if isinstance(mine, bool) or isinstance(theirs, bool):
        return str(mine).lower() == str(theirs).lower()
    if str(mine) == str(theirs):
        return True
    try:
        return Decimal(str(mine)) == Decimal(str(theirs))
    except InvalidOperation:
        return False


def _made_since(row: Row, batch: Batch) -> bool:
    created = row[CREATED]
    if not isinstance(created, datetime):
        return False
    moment = created if created.tzinfo is not None else created.replace(tzinfo=UTC)
    return moment >= datetime.fromisoformat(batch.created_at) - SKEW


def _is_quiet(batch: Batch) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(batch.created_at) >= QUIET


def _done(position: int, record: Mapping[str, Any]) -> Result:
    text = {name: None if record.get(name) is None else kept(name, str(record[name])) for name in NAMES}
    return Result(
        position=position,
        state="posted",
        sage_key=text["key"],
        sage_id=text["id"],
        href=text["href"],
        sage_state=text["state"],
    )


def _not_done(position: int, reason: str) -> Result:
    advice = "Look in Intacct; `tieout retry` sends it again."
    return Result(position=position, state="failed", error={"reason": reason, "advice": advice})
