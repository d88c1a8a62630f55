"""Where a read is: which ranges of keys it has still to read, and how far it is in the first of them.

What a stop leaves in the table's state, and what the next run makes of it. Asks nobody.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tieout.pull.destinations.state import Backfill
from tieout.pull.reading.ordered import Place
from tieout.pull.reading.reader import Step
from tieout.pull.reading.windows import Window


class Left(msgspec.Struct, frozen=True, omit_defaults=True):
    """`Backfill.filter`: what is left beside the place."""

    low: str = ""
    """Of a read of what changed: changes from this moment on."""
    windows: tuple[Window, ...] = ()
    as_text: bool = False

    @classmethod
    def read(cls, text: str) -> Left:
        return msgspec.json.decode(text, type=cls) if text else cls()

    def text(self) -> str:
        return msgspec.json.encode(self).decode() if self != Left() else ""


class Course(msgspec.Struct, kw_only=True):
    """A read under way."""

    kind: Literal["full", "changes"]
    since: str | None = None
    """Intacct's clock when it began, less the overlap; None until the first page came."""
    low: str = ""
    marking: bool = False
    size: int
    windows: list[Window] = msgspec.field(default_factory=lambda: [Window()])
    last: Window = Window()
    """The latest that is done."""
    after: Place | None = None
    """Where an earlier run stopped in the first window, in the numbering of the window."""
    base: int = 0
    """Rows of the windows that are done."""
    position: int = 0
    last_key: str = ""
    total: int = 0
    in_parts: bool = False
    """It was cut."""
    as_text: bool = False
    """Its ranges are such of text, since filters compare keys so."""
    agree: bool = False
    """Filters by key are known to follow the order of keys."""

    @classmethod
    def resumed(cls, begun: Backfill, *, size: int, agree: bool) -> Course:
        """An earlier run's read, after its last key where filters follow the order of keys, else by position."""
        left = Left.read(begun.filter)
        it = cls(
            kind="changes" if begun.kind == "changes" else "full",
            since=begun.since,
            low=left.low,
            marking=begun.marking,
            size=size,
            position=begun.position,
            last_key=begun.last_key,
            total=begun.rows_at_start,
            agree=agree,
        )
        if left.windows:
            it.windows, it.base, it.in_parts, it.as_text = list(left.windows), begun.position, True, left.as_text
        elif agree and begun.last_key:
            it.windows, it.base = [Window(begun.last_key)], begun.position
        else:
            it.after = Place(begun.position, begun.last_key)
        return it

    def took(self, step: Step) -> None:
        """A page of the first window came."""
        self.total = self.total or step.total
        self.position, self.last_key = self.base + step.place.position, step.place.last_key

    def done(self) -> None:
        """The first window is read."""
        self.last = self.windows.pop(0)
        self.base, self.after = self.position, None

    def rest(self) -> Window:
        """What is not read of the first window."""
        first = self.windows[0]
        here = self.position > self.base and self.agree and self.last_key
        return Window(self.last_key, first.upto) if here else first

    def backfill(self) -> Backfill:
        """What the next run goes on with."""
        windows: tuple[Window, ...] = ()
        if self.in_parts:
            windows = (self.rest(), *self.windows[1:]) if self.windows else (self.last,)
        return Backfill(
            kind=self.kind,
            since=self.since or "",
            position=self.position,
            last_key=self.last_key,
            marking=self.marking,
            size=self.size,
            rows_at_start=self.total,
            filter=Left(self.low, windows, self.as_text).text(),
        )
