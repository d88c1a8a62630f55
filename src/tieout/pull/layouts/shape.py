"""How a layout is written down: tables, and for each of their columns where its value comes from. Facts, no SQL."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Type: TypeAlias = Literal["text", "int", "number", "bool", "date", "timestamp"]
How: TypeAlias = Literal[
    "plain",
    "lower",  # the text in lower case
    "not",  # a boolean, turned round
    "signed",  # an amount: negative where the line is a credit
    "debit",  # the amount where the line is a debit, else 0
    "credit",
    "sign",  # 1 for a debit, -1 for a credit
    "posted",  # P: only posted lines are in the table
    "deleted",  # whether Intacct no longer shows the row
    "synced",  # when the row was last written
]


class Shaped(msgspec.Struct, frozen=True):
    """A column. `sources` are paths, the first that the table has counts; `alias:path` is one of a joined table. None
    at all: the column is there, and null."""

    name: str
    type: Type
    sources: tuple[str, ...] = ()
    how: How = "plain"


class Join(msgspec.Struct, frozen=True):
    """A table beside the first, where it has been pulled: its `key` is the value of `on`."""

    alias: str
    object: str
    on: str


class Table(msgspec.Struct, frozen=True):
    """A view."""

    name: str
    object: str
    """Whose rows it has."""
    columns: tuple[Shaped, ...]
    joins: tuple[Join, ...] = ()
    needed: tuple[str, ...] = ()
    """Objects of `joins` without which a column is null that tools need."""
    live: bool = False
    """Without rows that are deleted."""
    comes_with: str = ""
    """For lines: the object to pull, which brings them."""
    posted: str = ""
    """The path of a state: rows that are not posted are left out."""


def col(name: str, type: Type = "text", *sources: str, how: How = "plain") -> Shaped:
    """A column, shorter to write."""
    return Shaped(name, type, sources, how)
