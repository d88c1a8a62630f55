"""Rows as they mostly are: each makes a document by itself, and its cells go straight into fields of the header.

Gives what `documents.Assembly` would make of such rows, many at once and column by column, in a fraction of the time,
or says that it does not know: of every row that needs judgement or has something wrong with it. So there is one set of
rules, and messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tieout.push.fields.mapping import FieldMapping
from tieout.push.fields.straight import Straight, all_straight
from tieout.push.fields.values import Wire
from tieout.push.sources import SourceRow

if TYPE_CHECKING:
    from tieout.rest.required import Rule

_encode = msgspec.json.Encoder(decimal_format="number").encode
"""As `documents.ENCODER`: the members of these bodies stand in their order already."""


class _Way(NamedTuple):
    """One field of such a document."""

    path: str
    column: str
    straight: Straight
    strips: bool
    fixed: Wire
    """What a blank cell means."""
    outer: str
    """The group or reference that it stands in; "" for none."""
    last: str
    adds_up: bool


class Lot:
    """Rows of which each makes a document by itself, in the order of the source: what they say, column by column."""

    def __init__(self, rows: Sequence[SourceRow], ways: Sequence[_Way], columns: Sequence[Sequence[Wire]]) -> None:
        self.rows = rows
        self.ids: list[str] = []
        """Of each, once somebody has named them."""
        self._ways, self._columns = ways, columns

    def __len__(self) -> int:
        return len(self.rows)

    def values(self) -> Iterator[tuple[str, str, Sequence[Wire]]]:
        """(The group or reference that it stands in, its path, the value of each row, None where it is not sent) of
        each field."""
        for way, column in zip(self._ways, self._columns, strict=True):
            yield way.outer, way.path, column

    def bodies(self) -> list[dict[str, Any]]:
        """The body of each, its members in the order in which `documents.ENCODER` writes them."""
        names = tuple(way.outer or way.last for way in self._ways)
        columns = [
            column if not way.outer else [None if value is None else {way.last: value} for value in column]
            for way, column in zip(self._ways, self._columns, strict=True)
        ]
        bodies = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        if any(None in column for column in columns):
            bodies = [{name: value for name, value in body.items() if value is not None} for body in bodies]
        return bodies

    def encoded(self) -> tuple[list[bytes], list[str]]:
        """The bytes of the body of each, the payload hash of each."""
        sha256 = hashlib.sha256
        bodies = list(map(_encode, self.bodies()))
        return bodies, [sha256(body).hexdigest() for body in bodies]

    def totals(self, place: int) -> dict[str, Decimal]:
        """The sums of what can be read back of one."""
        found = {}
        for way, column in zip(self._ways, self._columns, strict=True):
            value = column[place]
            if way.adds_up and value is not None and not isinstance(value, bool):
                found[way.path] = Decimal(value)
        return found

    def totals_as_text(self) -> list[str]:
        """The same of each, as JSON."""
        parts: list[list[str]] = []
        for way, column in zip(self._ways, self._columns, strict=True):
            if way.adds_up:
                name = msgspec.json.encode(way.path).decode()
                parts.append(
                    [
                        f'{name}:"{value}"'
                        if type(value) is str
                        else ""
                        if value is None or isinstance(value, bool)
                        else f'{name}:"{Decimal(value)}"'
                        for value in column
                    ]
                )
        if not parts:
            return ["{}"] * len(self.rows)
        if len(parts) == 1:
            return [f"{{{part}}}" for part in parts[0]]
        return [f"{{{','.join(filter(None, several))}}}" for several in zip(*parts, strict=True)]

    def may_lack(self, rules: Sequence[Rule]) -> bool:
        """Whether one of them may lack something that these rules ask for. What every row says is there for certain."""
        there = {way.path for way, column in zip(self._ways, self._columns, strict=True) if all(column)}
        return not there.issuperset(rule.path for rule in rules if rule.firm)

    def without(self, places: Collection[int]) -> Lot:
        """All but those at some places."""
        if not places:
            return self
        keep = [place not in places for place in range(len(self.rows))]
        rows, columns = list(compress(self.rows, keep)), [list(compress(column, keep)) for column in self._columns]
        left = Lot(rows, self._ways, columns)
        left.ids = list(compress(self.ids, keep))
        return left


class Plain:
    """Finds the plain ones among rows."""

    def __init__(self, ways: Sequence[_Way]) -> None:
        self._ways = sorted(ways, key=lambda way: way.outer or way.last)

    @classmethod
    def of(cls, mapping: FieldMapping, adds_up: Mapping[str, bool]) -> Plain | None:
        """`adds_up` tells which fields have a sum. None where a mapping has more to it than cells into fields."""
        if mapping.list or mapping.entity is not None or mapping.last_step is not None or not mapping.assignments:
            return None
        if mapping.settings is not None and mapping.settings.attachment is not None:
            return None
        ways = []
        for each in mapping.assignments:
            *outer, last = each.place.inner
            if each.straight is None or each.place.list or len(outer) > 1:
                return None
            path, above = each.place.path, outer[0] if outer else ""
            ways.append(_Way(path, each.cell, each.straight, each.strips, each.fixed, above, last, adds_up[path]))
        return cls(ways) if len({way.outer or way.last for way in ways}) == len(ways) else None

    def among(self, rows: Sequence[SourceRow]) -> tuple[Lot, set[int]]:
        """The plain ones of these rows, and the places of the others."""
        odd: set[int] = set()
        values = [row.values for row in rows]
        try:
            columns = [_column(way, [each[way.column] for each in values], odd) for way in self._ways]
        except (KeyError, TypeError):  # records of a program, which hold other things than text, or lack some
            return Lot((), self._ways, [[] for _ in self._ways]), set(range(len(rows)))
        return Lot(rows, self._ways, columns).without(odd), odd


def _column(way: _Way, texts: list[str], odd: set[int]) -> list[Wire]:
    """What each row says, None for what is not sent; `odd` gets the places of those that take judgement. Raises
    TypeError where one is no text."""
    bare = list(map(str.strip, texts))
    values = all_straight(way.straight, bare if way.strips else texts)
    if "" in bare:
        values = [value if text else way.fixed for value, text in zip(values, bare, strict=True)]
    if None in values:
        odd.update(place for place, value in enumerate(values) if value is None and bare[place])
    return values
