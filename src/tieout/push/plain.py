"""Rows as they mostly are: each makes a document by itself, and its cells go straight into fields of the header.

Gives the body that `documents.Assembly` would make of such a row, in a third of the time, or says that it does not
know: of every row that needs judgement or has something wrong with it. So there is one set of rules, and messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from tieout.push.fields.mapping import FieldMapping
from tieout.push.fields.straight import Straight
from tieout.push.fields.values import Wire


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

    @classmethod
    def of(cls, mapping: FieldMapping, adds_up: Mapping[str, bool]) -> Plain | None:
        """`adds_up` tells which fields have a sum. None where a mapping has more to it than cells into fields."""
        if mapping.list or mapping.entity is not None or mapping.last_step is not None:
            return None
        if mapping.settings is not None and mapping.settings.attachment is not None:
            return None
        ways = []
        for each in mapping.assignments:
            *outer, last = each.place.inner
            if each.straight is None or each.place.list or len(outer) > 1:
                return None
            path = each.place.path
            above = outer[0] if outer else ""
            ways.append(_Way(path, each.cell, each.straight, each.strips, each.fixed, above, last, adds_up[path]))
        return cls(tuple(ways))

    def body(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Decimal]] | None:
        """What a row says, and its sums; None where it takes judgement."""
        body: dict[str, Any] = {}
        totals: dict[str, Decimal] = {}
        for path, column, straight, strips, fixed, outer, last, adds_up in self._ways:
            text = values.get(column)
            if type(text) is not str:
                return None
            value: Wire
            if bare := text.strip():
                value = straight(bare if strips else text)
                if value is None:
                    return None
            else:
                value = fixed
                if value is None:
                    continue
            if not outer:
                body[last] = value
            elif outer in body:
                body[outer][last] = value
            else:
                body[outer] = {last: value}
            if adds_up and not isinstance(value, bool):
                totals[path] = Decimal(value)
        return body, totals
