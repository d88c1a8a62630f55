"""Which objects the offline catalogue holds, and which of them live inside another.

Reads one small file of names. Never opens a definition.
"""

from __future__ import annotations

from functools import cache

Owner = tuple[str, str, str]
"""Owner object, the list in the owner, the reference in the line that names the owner."""

DOCUMENT = "::{documentName}"
"""Ends the names of the objects whose path names a transaction definition: `order-entry/document::Sales Invoice`."""


def text(name: str) -> str:
    """A file of the catalogue's data folder."""
    from importlib.resources import files  # its own imports cost more than all of the catalogue's

    return files("tieout.catalogue").joinpath("data", name).read_text(encoding="utf-8")


@cache
def entries() -> dict[str, Owner | None]:
    """Every object in order of name, with its owner where it has one."""
    found: dict[str, Owner | None] = {}
    for line in text("index.txt").splitlines():
        name, *owner = line.split(" ")
        found[name] = (owner[0], owner[1], owner[2]) if owner else None
    return found


def names() -> tuple[str, ...]:
    """All 518 documented object names, sorted: `accounts-payable/vendor`."""
    return tuple(entries())


def documented(name: str) -> str:
    """The name under which the catalogue keeps an object: `app/document::Type` -> `app/document::{documentName}`."""
    head, mark, _ = name.partition("::")
    return head + DOCUMENT if mark and not head.startswith("platform-apps/") else name


def owner(name: str) -> Owner | None:
    """(owner object, list in the owner, reference in the line) of an owned object, None of any other.

    `owner("time/timesheet-line") == ("time/timesheet", "lines", "timesheet")`. A transaction definition in the name
    is carried over to the owner's name."""
    kept = documented(name)
    found = entries().get(kept)
    if found is None or kept == name:
        return found
    return found[0].removesuffix(DOCUMENT) + "::" + name.partition("::")[2], found[1], found[2]
