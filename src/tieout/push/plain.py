"""Rows as they mostly are: each makes a document by itself, and its cells go straight into fields of the header.

Gives the bodies that `documents.Assembly` would make of such rows, many at once and column by column, in a fraction of
the time, or says that it does not know: of every row that needs judgement or has something wrong with it. So there is
one set of rules, and messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from tieout.push.fields.mapping import FieldMapping
from tieout.push.fields.straight import Straight, all_straight
from tieout.push.fields.values import Wire

Made: TypeAlias = tuple[dict[str, Any], dict[str, Decimal]]
"""A body, and the sums of what can be read back."""


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


class Plain:
    """Bodies and sums of plain rows."""

    def __init__(self, ways: tuple[_Way, ...]) -> None:
        self._ways = ways
        self._names = tuple(way.outer or way.last for way in ways)

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
        made = cls(tuple(ways))
        return made if len(set(made._names)) == len(ways) else None

    def bodies(self, rows: Sequence[Mapping[str, Any]]) -> list[Made | None]:
        """What each row says; None of one that takes judgement."""
        odd: set[int] = set()
        totals: list[dict[str, Decimal]] = [{} for _ in rows]
        try:
            columns = [_column(way, [row[way.column] for row in rows], totals, odd) for way in self._ways]
        except (KeyError, TypeError):  # records of a program, which hold other things than text, or lack some
            return [None] * len(rows)
        names, whole = self._names, not any(None in column for column in columns)
        found: list[Made | None] = []
        for place, (values, sums) in enumerate(zip(zip(*columns, strict=True), totals, strict=True)):
            if place in odd:
                found.append(None)
                continue
            body = dict(zip(names, values, strict=True))
            found.append((body if whole else {name: value for name, value in body.items() if value is not None}, sums))
        return found


def _column(way: _Way, texts: list[str], totals: list[dict[str, Decimal]], odd: set[int]) -> list[Any]:
    """A column's values as they stand in the bodies, None for what is not sent; `odd` gets the places of those that
    take judgement. Raises TypeError where one is no text."""
    bare = list(map(str.strip, texts))
    values = all_straight(way.straight, bare if way.strips else texts)
    if "" in bare:
        values = [value if text else way.fixed for value, text in zip(values, bare, strict=True)]
    if None in values:
        odd.update(place for place, value in enumerate(values) if value is None and bare[place])
    if way.adds_up:
        for sums, value in zip(totals, values, strict=True):
            if value is not None and not isinstance(value, bool):
                sums[way.path] = Decimal(value)
    return values if not way.outer else [None if value is None else {way.last: value} for value in values]
