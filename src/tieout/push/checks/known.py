"""Which records a company has, asked in bulk: by id or by key, from the top level, in as few queries as will do.

Knows one company's objects and what was asked before. Decides nothing about documents.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from tieout.errors import (
    ConfigurationError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
    ServerError,
)

if TYPE_CHECKING:
    from tieout.rest import Intacct

By: TypeAlias = Literal["id", "key"]
LOCATION = "company-config/location"
VALUES_A_QUERY = 350
"""Ids in one `$in`: the limit is not documented, and a request of this size is small."""
ONE_PAGE = 4_000
"""Rows that one request gives at most (REST reference 5.1)."""
REMEMBERED = 50_000
"""Answers that are kept for one object; beyond, all are forgotten and asked for again."""
_MOST_HINTS = 200
"""Nearest ids that are looked for in one object; each costs a comparison with every id."""
_MOST_SEARCHES = 5
"""Queries that look for a nearest id, in an object too large to be read whole."""
_DEEPEST = 20
"""Locations above a location; more is a circle."""
CANNOT_TELL = (
    ForbiddenError,
    RefusedError,
    NotFoundError,
    InvalidRequestError,
    ServerError,
    ConfigurationError,
)
"""What a query answers where this user may not read the object, or where there is no such thing to query."""


class Found(NamedTuple):
    """A record as a check needs it. What its object does not have is ""."""

    key: str
    id: str
    status: str
    entity: str
    """The entity that it is private to; "" where it is shared. A location's: the one it lies in."""
    parent: str = ""
    kind: str = ""
    """A location's: `entity`, `elimination` or `location` (REST reference 9.4)."""


class _Unreadable(Exception):
    """This object says nothing to this user."""


