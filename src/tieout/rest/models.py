"""The company's live models, asked for once and remembered while they are young."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from urllib.parse import unquote

from tieout import catalogue
from tieout.catalogue.model import Model, Node
from tieout.errors import ConfigurationError, InvalidRequestError, TieoutError, UnknownNameError
from tieout.rest import operations
from tieout.rest.call import Call
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange, Work
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
    found: Model | None = (yield Work(partial(desk.memory.model, name, max_age))) if max_age != 0 else None
    if found is None:
        try:
            found = yield from perform(desk.session, operations.get_model(name))
        except InvalidRequestError as error:
            if error.code != "unknownObject":
                raise
            raise UnknownNameError("object", object, nearest=catalogue.nearest(name, catalogue.names())) from None
        yield Work(partial(desk.memory.keep_model, name, found))
    return found


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
