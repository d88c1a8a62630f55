"""Filters: `F("vendor.id") == "V1"`, combined with & and |, turned into the query service's shape.

The wire form is a flat list of one-operator objects plus an expression over their 1-based numbers
(REST reference 5.1, 5.2). Nothing here knows an object or a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NoReturn, TypeAlias

import msgspec

Scalar: TypeAlias = str | int | float | bool | Decimal | date | datetime | None
"""What a filter can be given. Decimals go as text, dates as YYYY-MM-DD, datetimes as UTC with Z."""

OPERATORS = (
    "$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$notIn", "$between", "$notBetween", "$contains",
    "$notContains", "$startsWith", "$notStartsWith", "$endsWith", "$notEndsWith", "$has",
)  # fmt: skip
"""All that exist (REST reference 5.2)."""

SPELLINGS = {"$ge": "$gte", "$le": "$lte"}
"""Names people know from elsewhere; the wire refuses them."""

EQUAL = frozenset(("$eq", "$ne"))
LISTS = frozenset(("$in", "$notIn"))
RANGES = frozenset(("$between", "$notBetween"))
TEXTS = frozenset(("$contains", "$notContains", "$startsWith", "$notStartsWith", "$endsWith", "$notEndsWith"))
_NO_BOOLEAN = frozenset(("$lt", "$gt")) | RANGES | TEXTS


class Macro(StrEnum):
    """Dates that Intacct works out itself: a whole period, seen from today or from `as_of` (REST reference 5.3).

    `F("dueDate") == Macro.CURRENT_YEAR`; the plain text `"currentYear"` does as well."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    CURRENT_WEEK = "currentWeek"
    LAST_WEEK = "lastWeek"
    CURRENT_MONTH = "currentMonth"
    PRIOR_MONTH = "priorMonth"
    CURRENT_QUARTER = "currentQuarter"
    PRIOR_QUARTER = "priorQuarter"
    CURRENT_YEAR = "currentYear"
    PRIOR_YEAR = "priorYear"


def operand_problem(operator: str, value: Any) -> str:
    """Why an operator cannot take a value, whatever the field; empty if it can (REST reference 5.2)."""
    if operator in LISTS:
        if not isinstance(value, list | tuple) or not value:
            return f"{operator} takes a list of at least one value"
    elif operator in RANGES:
        if not isinstance(value, list | tuple) or len(value) != 2:
            return f"{operator} takes a list of two values, both included"
    elif isinstance(value, list | tuple):
        return f"{operator} takes one value; use {'$notIn' if operator == '$ne' else '$in'} for a list"
    if operator == "$has" and not isinstance(value, str):
        return "$has takes one text"
    for one in value if isinstance(value, list | tuple) else [value]:
        if one is None:
            if operator not in EQUAL:
                return f"{operator} cannot take null; only $eq and $ne can"
        elif isinstance(one, bool):
            if operator in _NO_BOOLEAN:
                return f"{operator} cannot take true or false"
        elif not isinstance(one, str | int | float | Decimal | date):
            return f"{operator} cannot take {type(one).__name__}; it takes a text, a number or a date"
        elif isinstance(one, float | Decimal) and not _finite(one):
            return f"{one} is not a number"
    return ""


def _finite(number: float | Decimal) -> bool:
    return Decimal(number).is_finite()


class Condition(msgspec.Struct, frozen=True):
    """One comparison: a leaf of a filter."""

    operator: str
    path: str
    value: Any

    def to_wire(self) -> dict[str, Any]:
        return {self.operator: {self.path: self.value}}


