"""The company's live models, asked for once and remembered while they are young."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Model, Node
from tieout.errors import (
    ConfigurationError,
    DeadlineError,
    ForbiddenError,
    InvalidRequestError,
    TieoutError,
    UnknownNameError,
)
from tieout.rest import operations
from tieout.rest.call import Call
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange, Slot, Work
from tieout.rest.limiter import NoPlace
from tieout.rest.memory import Memory
from tieout.rest.perform import perform
from tieout.rest.session import Session

_OBJECT = re.compile(r"/objects/([^/]+/[^/]+)")


def model(desk: Desk, object: str, max_age: float | None = None) -> Exchange[Model]:
    """The company's live model, from memory while it is young: not older than `max_age` seconds, or than what the
    memory takes for young. 0 asks the company."""
    if max_age is not None and not max_age >= 0:
        raise ConfigurationError(f"An age is 0 seconds or more, not {max_age}.")
    name = catalogue.resolve(object)
    if max_age == 0:
        return (yield from _asked(desk, name, object))
    found: Model | None = yield Work(partial(desk.memory.model, name, max_age))
    if found is not None:
        return found
    try:
        turn = yield Slot(desk.turn(name), desk.session.patience())
    except NoPlace:
        raise DeadlineError(
            f"The model of {name} was not there in time: another call was asking for it.",
            advice="Run the same again; it is remembered once it has come.",
        ) from None
    try:
        found = yield Work(partial(desk.memory.model, name, max_age))
        return found if found is not None else (yield from _asked(desk, name, object))
    finally:
        turn.release()


def _others(name: str) -> tuple[str, ...]:
    """The nearest names that are not this one, which is documented but not in this company."""
    return tuple(other for other in catalogue.nearest(name, catalogue.names()) if other != name)


def _asked(desk: Desk, name: str, object: str) -> Exchange[Model]:
    """The model as the company answers it now; `object` is how the caller named it."""
    try:
        found = yield from perform(desk.session, operations.get_model(name))
    except InvalidRequestError as error:
        if error.code != "unknownObject":
            raise
        raise UnknownNameError("object", object, nearest=_others(name)) from None
    yield Work(partial(desk.memory.keep_model, name, found))
    return found


def with_related(desk: Desk, definition: Model, names: Iterable[str]) -> Exchange[Model]:
    """The model, and in its references what `names` ask of the records referred to: a query can name that too,
    `max:vendor.creditLimit` (REST reference 5.1, 5.5)."""
    paths, references = definition.paths(), definition.references()
    for name in names:
        if name in paths:
            continue
        place = max((ref for ref in references if name.startswith(f"{ref}.")), key=len, default="")
        object = references[place].object if place else None
        if object is None:
            continue
        try:
            other = yield from model(desk, object)
        except (ForbiddenError, UnknownNameError):
            continue  # nobody can say what it has
        definition = _grafted(definition, place.split("."), other)
        paths = definition.paths()
    return definition


N = TypeVar("N", bound=Node)


def _grafted(node: N, steps: Sequence[str], other: Model) -> N:
    """The node with what `other` has in the reference that the steps lead to; what the reference says itself stays."""
    head, *rest = steps
    if rest:
        return msgspec.structs.replace(node, groups=node.groups | {head: _grafted(node.groups[head], rest, other)})
    ref = node.refs[head]
    more = {name: getattr(other, name) | getattr(ref, name) for name in ("fields", "groups", "refs")}
    return msgspec.structs.replace(node, refs=node.refs | {head: msgspec.structs.replace(ref, **more)})


def keys_work(memory: Memory, session: Session, call: Call[Any]) -> Exchange[bool]:
    """Does Intacct know idempotency keys for this write? What the live model of its object says (REST reference 7.6);
    services and workflows are taken to, as documented in general."""
    place = _OBJECT.match(call.path)
    if place is None:
        return True
    definition = yield from model(Desk(session=session, memory=memory), unquote(place[1]))
    return definition.idempotence


def offline(object: str) -> Node | None:
    try:
        return catalogue.load(object)
    except TieoutError:
        return None
