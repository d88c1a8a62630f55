"""Opens the definition of one object, and only of that one.

Knows where the texts lie and how to cut one out, not what they say.
"""

from __future__ import annotations

from functools import cache, lru_cache

from tieout.catalogue import notation
from tieout.catalogue.index import documented, entries, names, text
from tieout.catalogue.model import Model
from tieout.catalogue.spelling import nearest
from tieout.errors import UnknownNameError


@cache
def _application(application: str) -> str:
    return "\n" + text(f"{application}.txt")


def definition(name: str) -> str:
    """The written definition of one object of the catalogue, cut from its application's file."""
    whole = _application(name.partition("/")[0])
    start = whole.index(f"\n{notation.HEADER}{name} ") + 1
    end = whole.find(f"\n{notation.HEADER}", start)
    return whole[start:] if end < 0 else whole[start : end + 1]


@lru_cache(maxsize=1024)
def load(name: str) -> Model:
    """The documented definition of one object by its full name (`resolve` makes one of what people type).

    `app/document::Type` answers the definition of `app/document::{documentName}` under the name asked for. The
    answer is shared between callers: copy it before changing it. Under 10 ms; no other object is read.

    Raises UnknownNameError("object", ...) with the nearest names; also for `platform-apps/...`, which only the
    company itself can describe."""
    kept = documented(name)
    if kept not in entries():
        raise UnknownNameError("object", name, nearest=nearest(name, names()))
    model = notation.read(definition(kept))
    model.name = name
    return model
