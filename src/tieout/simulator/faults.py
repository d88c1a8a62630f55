"""Faults by rule: which requests go wrong, how often, and in which way. For tests; Sage has no such thing.

Seeded and counted, so that a run can be repeated. It matches and it spoils answers; who waits and who sends is the
business of `traffic` and of the doors.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import msgspec

from tieout.simulator.delivery import Delivery, Loss
from tieout.simulator.http import Response, json_reply, support_id, totals
from tieout.simulator.sighting import Sighting

HTML = (
    b"<html>\n<head><title>%d</title></head>\n<body>\n<h1>The service is temporarily unavailable.</h1>\n"
    b"<p>Please try again later.</p>\n</body>\n</html>\n"
)
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[ \t\x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_CODES = {401: "unauthorized", 403: "forbidden", 404: "notFound", 409: "conflict", 422: "operationFailed"}

Status = Annotated[int, msgspec.Meta(ge=200, le=599)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Place = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule: the requests it meets (all that is given must fit), when it acts, and what it does.

    ValueError for a rule that does nothing."""

    # which requests
    method: str | None = None
    path: str | None = None
    """Glob, on the path behind `/ia/api/v1`: `/objects/*/bill/*`. A star goes over slashes."""
    object: str | None = None
    """Glob, on the object of a path, a query or a model: `accounts-payable/*`."""
    company: str | None = None
    client: str | None = None
    user: str | None = None
    entity: str | None = None
    """Id, from the header or the token; '' for the top level."""
    contains: str | None = None
    """Text that the request's body holds."""

    # when
    nth: Place = 1
    """From which of the requests that fit."""
    times: Place | None = None
    """How often at most."""
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    seed: int = 0
    """Of the dice that `probability` throws."""

    # what
    when: Literal["before", "after"] = "before"
    """Before the work, which is then not done; or after it: the work is done and its answer spoilt or lost. Cut,
    slow and changed answers need an answer, so for those alone the work is always done."""
    delay: Seconds = 0.0
    """Seconds of silence, before or after the work."""
    status: Status | None = None
    headers: dict[str, str] = {}
    body: Any = msgspec.UNSET
    """Text as it is, '' for an empty body; any other JSON value as JSON."""
    content_type: str | None = None
    html: bool = False
    """A maintenance page in HTML; with status 503 unless another is given."""
    connection: Loss | None = None
    cap: Seconds = 60.0
    """For `connection: hang`: seconds until the connection is closed after all."""
    cut: int | None = None
    """Bytes of the body that arrive; below zero: that many are missing."""
    content_length: Count | None = None
    trickle: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Bytes of the body a second."""
    drop_items: Count = 0
    """Entries missing at the end of a batch's answer, though the records were written."""
    fail_items: list[int] = []
    """Positions of entries of a batch's answer, from 0 or from the end (-1), that say `item_status` instead."""
    item_status: Status = 500

    def __post_init__(self) -> None:
        if not (self.answers or self.spoils or self.delay):
            raise ValueError("the fault does nothing: give status, body, connection, delay or another effect")
        for name, value in (*self.headers.items(), ("content-type", self.content_type or "")):
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"{name!r}: {value!r} cannot be a header")

    @property
    def answers(self) -> bool:
        """It has an answer, or the lack of one, of its own."""
        return self.status is not None or self.body is not msgspec.UNSET or self.html or self.connection is not None

    @property
    def spoils(self) -> bool:
        """It changes an answer."""
        return bool(
            self.headers
            or self.content_type is not None
            or self.cut is not None
            or self.content_length is not None
            or self.trickle
            or self.drop_items
            or self.fail_items
        )

    @property
    def instead(self) -> bool:
        """The work is not done."""
        return self.when == "before" and self.answers

    def fits(self, seen: Sighting) -> bool:
        request = seen.request
        return (
            (self.method is None or self.method.upper() == request.method)
            and (self.path is None or fnmatchcase(seen.path, self.path) or fnmatchcase(request.path, self.path))
            and (self.object is None or fnmatchcase(seen.object, self.object))
            and (self.company is None or self.company == seen.company)
            and (self.client is None or self.client == seen.client)
            and (self.user is None or self.user == seen.user)
            and (self.entity is None or self.entity == seen.entity)
            and (self.contains is None or self.contains.encode() in request.body)
        )

    def spoil(self, done: Response | None) -> Response:
        """The answer that the caller gets. `done` is the real one, None where the work was not done."""
        answer = Response(200, {}) if done is None else Response(done.status, dict(done.headers), done.body)
        if self.html:
            status = self.status or 503
            answer = Response(status, {"content-type": "text/html; charset=utf-8"}, HTML % status)
        elif self.body is not msgspec.UNSET:
            answer = Response(self.status or answer.status, {}, _bytes(self.body))
            answer.headers["content-type"] = "application/json"
        elif self.status is not None:
            answer = plain_error(self.status)
        elif self.drop_items or self.fail_items:
            answer = self._batch(answer)
        answer.headers |= {name.lower(): value for name, value in self.headers.items()}
        if self.content_type is not None:
            answer.headers["content-type"] = self.content_type
        if self.connection or self.cut is not None or self.content_length is not None or self.trickle:
            answer.delivery = Delivery(
                loss=self.connection, cap=self.cap, cut=self.cut, length=self.content_length, pace=self.trickle
            )
        return answer

    def _batch(self, answer: Response) -> Response:
        try:
            content = answer.json()
        except msgspec.DecodeError:
            return answer
        entries = content.get("ia::result") if isinstance(content, dict) else None
        if not isinstance(entries, list):
            return answer
        for place in self.fail_items:
            if -len(entries) <= place < len(entries):
                entries[place] = {"ia::error": _error(self.item_status), "ia::status": self.item_status}
        kept = entries[: len(entries) - self.drop_items] if self.drop_items < len(entries) else []
        failed = sum("ia::error" in entry for entry in kept if isinstance(entry, Mapping))
        status = 207 if 0 < failed < len(kept) else answer.status
        meta = content["ia::meta"] if "pageSize" in content.get("ia::meta", {}) else totals(len(kept), failed)
        spoilt = json_reply(status, {"ia::result": kept, "ia::meta": meta})
        spoilt.headers = dict(answer.headers)
        return spoilt


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and what has come of it so far."""

    id: int
    matched: int
    """Requests that fitted."""
    hits: int
    """Requests that were spoilt."""
    fault: Fault


class _Rule:
    def __init__(self, id: int, fault: Fault) -> None:
        self.id, self.fault = id, fault
        self.matched = self.hits = 0
        self.dice = random.Random(fault.seed)  # noqa: S311 - a test wants the same throws again

    def meets(self, seen: Sighting) -> bool:
        fault = self.fault
        if not fault.fits(seen):
            return False
        self.matched += 1
        if self.matched < fault.nth or (fault.times is not None and self.hits >= fault.times):
            return False
        if fault.probability < 1 and self.dice.random() >= fault.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force, oldest first; one request meets one rule at most. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: dict[int, _Rule] = {}
        self._last = 0

    def add(self, fault: Fault) -> int:
        """-> the rule's id."""
        with self._lock:
            self._last += 1
            self._rules[self._last] = _Rule(self._last, fault)
            return self._last

    def remove(self, id: int) -> None:
        """Raises KeyError for a rule that is not there."""
        with self._lock:
            del self._rules[id]

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def standing(self) -> tuple[Standing, ...]:
        with self._lock:
            return tuple(
                Standing(id=rule.id, matched=rule.matched, hits=rule.hits, fault=rule.fault)
                for rule in self._rules.values()
            )

    def meet(self, seen: Sighting) -> tuple[int, Fault] | None:
        """The rule that spoils this request, if any. Every rule before it counts the request if it fits."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules.values():
                if rule.meets(seen):
                    return rule.id, rule.fault
        return None


def plain_error(status: int) -> Response:
    """A status in the normal envelope, without more to say (success: an empty object)."""
    if status in (204, 304):
        return Response(status)
    if status < 400:
        return json_reply(status, {})
    return json_reply(status, {"ia::result": {"ia::error": _error(status)}, "ia::meta": totals(1, 1)})


def _error(status: int) -> dict[str, str]:
    code = _CODES.get(status, "internalError" if status >= 500 else "invalidRequest")
    return {"code": code, "message": f"The request was answered {status} by a fault rule", "supportId": support_id()}


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else msgspec.json.encode(body)
