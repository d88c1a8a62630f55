"""What a table was selected by: filter and scope as one canonical text, kept in its state, and read back from there.

Knows the wire form of filters (REST reference 5.1); asks nobody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tieout.rest import Filter


class Selection(msgspec.Struct, frozen=True):
    """Filter in wire form, and whether private records of entities are included."""

    filters: list[dict[str, Any]]
    expression: str
    private: bool

    @classmethod
    def of(cls, where: Filter | None, *, private: bool) -> Selection:
        """What a query with this filter selects."""
        filters, expression = where.to_wire() if where is not None else ([], "")
        return cls(filters, expression, private)

    def text(self) -> str:
        """Equal texts select equal rows."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @classmethod
    def read(cls, text: str) -> Selection:
        """The selection behind a text. Raises msgspec.DecodeError for anything else."""
        return msgspec.json.decode(text, type=cls)

    def where(self) -> Filter | None:
        """The filter, as it was."""
        if not self.filters:
            return None
        from tieout.rest.filters import Condition, Filter

        leaves = []
        for wire in self.filters:
            ((operator, inner),) = wire.items()
            ((path, value),) = inner.items()
            leaves.append(Filter(Condition(operator, path, value)))
        words = re.findall(r"\d+|and|or|[()]", self.expression)
        return _Expression(words, leaves).either()


class _Expression:
    """`1 and (2 or 3)`: `and` binds tighter than `or`."""

    def __init__(self, words: list[str], leaves: list[Filter]) -> None:
        self._words, self._leaves = words[::-1], leaves

    def either(self) -> Filter:
        found = self._both()
        while self._next("or"):
            found = found | self._both()
        return found

    def _both(self) -> Filter:
        found = self._one()
        while self._next("and"):
            found = found & self._one()
        return found

    def _one(self) -> Filter:
        word = self._words.pop()
        if word != "(":
            return self._leaves[int(word) - 1]
        found = self.either()
        self._words.pop()
        return found

    def _next(self, word: str) -> bool:
        if not self._words or self._words[-1] != word:
            return False
        self._words.pop()
        return True
