"""The text form of a filter, for command lines and project files: `status = 'active' and totalDue > 100`.

comparison   field = value   != <>  <  <=  >  >=
             field in (a, b)          field not in (a, b)
             field between a and b    field not between a and b
             field contains 'text'    field starts with 'text'    field ends with 'text'   (each with `not`)
             field is null            field is not null
joined by    and, or, parentheses (`and` binds tighter)
value        'text' (a quote is doubled), "text", 12, 12.50, true, false, null, today, 2026-01-31
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tieout.errors import CheckError, Problem
from tieout.rest.filters import Filter, condition

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<sign><=|>=|<>|!=|==|=|<|>|\(|\)|,)
      | (?P<word>[^\s'"<>=!(),]+)
    )""",
    re.VERBOSE,
)
_SIGNS = {"=": "$eq", "==": "$eq", "!=": "$ne", "<>": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
_TEXT = {"contains": "$contains", "starts": "$startsWith", "ends": "$endsWith"}
_NOT = {"$in": "$notIn", "$between": "$notBetween", "$contains": "$notContains",
        "$startsWith": "$notStartsWith", "$endsWith": "$notEndsWith"}  # fmt: skip
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_END = ("end", "")
MOST_DIGITS = 18
"""Longer numbers stay text: JSON's readers keep no more."""


def parse_where(text: str) -> Filter:
    """-> Filter. Raises CheckError that points at the place and says what was expected."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.at = 0

    def parse(self) -> Filter:
        found = self._any()
        if self.peek() != _END:
            raise self.expected("`and`, `or` or the end")
        return found

    def _tokens(self) -> list[tuple[str, str]]:
        tokens, position, length = [], 0, len(self.text.rstrip())
        while position < length:
            match = _TOKEN.match(self.text, position)
            if match is None:
                found = self.text[position:].strip()
                raise self.mistake(f"cannot read {found[:20]!r}; is a quote missing?")
            tokens.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            position = match.end()
        return [*tokens, _END]

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Take these words if they come next, in any case."""
        for ahead, word in enumerate(words):
            kind, value = self.peek(ahead)
            if kind != "word" or value.lower() != word:
                return False
        self.at += len(words)
        return True

    def sign(self, sign: str) -> bool:
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def _any(self) -> Filter:
        return self._joined(self._all, "or")

    def _all(self) -> Filter:
        return self._joined(self._one, "and")

    def _joined(self, part: Callable[[], Filter], joiner: str) -> Filter:
        found = part()
        while self.word(joiner):
            right = part()
            found = found & right if joiner == "and" else found | right
        return found

    def _one(self) -> Filter:
        if self.sign("("):
            found = self._any()
            if not self.sign(")"):
                raise self.expected("`)`")
            return found
        kind, path = self.take()
        if kind == "word" and path.lower() == "not" and self.peek() != ("sign", "="):
            raise self.mistake(
                "there is no `not` before a comparison; write !=, not in (...), not between, not contains, is not null"
            )
        if kind != "word":
            self.at -= 1
            raise self.expected("a field name")
        return self._comparison(path)

    def _comparison(self, path: str) -> Filter:
        kind, value = self.peek()
        if kind == "sign" and value in _SIGNS:
            self.at += 1
            return condition(_SIGNS[value], path, self._value())
        if self.word("is", "not", "null"):
            return condition("$ne", path, None)
        if self.word("is", "null"):
            return condition("$eq", path, None)
        negated = self.word("not")
        operator, operand = self._worded()
        return condition(_NOT[operator] if negated else operator, path, operand)

    def _worded(self) -> tuple[str, Any]:
        if self.word("in"):
            return "$in", self._values()
        if self.word("between"):
            low = self._value()
            if not self.word("and"):
                raise self.expected("`and`")
            return "$between", [low, self._value()]
        for word, operator in _TEXT.items():
            if self.word(word):
                if word != "contains" and not self.word("with"):
                    raise self.expected("`with`")
                return operator, self._value()
        raise self.expected("=, !=, <, <=, >, >=, in, between, contains, starts with, ends with or is null")

    def _values(self) -> list[Any]:
        if not self.sign("("):
            raise self.expected("`(`")
        values = [self._value()]
        while self.sign(","):
            values.append(self._value())
        if not self.sign(")"):
            raise self.expected("`,` or `)`")
        return values

    def _value(self) -> Any:
        kind, value = self.take()
        if kind == "text":
            return value[1:-1].replace(value[0] * 2, value[0])
        if kind != "word":
            self.at -= 1
            raise self.expected("a value")
        lowered = value.lower()
        if lowered in ("true", "false"):
            return lowered == "true"
        if lowered == "null":
            return None
        if _NUMBER.fullmatch(value):
            whole = "." not in value and len(value) <= MOST_DIGITS and str(int(value)) == value
            return int(value) if whole else value  # 00123 is another id than 123
        return value

    def expected(self, what: str) -> CheckError:
        found = self.peek()[1] or "the end"
        return self.mistake(
            f"expected {what}, found {found!r}" if found != "the end" else f"expected {what} at the end"
        )

    def mistake(self, reason: str) -> CheckError:
        return CheckError(
            "The filter",
            [Problem(path=self.text, reason=reason)],
            advice="Example: status = 'active' and totalDue > 100. Nothing was sent.",
        )