class Filter:
    """A tree of conditions. Made with F(...); combined with `&` and `|`. Immutable."""

    __slots__ = ("children", "condition", "joiner")

    def __init__(self, condition: Condition | None = None, joiner: str = "", children: tuple[Filter, ...] = ()) -> None:
        self.condition = condition
        self.joiner = joiner
        self.children = children

    def __and__(self, other: Filter) -> Filter:
        return _join("and", (self, other))

    def __or__(self, other: Filter) -> Filter:
        return _join("or", (self, other))

    def __bool__(self) -> bool:
        raise TypeError("combine filters with & and |, in parentheses, not with `and`, `or` or chained comparisons")

    def conditions(self) -> Iterator[Condition]:
        """The leaves, from left to right: number 1, 2, ... of the expression."""
        if self.condition is not None:
            yield self.condition
        for child in self.children:
            yield from child.conditions()

    def mapped(self, change: Callable[[Condition], Condition]) -> Filter:
        """The same tree with every condition changed."""
        if self.condition is not None:
            return Filter(change(self.condition))
        return Filter(joiner=self.joiner, children=tuple(child.mapped(change) for child in self.children))

    def to_wire(self) -> tuple[list[dict[str, Any]], str]:
        """-> (`filters`, `filterExpression`)."""
        wire: list[dict[str, Any]] = []
        expression = self._write(wire)
        return wire, expression

    def _write(self, wire: list[dict[str, Any]]) -> str:
        if self.condition is not None:
            wire.append(self.condition.to_wire())
            return str(len(wire))
        parts = []
        for child in self.children:
            text = child._write(wire)
            parts.append(f"({text})" if child.children else text)
        return f" {self.joiner} ".join(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.to_wire() == other.to_wire()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        wire, expression = self.to_wire()
        return f"Filter({wire}, {expression!r})"


def all_of(*filters: Filter) -> Filter:
    """All must hold: `a & b & c` of a list. At least one."""
    return _join("and", filters)


def any_of(*filters: Filter) -> Filter:
    """One must hold: `a | b | c` of a list. At least one."""
    return _join("or", filters)


def _join(joiner: str, sides: tuple[Filter, ...]) -> Filter:
    children: list[Filter] = []
    for side in sides:
        if not isinstance(side, Filter):
            raise TypeError(f"a filter can be joined with a filter only, not with {type(side).__name__}")
        children.extend(side.children if side.joiner == joiner else (side,))
    if not children:
        raise ValueError("there is no filter to join")
    return children[0] if len(children) == 1 else Filter(joiner=joiner, children=tuple(children))


def condition(operator: str, path: str, value: Any) -> Filter:
    """One condition by its wire operator; `$ge` and `$le` are accepted for `$gte` and `$lte`."""
    operator = SPELLINGS.get(operator, operator)
    if operator not in OPERATORS:
        raise ValueError(f"there is no operator {operator}; Intacct knows {', '.join(OPERATORS)}")
    return Filter(Condition(operator, path, value))


class F:
    """A field to compare: `F("totalDue") > 100`, `F("status").in_(["active"])`, `F("audit.modifiedDateTime") >= when`.

    Comparing with None means "is empty" and is possible with == and != only (REST reference 5.2)."""

    __slots__ = ("path",)
    __hash__ = None  # type: ignore[assignment]  # == builds a filter, so a field cannot be a dictionary key

    def __init__(self, path: str) -> None:
        self.path = path

    def __eq__(self, value: Scalar) -> Filter:  # type: ignore[override]  # a filter, not a truth value
        return condition("$eq", self.path, wire_value(value))

    def __ne__(self, value: Scalar) -> Filter:  # type: ignore[override]  # a filter, not a truth value
        return condition("$ne", self.path, wire_value(value))

    def __lt__(self, value: Scalar) -> Filter:
        return self._ordered("$lt", value)

    def __le__(self, value: Scalar) -> Filter:
        return self._ordered("$lte", value)

    def __gt__(self, value: Scalar) -> Filter:
        return self._ordered("$gt", value)

    def __ge__(self, value: Scalar) -> Filter:
        return self._ordered("$gte", value)

    def in_(self, values: Iterable[Scalar]) -> Filter:
        """One of the values. At least one; None is not allowed in the list."""
        return self._listed("$in", values)

    def not_in(self, values: Iterable[Scalar]) -> Filter:
        return self._listed("$notIn", values)

    def between(self, low: Scalar, high: Scalar) -> Filter:
        """Both ends included."""
        return condition("$between", self.path, [_given(low), _given(high)])

    def not_between(self, low: Scalar, high: Scalar) -> Filter:
        return condition("$notBetween", self.path, [_given(low), _given(high)])

    def contains(self, text: str) -> Filter:
        """Not on date fields. Case matters unless the query says otherwise."""
        return condition("$contains", self.path, wire_value(text))

    def not_contains(self, text: str) -> Filter:
        return condition("$notContains", self.path, wire_value(text))

    def startswith(self, text: str) -> Filter:
        return condition("$startsWith", self.path, wire_value(text))

    def not_startswith(self, text: str) -> Filter:
        return condition("$notStartsWith", self.path, wire_value(text))

    def endswith(self, text: str) -> Filter:
        return condition("$endsWith", self.path, wire_value(text))

    def not_endswith(self, text: str) -> Filter:
        return condition("$notEndsWith", self.path, wire_value(text))

    def has(self, text: str) -> Filter:
        """For fields that are arrays of strings."""
        return condition("$has", self.path, wire_value(text))

    def _ordered(self, operator: str, value: Scalar) -> Filter:
        return condition(operator, self.path, _given(value))

    def _listed(self, operator: str, values: Iterable[Scalar]) -> Filter:
        if isinstance(values, str):
            raise TypeError("give a list of values, not one text")
        listed = [_given(value) for value in values]
        if not listed:
            raise ValueError(f"{operator} on {self.path!r} needs at least one value")
        return condition(operator, self.path, listed)

    def __and__(self, other: object) -> NoReturn:
        raise TypeError('& and | bind before ==: put each comparison in parentheses, (F("a") == 1) & (F("b") > 2)')

    __rand__ = __or__ = __ror__ = __and__

    def __repr__(self) -> str:
        return f"F({self.path!r})"


def wire_value(value: Scalar) -> str | int | float | bool | None:
    """A Python value as the query service wants it."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a datetime in a filter needs a time zone: datetime(..., tzinfo=UTC)")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # whole seconds (REST reference 10.1)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal) and not _finite(value):
        raise ValueError(f"{value} is not a number to compare with")
    if isinstance(value, Decimal):
        return format(value, "f")
    return value


def _given(value: Scalar) -> str | int | float | bool:
    wire = wire_value(value)
    if wire is None:
        raise ValueError("None can be compared with == and != only")
    return wire