class Known:
    """The records of one object that a run has heard of.

    `why_not` says why nothing can be told about them; "" as long as something can."""

    def __init__(self, client: Intacct, object: str, *, fallback: Intacct | None = None) -> None:
        """`client` sees all entities that its user may; `fallback` is asked where it is let see nothing."""
        self._client, self._fallback = client, fallback
        self.object = object
        self.why_not = ""
        self._fields: tuple[str, ...] = ()
        self._answers: dict[By, dict[str, tuple[Found, ...]]] = {"id": {}, "key": {}}
        self._sample: list[Found] | None = None
        self._is_whole = False
        self._hints: dict[str, str] = {}
        self._searches = 0
        self._lock, self._turn = threading.Lock(), threading.Lock()
        """Held while it is found out how to ask, and while all there are is read; else questions run beside each
        other."""

    def questions(self, by: By, values: Iterable[str]) -> list[Callable[[], None]]:
        """What must be asked of Intacct before `ask` can tell of these values, as far as that can be said by now: each
        may be asked beside the others, and when all have been, there may be more. Empty where nothing is left."""
        if self.why_not:
            return []
        kept, wanted = self._answers[by], list(dict.fromkeys(values))
        left = self._left(by, wanted)
        if not left or self._is_whole:
            return []
        if self._wants_sample(left):
            return [lambda: self._try(self._read_sample)]
        if len(kept) > REMEMBERED:
            self._answers[by] = {value: kept[value] for value in wanted if value in kept}
        return [lambda part=part: self._try(lambda: self._look(by, part)) for part in _parts(left)]  # type: ignore[misc]

    def _try(self, question: Callable[[], object]) -> None:
        try:
            question()
        except _Unreadable as error:
            self.why_not = str(error)

    def ask(self, by: By, values: Iterable[str], *, expected: bool = True) -> dict[str, tuple[Found, ...]] | None:
        """The records with these ids or keys; () for a value that no record has, None where that cannot be told.

        Where they are `expected` to be there and Intacct shows none of the object at all, nothing can be told.
        Raises what any object would meet: NotAuthorisedError, UnreachableError, ThrottledError, BudgetError."""
        if self.why_not:
            return None
        try:
            answers = self._ask(by, list(dict.fromkeys(values)))
            if expected and any(not records for records in answers.values()) and not self._read_sample():
                raise _Unreadable("Intacct shows this user none")  # a company without any tells it as well itself
        except _Unreadable as error:
            self.why_not = str(error)
            return None
        return answers

    def _ask(self, by: By, values: list[str]) -> dict[str, tuple[Found, ...]]:
        left = self._left(by, values)
        if self._wants_sample(left):
            self._read_sample()
        if self._is_whole:
            return {value: self._in_sample(by, value) for value in values}
        kept = self._answers[by]
        answers = {value: kept[value] for value in values if value in kept}
        if left and len(kept) > REMEMBERED:
            kept.clear()
        for part in _parts(left):
            answers.update(self._look(by, part))
        return answers

    def _left(self, by: By, values: Sequence[str]) -> list[str]:
        """Those that were not asked for yet."""
        kept = self._answers[by]
        return [value for value in values if value not in kept]

    def _wants_sample(self, left: Sequence[str]) -> bool:
        """Whether one request for up to 4,000 records costs less than several for 350 each."""
        return len(left) > VALUES_A_QUERY and self._sample is None

    def _look(self, by: By, part: list[str]) -> dict[str, tuple[Found, ...]]:
        """Ask for these values, at most 350, and remember the answers."""
        found: dict[str, list[Found]] = {value: [] for value in part}
        for record in self._query((by, part)):
            same = found.get(getattr(record, by))
            if same is not None:
                same.append(record)
        answers = {value: tuple(records) for value, records in found.items()}
        self._answers[by].update(answers)
        return answers

    def _in_sample(self, by: By, value: str) -> tuple[Found, ...]:
        return self._answers[by].get(value, ())

    def _read_sample(self) -> bool:
        """Read the first page of all there are -> whether there is any."""
        with self._turn:
            if self._sample is None:
                sample = list(self._query(None, limit=ONE_PAGE))
                self._is_whole = len(sample) < ONE_PAGE
                if self._is_whole:
                    self._answers = _by_both(sample)
                self._sample = sample
        return bool(self._sample)

    def nearest(self, value: str) -> str:
        """The id that a wrong one may mean, or "". At most one query, for a small object none."""
        if value not in self._hints:
            if len(self._hints) >= _MOST_HINTS or self.why_not:
                return ""
            try:
                self._hints[value] = _nearest(value, self._candidates(value))
            except _Unreadable:
                self._hints[value] = ""
        return self._hints[value]

    def _candidates(self, value: str) -> list[str]:
        self._read_sample()
        if self._is_whole:
            return [record.id for record in self._sample or ()]
        if self._searches >= _MOST_SEARCHES or len(value) < 2:
            return []
        self._searches += 1
        beginning = value[: max(2, len(value) // 2)]
        return [record.id for record in self._query(None, limit=500, beginning=beginning)]

    # Asking --------------------------------------------------------------------------------------------------------

    def _query(
        self, values: tuple[By, list[str]] | None, *, limit: int | None = None, beginning: str = ""
    ) -> Iterator[Found]:
        client = self._client
        try:
            yield from self._rows(client, values, limit, beginning)
        except CANNOT_TELL as error:
            with self._lock:
                if client is self._client:  # else another question has turned to the other one
                    if self._fallback is None:
                        raise _Unreadable(getattr(error, "message", str(error)).rstrip(".")) from None
                    self._client, self._fallback, self._fields = self._fallback, None, ()
            yield from self._query(values, limit=limit, beginning=beginning)

    def _rows(
        self, client: Intacct, values: tuple[By, list[str]] | None, limit: int | None, beginning: str
    ) -> Iterator[Found]:
        from tieout.rest import F

        with self._lock:
            fields = self._fields = self._fields or self._wanted(client)
        if values is not None and values[0] not in fields:
            raise _Unreadable(f"it has no {values[0]} that can be asked for")
        where = (
            F(values[0]).in_(values[1]) if values is not None else F("id").startswith(beginning) if beginning else None
        )
        rows = client.query(
            self.object,
            fields,
            where,
            private=client.entity is None,
            case_sensitive=not beginning,
            page_size=ONE_PAGE,
            limit=limit,
        )
        for row in rows:
            yield Found(*(_text(row[path]) if path in fields else "" for path in _PATHS))

    def _wanted(self, client: Intacct) -> tuple[str, ...]:
        paths = client.model(self.object).paths()
        wanted = [path for path in _PATHS if path in paths and not paths[path].write_only]
        return tuple(path for path in wanted if self.object == LOCATION or path not in _PATHS[4:])


_PATHS = ("key", "id", "status", "entity.id", "parent.id", "locationType")
"""In the order of Found."""


class Places:
    """Which entity each location belongs to."""

    def __init__(self, known: Known, entities: Mapping[str, Any]) -> None:
        """`entities` are those of the company that are known, by id."""
        self._known, self._entities = known, entities
        self._of: dict[str, str] = {}

    def entity_of(self, location: Found) -> str:
        """The entity that a location is or lies in, by its `entity`, else by the locations above it (REST reference
        9.3, 9.5); "" for one of the top level."""
        if location.id not in self._of:
            self._of[location.id] = self._climb(location)
        return self._of[location.id]

    def _climb(self, location: Found) -> str:
        at = location
        for _ in range(_DEEPEST):
            if at.kind == "entity" or at.id in self._entities:
                return at.id
            if at.entity:
                return at.entity
            if not at.parent:
                return ""
            above = self._known.ask("id", [at.parent])
            records = (above or {}).get(at.parent, ())
            if not records:
                return at.parent if at.parent in self._entities else ""
            at = records[0]
        return ""


class Company:
    """What is asked of one company: each object once, from the top level, and in an entity where it matters."""

    def __init__(self, known: Callable[[str, str], Known], entities: Mapping[str, Any]) -> None:
        """`known` makes what asks for an object: from the top level for "", else in an entity."""
        self._make = known
        self._known: dict[tuple[str, str], Known] = {}
        self.entities = entities
        self.places = Places(self.known(LOCATION), entities)

    def known(self, object: str, entity: str = "") -> Known:
        which = (object, entity)
        if which not in self._known:
            self._known[which] = self._make(object, entity)
        return self._known[which]

    def unreadable(self) -> dict[str, str]:
        """The objects that say nothing to this user, and why."""
        return {
            object: known.why_not for (object, entity), known in self._known.items() if known.why_not and not entity
        }


def _nearest(value: str, ids: Iterable[str]) -> str:
    """The id spelt most like a value; one that differs in case only before all others."""
    by_case: dict[str, str] = {}
    for each in ids:
        by_case.setdefault(each.casefold(), each)
    wanted = value.strip().casefold()
    if wanted in by_case:
        return by_case[wanted]
    near = get_close_matches(wanted, by_case, n=1, cutoff=0.6)
    return by_case[near[0]] if near else ""


def _by_both(records: Iterable[Found]) -> dict[By, dict[str, tuple[Found, ...]]]:
    """Records by their ids and by their keys."""
    found: dict[By, dict[str, tuple[Found, ...]]] = {"id": {}, "key": {}}
    for record in records:
        for by, same in found.items():
            value = getattr(record, by)
            same[value] = (*same.get(value, ()), record)
    return found


def _parts(values: list[str]) -> Iterator[list[str]]:
    """In pieces that one query takes."""
    for start in range(0, len(values), VALUES_A_QUERY):
        yield values[start : start + VALUES_A_QUERY]


def _text(value: object) -> str:
    return "" if value is None else str(value)
