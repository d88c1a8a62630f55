"""Bodies held against the company's live models before the first of them is sent (DESIGN rule 6).

An exchange: it fetches the models it needs, from memory while they are young. What is wrong is decided by `body_check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import CheckError, ForbiddenError, UnknownNameError
from tieout.rest import models
from tieout.rest.body_check import BodyCheck, Operation, line_objects
from tieout.rest.desk import Desk
from tieout.rest.doubts import tell
from tieout.rest.effects import Exchange


def check_bodies(
    desk: Desk,
    object: str,
    bodies: Sequence[Any],
    operation: Operation,
    *,
    many: bool = False,
    check: bool | None = None,
) -> Exchange[None]:
    """Raise CheckError with every mistake of every body; what is only doubted becomes a CheckWarning.

    `check=None` does what the client was told to. Of `many` each problem names its record: `[3].lines[0].txnAmount`."""
    if not (desk.check if check is None else check) or not bodies:
        return
    name = catalogue.resolve(object)
    model = yield from _model(desk, name)
    if model is None:
        return
    lines: dict[str, Model] = {}
    unknown: set[str] = set()
    while wanted := sorted(set(line_objects(model, bodies, lines)) - unknown):
        for line in wanted:
            found = yield from _line_model(desk, line)
            if found is None:
                unknown.add(line)
            else:
                lines[line] = found
    batch = many and operation == "update"
    found_all = BodyCheck(model, operation, lines=lines, entity=desk.session.entity, keyed=batch)
    for position, body in enumerate(bodies):
        found_all.run(body, f"[{position}]." if many else "")
    tell(name, found_all.warnings)
    if found_all.problems:
        what = f"The batch of {len(bodies)} for {name}" if many else f"The body for {name}"
        raise CheckError(what, found_all.problems)


def _model(desk: Desk, name: str) -> Exchange[Model | None]:
    """The live model; the catalogue's, which only warns, where the company will not or cannot tell."""
    try:
        return (yield from models.model(desk, name))
    except ForbiddenError:
        return _offline(name)
    except UnknownNameError:
        if "::" not in name:
            raise
        return _offline(name)  # whether transaction definitions have models of their own is not documented


def _line_model(desk: Desk, name: str) -> Exchange[Model | None]:
    try:
        return (yield from models.model(desk, name))
    except (ForbiddenError, UnknownNameError):
        return _offline(name)


def _offline(name: str) -> Model | None:
    """The catalogue's model; also where it was recorded live, it is another company's."""
    try:
        found = catalogue.load(name)
    except UnknownNameError:
        return None
    return msgspec.structs.replace(found, evidence="overlay")
