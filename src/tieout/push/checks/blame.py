"""Where in the source a document's field came from: its row and its column, for what a check has to say about it.

Knows documents and the columns that the settings name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tieout.errors import Problem
from tieout.push.fields.expressions import label

if TYPE_CHECKING:
    from tieout.push.documents import Document
    from tieout.push.settings import PushSettings


class Blame:
    """Words problems of one push."""

    def __init__(self, settings: PushSettings) -> None:
        self._columns = {path: label(entry) for path, entry in settings.columns().items()}

    def place(self, row: int, path: str) -> str:
        """`row 7, column Vendor` of a field, `column DEBIT + CREDIT` of several; its path where no column gives it."""
        column = self._columns.get(path)
        return f"row {row}, column {column}" if column else f"row {row}, {path}"

    def problem(self, row: int, path: str, reason: str, *, value: str = "", nearest: str = "") -> Problem:
        return Problem(path=self.place(row, path), reason=reason, nearest=nearest, row=row, value=value)

    def has_trouble(self, document: Document, path: str) -> bool:
        """Whether a value of this field could not be read, so that what the document holds of it is not all."""
        return any(problem.path == self.place(problem.row, path) for problem in document.problems)


def row_of(document: Document, lines: list[Any], index: int) -> int:
    """The row that a line was made of; the first row where a record brought its own lines."""
    return document.rows[index] if len(document.rows) == len(lines) else document.rows[0]
