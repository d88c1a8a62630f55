"""One checked document as a stage gives it out, what is to become of it, and what is to be done for it.

Data; how it is kept is the stage's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import msgspec

from tieout.errors import Problem

Fate: TypeAlias = Literal[
    "send",
    "posted",
    "skipped",
    "failed",
    "unprocessed",
    "unknown",
    "held",
    "changed",
    "corrected",
    "gone",
    "dismissed",
    "pending",
]
"""What is to become of a document, or became."""

_ROWS = msgspec.json.Decoder(tuple[int, ...])
ENTRIES = msgspec.json.Decoder(tuple[str, ...])
HASHES = msgspec.json.Decoder(dict[str, str])
_TOTALS = msgspec.json.Decoder(dict[str, Decimal])
_LISTS = msgspec.json.Decoder(dict[str, int])
PROBLEMS = msgspec.json.Decoder(list[Problem])
_encode = msgspec.json.Encoder().encode


class Order(msgspec.Struct, frozen=True):
    """What is to be done for a document."""

    done: str = "create"
    """create, update, append, delete, or the name of a workflow action."""
    step: int = 0
    """0, or the how-manieth change of a posted record this is."""
    key: str = ""
    """Of the record that is changed."""
    body: bytes = b""
    """What goes out, where that is not the document's own."""
    entries: tuple[str, ...] = ()
    """The ids of the rows that are appended."""


CREATE = Order()


class Staged:
    """One document of a stage: its bytes, its rows, and what is to become of it.

    What is kept as text is decoded when it is asked for: most documents only pass through to the ledger."""

    __slots__ = (
        "_entries", "_lists", "_problems", "_rows", "_totals", "attempt", "body", "content", "entity", "fate",
        "has_moved_rows", "known", "payload_hash", "posting_date", "seq", "source_id",
    )  # fmt: skip

    def __init__(self, row: Sequence[Any]) -> None:
        self.seq: int
        """The number of its first row: documents come in this order."""
        self.entity: str
        """The entity it belongs to; "" where the push has one."""
        self.source_id: str
        self.body: bytes
        self.payload_hash: str
        self.fate: Fate
        self.attempt: int
        """How often Intacct refused it for certain: the epoch of its next request."""
        self.known: bool
        """The ledger had it before this run."""
        self.content: bytes
        """A fingerprint of its row, where it has one row."""
        self.posting_date: str
        """YYYY-MM-DD; "" where it has none."""
        (
            self.seq, self.entity, self.source_id, self._rows, self._entries, self.body, self.payload_hash,
            self._totals, self._lists, self._problems, self.fate, self.attempt, self.known, self.content,
            self.posting_date,
        ) = row  # fmt: skip
        self.has_moved_rows = False
        """A row of it is in Intacct already, as part of another document. Not kept on the stage."""

    def fill(self, body: bytes, payload_hash: str, totals: str) -> None:
        """Take what does not stand in its row."""
        self.body, self.payload_hash, self._totals = body, payload_hash, totals

    @property
    def rows(self) -> tuple[int, ...]:
        if isinstance(self._rows, str):
            self._rows = _ROWS.decode(self._rows)
        return self._rows  # type: ignore[no-any-return]  # a text or what it says

    @rows.setter
    def rows(self, value: tuple[int, ...]) -> None:
        self._rows = value

    @property
    def entries(self) -> tuple[str, ...]:
        """Ids of its rows, where several rows make one document."""
        if self._entries == "[]":
            return ()
        if isinstance(self._entries, str):
            self._entries = ENTRIES.decode(self._entries)
        return self._entries  # type: ignore[no-any-return]  # a text or what it says

    @entries.setter
    def entries(self, value: tuple[str, ...]) -> None:
        self._entries = value

    @property
    def problems(self) -> list[Problem]:
        if not isinstance(self._problems, list):
            self._problems = PROBLEMS.decode(self._problems) if self._problems else []
        return self._problems

    @property
    def totals(self) -> dict[str, Decimal]:
        return _TOTALS.decode(self._totals)

    @property
    def lists(self) -> dict[str, int]:
        """How many lines it has, by the name of the list."""
        return _LISTS.decode(self._lists)

    @property
    def is_grouped(self) -> bool:
        return self._entries not in ("[]", ())

    def texts(self) -> tuple[str, str]:
        """Rows and totals as the ledger writes them, and as this stage has them: JSON."""
        return self._rows if isinstance(self._rows, str) else text_of(self._rows), self._totals


def text_of(value: object) -> str:
    """JSON, as a stage keeps it."""
    return _encode(value).decode()
