"""Filters as Sage's own documents write them: a list of one-operator objects and a text such as `(1 and 2) or 3`.

Reads both into a Filter, and says of a mistake where it stands, before anything is sent (REST reference 5.1). Knows no
object and no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tieout.errors import CheckError, Problem
from tieout.rest.filters import OPERATORS, SPELLINGS, Condition, Filter, all_of, any_of, operand_problem

_TOKEN = re.compile(r"\s*(\d+|[()]|[^\s\d()]+)")
_ADVICE = "Example: filters [{...}, {...}, {...}] with the expression `(1 and 2) or 3`. Nothing was sent."
LONGEST = 20_000
"""Characters of an expression. Real ones have dozens."""
_HINTS = {
    "not": "; there is no `not`, use $ne, $notIn, $notContains ...",
    "&&": "; write `and`",
    "||": "; write `or`",
}
DEEPEST = 100
"""Parentheses inside parentheses."""


def read_filters(filters: Sequence[Mapping[str, Any]], expression: str | None = None) -> Filter | None:
    """Wire filters and their expression -> Filter, None where nothing is filtered. `$ge` and `$le` are accepted.

    Without an expression, or with a lone `and`, all must hold; with a lone `or`, one. `and` binds tighter than `or`;
    what is sent has parentheses, so that nobody has to know. Raises CheckError with every problem found."""
    if isinstance(filters, str | Mapping) or not isinstance(filters, Sequence):
        raise CheckError("The filter", [Problem(path="filters", reason="must be a list of filters")], advice=_ADVICE)
    problems: list[Problem] = []
    leaves: list[Filter] = []
    for number, entry in enumerate(filters, 1):
        found = _leaf(entry, number)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            leaves.append(Filter(found))
    text: Any = "and" if expression is None else expression
    problems += _wrong_numbers(text, len(filters))
    if not problems:
        tree = _read(text, leaves)
        if not isinstance(tree, Problem):
            return tree
        problems.append(tree)
    raise CheckError("The filter", problems, advice=_ADVICE)


def _leaf(entry: Any, number: int) -> Condition | Problem:
    place = f"filters[{number}]"
    if not isinstance(entry, Mapping):
        return Problem(path=place, reason='must be an object such as {"$eq": {"status": "active"}}')
    if {"field", "operator"} <= set(entry):
        field, value = entry["field"], entry.get("value")
        sign = _sign(str(entry["operator"]))
        return Problem(path=place, reason=f'Intacct writes this {{"{sign}": {{"{field}": {value!r}}}}}')
    if len(entry) != 1:
        return Problem(path=place, reason=f"has {len(entry)} operators, not one; write one filter for each")
    ((operator, operand),) = entry.items()
    operator = SPELLINGS.get(operator, operator)
    if operator not in OPERATORS:
        near = _sign(str(operator))
        return Problem(path=place, reason=f"{operator!r} is not an operator", nearest=near if near in OPERATORS else "")
    if not isinstance(operand, Mapping) or len(operand) != 1:
        return Problem(path=place, reason=f'{operator} takes exactly one field: {{"{operator}": {{"name": value}}}}')
    ((path, value),) = operand.items()
    reason = operand_problem(operator, value)
    if reason:
        return Problem(path=f"{place}, {path}", reason=reason)
    return Condition(operator, str(path), list(value) if isinstance(value, list | tuple) else value)


def _sign(word: str) -> str:
    """The operator that someone meant: `ge`, `>=`, `equals`, `$isNull`, `$like`."""
    meant = {
        "=": "$eq", "==": "$eq", "!=": "$ne", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte",
        "equals": "$eq", "$equals": "$eq", "$isnull": "$eq", "$like": "$contains", "$nin": "$notIn", "$neq": "$ne",
    }  # fmt: skip
    lowered = word.lower()
    if lowered in meant:
        return meant[lowered]
    named = lowered if lowered.startswith("$") else f"${lowered}"
    named = SPELLINGS.get(named, named)
    return next((operator for operator in OPERATORS if operator.lower() == named), named)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """(word, 1-based place) of an expression; ends with an empty word."""
    for match in _TOKEN.finditer(text.rstrip()):
        yield match[1].lower(), match.start(1) + 1
    yield "", len(text.rstrip()) + 1


def _wrong_numbers(text: Any, count: int) -> list[Problem]:
    """Numbers without a filter, and filters without a number."""
    if not isinstance(text, str):
        return [Problem(path="expression", reason="must be a text")]
    if len(text) > LONGEST:
        return [Problem(path="expression", reason=f"is longer than {LONGEST:,} characters")]
    if text.strip().lower() in ("and", "or"):
        return []
    if not text.strip():
        return [Problem(path="expression", reason="is empty; leave it out to have all filters hold")]
    named = [(word, place) for word, place in _tokens(text) if word.isdigit()]
    there = "there is 1 filter" if count == 1 else f"there are {count} filters" if count else "there is no filter"
    problems = [
        Problem(path=_at(text, place), reason=f"names filter {word}, but {there}")
        for word, place in named
        if not (len(word) < 10 and 1 <= int(word) <= count)
    ]
    used = {int(word) for word, _ in named if len(word) < 10}
    unused = [str(number) for number in range(1, count + 1) if number not in used]
    if unused and named:
        what = f"filter {unused[0]}" if len(unused) == 1 else f"filters {', '.join(unused)}"
        problems.append(Problem(path=f"expression {_short(text)!r}", reason=f"does not use {what}"))
    return problems


def _read(text: str, leaves: Sequence[Filter]) -> Filter | Problem | None:
    word = text.strip().lower()
    if word in ("and", "or"):
        return (all_of(*leaves) if word == "and" else any_of(*leaves)) if leaves else None
    try:
        return _Expression(text, leaves).whole()
    except _Mistake as mistake:
        return mistake.problem


class _Mistake(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Expression:
    """Recursive descent over numbers, and, or, parentheses."""

    def __init__(self, text: str, leaves: Sequence[Filter]) -> None:
        self.text, self.leaves = text, leaves
        self.tokens = list(_tokens(text))
        self.at = 0

    def whole(self) -> Filter:
        found = self._either(0)
        word, _ = self.tokens[self.at]
        if word:
            raise self._expected("`and`, `or` or the end" if word != ")" else "no `)`: none is open")
        return found

    def _either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._next("or"):
            parts.append(self._both(depth))
        return any_of(*parts)

    def _both(self, depth: int) -> Filter:
        parts = [self._one(depth)]
        while self._next("and"):
            parts.append(self._one(depth))
        return all_of(*parts)

    def _one(self, depth: int) -> Filter:
        word, place = self.tokens[self.at]
        if word.isdigit():
            self.at += 1
            return self.leaves[int(word) - 1]
        if not self._next("("):
            raise self._expected("a filter's number or `(`")
        if depth >= DEEPEST:
            raise _Mistake(Problem(path=_at(self.text, place), reason=f"more than {DEEPEST} parentheses deep"))
        found = self._either(depth + 1)
        if not self._next(")"):
            raise self._expected(f"`)` for the `(` at character {place}")
        return found

    def _next(self, word: str) -> bool:
        if self.tokens[self.at][0] != word:
            return False
        self.at += 1
        return True

    def _expected(self, what: str) -> _Mistake:
        word, place = self.tokens[self.at]
        found = f"found {word!r}" if word else "found the end"
        reason = f"expected {what}, {found}{_HINTS.get(word, '')}"
        return _Mistake(Problem(path=_at(self.text, place), reason=reason))


def _at(text: str, place: int) -> str:
    return f"expression {_short(text)!r}, character {place}"


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
