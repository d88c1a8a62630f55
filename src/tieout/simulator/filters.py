"""`filters` and `filterExpression` of a query -> one SQL condition with bound parameters (REST reference 5.1-5.4).

Knows operators, their values and null. Refuses to know which table is asked and who asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import msgspec

from tieout.simulator.paths import Target
from tieout.simulator.periods import MACROS, Period, period
from tieout.simulator.refusal import Refusal
from tieout.simulator.values import Kind, Stored, comparable, instant, parse_decimal

Condition = tuple[str, list[Stored]]

_COMPARE = {"$eq": "=", "$ne": "<>", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_TEXT = {"$contains", "$notContains", "$startsWith", "$notStartsWith", "$endsWith", "$notEndsWith"}
_SETS = {"$in", "$notIn"}
_RANGES = {"$between", "$notBetween"}
OPERATORS = frozenset({*_COMPARE, *_TEXT, *_SETS, *_RANGES, "$has"})
_NO_BOOLEAN = {"$lt", "$gt", *_RANGES, *_TEXT}
_MOST_VALUES = 30_000
_DATES = ("date", "date-time")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TOKEN = re.compile(r"\s*(\(|\)|\d+|and\b|or\b)", re.IGNORECASE)


class Settings(msgspec.Struct, frozen=True):
    """`filterParameters` as far as filters need them."""

    as_of: date
    case_sensitive: bool = True
    sunday: bool = False
    """Weeks begin with Sunday."""
    text_keys: bool = False
    """Compare keys as text, by the switch `key_comparison`."""
    dates: str = "start"
    """What a date means to a date-time: the switch `date_on_date_time`."""


def where(
    filters: Sequence[object], expression: str, resolve: Callable[[str], Target], settings: Settings
) -> Condition | None:
    """The whole condition, None where nothing is filtered."""
    conditions = [_one(entry, resolve, settings) for entry in filters]
    if not conditions:
        if expression.strip().lower() not in ("and", "or"):
            raise Refusal.bad_expression(expression)
        return None
    return combine(expression, conditions)


def combine(expression: str, conditions: Sequence[Condition]) -> Condition:
    """`(1 and 2) or 3`; a lone `and` or `or` joins all. `and` binds tighter (INFERRED), every filter must be named once
    at least (INFERRED)."""
    word = expression.strip().lower()
    if word in ("and", "or"):
        parts = [condition for condition, _ in conditions]
        return "(" + f" {word.upper()} ".join(parts) + ")", [v for _, values in conditions for v in values]
    parser = _Expression(expression, conditions)
    sql, values = parser.whole()
    return f"({sql})", values


class _Expression:
    """Recursive descent over numbers, and, or and parentheses."""

    def __init__(self, text: str, conditions: Sequence[Condition]) -> None:
        self._text = text
        self._conditions = conditions
        self._tokens: list[str] = []
        self._at = 0
        self._used: set[int] = set()
        place = 0
        stripped = text.rstrip()
        while place < len(stripped):
            match = _TOKEN.match(stripped, place)
            if match is None:
                raise Refusal.bad_expression(text)
            self._tokens.append(match[1].lower())
            place = match.end()
        if len(self._tokens) > 2000:
            raise Refusal.bad_expression(text[:80])

    def whole(self) -> Condition:
        found = self._either(0)
        if self._at != len(self._tokens) or len(self._used) != len(self._conditions):
            raise Refusal.bad_expression(self._text)
        return found

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _either(self, depth: int) -> Condition:
        return self._chain("or", lambda: self._chain("and", lambda: self._atom(depth)))

    def _chain(self, word: str, part: Callable[[], Condition]) -> Condition:
        sql, values = part()
        parts = [sql]
        while self._next() == word:
            self._at += 1
            sql, more = part()
            parts.append(sql)
            values = values + more
        return (f" {word.upper()} ".join(parts) if len(parts) > 1 else parts[0]), values

    def _atom(self, depth: int) -> Condition:
        word = self._next()
        self._at += 1
        if word == "(" and depth < 50:
            sql, values = self._either(depth + 1)
            if self._next() == ")":
                self._at += 1
                return f"({sql})", values
        elif word.isdigit() and 1 <= int(word) <= len(self._conditions):
            self._used.add(int(word))
            return self._conditions[int(word) - 1]
        raise Refusal.bad_expression(self._text)


def _one(entry: object, resolve: Callable[[str], Target], settings: Settings) -> Condition:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise Refusal.bad_query("filters", "must hold objects with exactly one operator each")
    operator, operand = next(iter(entry.items()))
    if operator not in OPERATORS:
        raise Refusal.unknown_operator(str(operator))
    if not isinstance(operand, Mapping) or len(operand) != 1:
        raise Refusal.bad_query("filters", f"must name exactly one field in {operator}")
    path, value = next(iter(operand.items()))
    if path == "href" or path.endswith(".href"):
        raise Refusal.not_queryable(path, "filters")
    target = resolve(path)
    if target.inner is not None and not (operator == "$eq" and value is None):
        # A look-up of keys can use the indexes of both tables; the plain expression is a search per row.
        inner = target.inner
        sql, values = _Comparison(operator, path, inner.target, settings).condition(value)
        return inner.wrap(sql), values
    return _Comparison(operator, path, target, settings).condition(value)


class _Comparison:
    """One operator on one field."""

    def __init__(self, operator: str, path: str, target: Target, settings: Settings) -> None:
        self.operator, self.path, self.target, self.settings = operator, path, target, settings
        self.kind = target.codec.kind
        self.is_date = target.field.format in _DATES
        self.text_key = settings.text_keys and self.kind is Kind.KEY
        self.fold = not settings.case_sensitive and self.kind is Kind.TEXT and not self.is_date

    def condition(self, value: object) -> Condition:
        operator = self.operator
        if operator in _TEXT:
            return self._text(value)
        if operator in _SETS:
            return self._set(value)
        if operator in _RANGES:
            return self._range(value)
        if operator == "$has":
            return f"ia_has({self.target.sql}, ?)", [self._string(value)]
        if value is None:
            if operator not in ("$eq", "$ne"):
                raise self._refuse("null is not a valid value")
            return f"{self.target.sql} IS {'NOT ' if operator == '$ne' else ''}NULL", []
        period = self._period(value)
        if period is not None:
            return self._compare_period(period)
        expression = self._expression()
        return f"{expression} {_COMPARE[operator]} ?", [self._stored(value)]

    def _expression(self) -> str:
        if self.text_key:
            return f"CAST({self.target.ordered} AS TEXT)"
        return f"ia_fold({self.target.ordered})" if self.fold else self.target.ordered

    def _refuse(self, reason: str) -> Refusal:
        return Refusal.bad_filter(self.operator, self.path, reason)

    def _set(self, value: object) -> Condition:
        if not isinstance(value, list):
            raise self._refuse("an array is required")
        if len(value) > _MOST_VALUES:
            raise self._refuse(f"more than {_MOST_VALUES} values")
        negated = self.operator == "$notIn"
        expression = self._expression()
        if any(self._period(item) for item in value):
            parts = [self._within(*self._bounds(item, item)) for item in value]
            sql = " OR ".join(part for part, _ in parts)
            return f"{'NOT ' if negated else ''}({sql})", [v for _, values in parts for v in values]
        if not value:
            return ("0", []) if not negated else (f"{expression} IS NOT NULL", [])
        marks = ", ".join("?" * len(value))
        return f"{expression} {'NOT ' if negated else ''}IN ({marks})", [self._stored(item) for item in value]

    def _range(self, value: object) -> Condition:
        if not isinstance(value, list) or len(value) != 2:
            raise self._refuse("an array of two values is required")
        sql, values = self._within(*self._bounds(*value))
        return (f"NOT ({sql})" if self.operator == "$notBetween" else sql), values

    def _within(self, low: Stored, high: Stored) -> Condition:
        return f"{self._expression()} BETWEEN ? AND ?", [low, high]

    def _bounds(self, low: object, high: object) -> tuple[Stored, Stored]:
        first, last = self._period(low), self._period(high)
        return (
            self._stored(low) if first is None else self._moment(first[0], end=False),
            self._stored(high) if last is None else self._moment(last[1], end=True),
        )

    def _compare_period(self, period: Period) -> Condition:
        first, last = self._moment(period[0], end=False), self._moment(period[1], end=True)
        expression = self._expression()
        if self.operator in ("$eq", "$ne"):
            sql, values = self._within(first, last)
            return (f"NOT ({sql})" if self.operator == "$ne" else sql), values
        bound = first if self.operator in ("$lt", "$gte") else last
        return f"{expression} {_COMPARE[self.operator]} ?", [bound]

    def _period(self, value: object) -> Period | None:
        if not self.is_date or not isinstance(value, str):
            return None
        if self.settings.dates == "day" and self.target.field.format == "date-time" and _DAY.fullmatch(value):
            try:
                return date.fromisoformat(value), date.fromisoformat(value)
            except ValueError:
                return None
        if value not in MACROS:
            return None
        return period(value, self.settings.as_of, sunday=self.settings.sunday)

    def _moment(self, day: date, *, end: bool) -> str:
        if self.target.field.format == "date":
            return day.isoformat()
        return f"{day.isoformat()}T{'23:59:59' if end else '00:00:00'}Z"

    def _string(self, value: object) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return value
        if isinstance(value, int | float):
            return str(value)
        raise self._refuse("a string or a number is required")

    def _stored(self, value: object) -> Stored:
        """A wire value as the column holds it."""
        if value is None or isinstance(value, list | dict):
            raise self._refuse("a string, number or boolean is required")
        if isinstance(value, bool) and self.operator in _NO_BOOLEAN:
            raise self._refuse("a boolean is not a valid value")
        if self.kind is Kind.BOOLEAN:
            text = self._string(value)
            if text not in ("true", "false"):
                raise self._refuse("true or false is required")
            return int(text == "true")
        if self.kind in (Kind.MONEY, Kind.NUMBER):
            return self._number(value)
        text = self._string(value)
        if self.text_key:
            return text
        if self.kind is Kind.KEY:
            return self.target.codec.encoder()(text)
        if self.is_date:
            return self._date(text)
        return text.casefold() if self.fold else text

    def _number(self, value: object) -> Stored:
        number = None if isinstance(value, bool) else parse_decimal(value)
        if number is None:
            raise self._refuse("a number is required")
        if self.kind is Kind.MONEY:
            return comparable(number, self.target.codec.scale)
        whole = number == number.to_integral_value() and abs(number) < 2**63
        return int(number) if whole else float(number)

    def _date(self, text: str) -> str:
        """A date-time for a date means its day; what a date for a date-time means is the switch `date_on_date_time`, as
        one client sends it (REST reference 10.1)."""
        try:
            day = date.fromisoformat(text[:10]).isoformat()
            if len(text) == 10:
                if self.settings.dates == "refuse" and self.target.field.format == "date-time":
                    raise self._refuse("a date-time or a date macro is required")
                return day if self.target.field.format == "date" else f"{day}T00:00:00Z"
            return day if self.target.field.format == "date" else instant(text)
        except (ValueError, OverflowError):
            raise self._refuse("a date YYYY-MM-DD, a date-time or a date macro is required") from None

    def _text(self, value: object) -> Condition:
        if self.is_date:
            raise self._refuse("not supported on date fields")
        if isinstance(value, bool) or value is None:
            raise self._refuse("a string or a number is required")
        needle = self._string(value)
        if self.fold:
            needle = needle.casefold()
        expression = self._spelled()
        negated = self.operator.startswith("$not")
        word = self.operator.removeprefix("$not").removeprefix("$").lower()
        if word == "contains":
            sql, values = f"instr({expression}, ?) > 0", [needle]
        elif word == "startswith":
            sql, values = self._prefix(expression, needle)
        else:
            # substr(x, -0) would be all of x: an empty ending is the text before its end
            at = f"-{len(needle)}" if needle else f"length({expression}) + 1"
            sql, values = f"substr({expression}, {at}) = ?", [needle]
        return (f"NOT ({sql})" if negated else sql), list(values)

    def _prefix(self, expression: str, needle: str) -> tuple[str, list[str]]:
        exact = f"substr({expression}, 1, {len(needle)}) = ?"
        if self.fold or self.kind is not Kind.TEXT or not needle:
            return exact, [needle]
        return f"({expression} >= ? AND {exact})", [needle, needle]  # the bound lets an index narrow the search

    def _spelled(self) -> str:
        """The value as the wire writes it, for operators on text."""
        if self.kind is Kind.TEXT:
            return self._expression()
        if self.kind is Kind.MONEY:
            return f"ia_money_text({self.target.sql}, {self.target.codec.scale})"
        if self.kind is Kind.BOOLEAN:
            return f"CASE {self.target.ordered} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"
        return f"ia_text({self.target.sql})"
