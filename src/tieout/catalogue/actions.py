"""The workflow actions that Sage documents: what an object can be told to do, and what the request takes.

Knows names only. What a reversal takes is called differently from object to object: its day `reverseDate` (bills, AP
adjustments, expenses), `reversedDate` (most others) or `paymentDate`, its text `notes`, `memo` or `description` (REST
reference 4.8).
"""

from __future__ import annotations

from functools import cache

import msgspec

from tieout.catalogue.index import DOCUMENT, text

NONE = "-"


class Action(msgspec.Struct, frozen=True):
    """One documented action."""

    name: str
    states: tuple[str, ...]
    """State words that Sage shows in the answer; a company's settings may lead to others."""
    parameters: tuple[str, ...]
    """What the body takes beside `key`, as far as it is documented."""


@cache
def _all() -> dict[str, dict[str, Action]]:
    found: dict[str, dict[str, Action]] = {}
    for line in text("actions.txt").splitlines():
        object, name, states, *parameters = line.split(" ")
        words = () if states == NONE else tuple(states.split("|"))
        found.setdefault(object, {})[name] = Action(name, words, tuple(parameters))
    return found


def actions(object: str) -> dict[str, Action]:
    """The documented actions of an object by name; empty where there are none. `app/document::Type` has those of
    `app/document`."""
    head, mark, _ = object.partition("::")
    return _all().get(object) or _all().get(head if mark else object.removesuffix(DOCUMENT), {})


def with_actions() -> tuple[str, ...]:
    """The objects that have documented actions, in order of name."""
    return tuple(sorted(_all()))


def parameters_elsewhere(action: str) -> frozenset[str]:
    """What the same action takes on any object."""
    return frozenset(name for known in _all().values() if action in known for name in known[action].parameters)
