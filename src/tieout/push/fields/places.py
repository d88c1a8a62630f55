"""Which entity a row belongs to, where the source names an office, a person or anything else that Intacct places.

`entity = { column = "Office", lookup = "name" }`: all records that could be meant are read once, in few pages, because
the entity must be known before rows become documents. Knows no rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.errors import TieoutError
from tieout.push.dispatch.flights import together
from tieout.push.fields.columns import LookupSetting
from tieout.push.fields.lookups import NoSuchLookup, check_where, email_path
from tieout.push.fields.values import Misfit, near

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct, Row

ENTITY, LOCATION = "company-config/entity", "company-config/location"
_DEEPEST = 20
"""Locations above a location; more is a circle."""


class Places(msgspec.Struct, frozen=True):
    """Texts without case -> the entities that they may mean, and how Intacct writes them."""

    noun: str
    by: str
    entities: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]

    def entity(self, text: str) -> str:
        """The entity that a cell means. Raises Misfit where it means none, or several."""
        found = self.entities.get(text.strip().casefold(), ())
        if len(found) == 1:
            return found[0]
        if found:
            raise Misfit(f"is the {self.by} of several: a {self.noun} of {' and one of '.join(found)}")
        raise Misfit(f"is the {self.by} of no {self.noun} that belongs to an entity", near(text, self.words))


def read_places(setting: LookupSetting, client: Intacct) -> Places:
    """What a look-up of entities can give. Raises NoSuchLookup, and what the client raises.

    Without `object` it is a location; `give` says where another object has its location or entity: an employee's
    `location.id`. Two queries, three for another object; a billable transaction each for 4,000 records."""
    from tieout.rest.reading import filter_of

    if not isinstance(setting.by, str):
        raise NoSuchLookup("looks up an entity by several columns; it takes one")
    try:
        name = catalogue.resolve(setting.object) if setting.object is not None else LOCATION
        paths = client.model(name).paths()
    except TieoutError as error:
        raise NoSuchLookup(f"looks up {setting.object!r}: {error.message}") from None
    by = email_path(setting.by, paths)
    give = setting.give or ("id" if name in (ENTITY, LOCATION) else "location.id")
    for field in (by, give):
        if field not in paths:
            nearest = catalogue.nearest(field, tuple(paths), 1)
            raise NoSuchLookup(f"looks up by {field!r}, which {name} does not have", nearest[0] if nearest else "")
    check_where(setting.where)

    def read(object: str, fields: Sequence[str], where: Filter | None = None) -> list[Row]:
        return list(client.query(object, fields, where, private=True, page_size=4000))

    meant, entity_rows, location_rows = together(
        client.limiter.ceiling,
        [
            partial(read, name, list(dict.fromkeys((by, give))), filter_of(setting.where)),
            partial(read, ENTITY, ["id"]),
            partial(read, LOCATION, ["id", "parent.id"]),
        ],
    )
    home = _homes(entity_rows, location_rows)
    entities: dict[str, tuple[str, ...]] = {}
    words = []
    for row in meant:
        word, entity = row[by], home.get(str(row[give]))
        if not word or entity is None:
            continue
        key = str(word).strip().casefold()
        if entity not in entities.get(key, ()):
            entities[key] = (*entities.get(key, ()), entity)
        words.append(str(word))
    return Places(name.rpartition("/")[2].replace("-", " "), by, entities, tuple(words))


def _homes(entity_rows: Iterable[Row], location_rows: Iterable[Row]) -> dict[str, str]:
    """Id of a location, or of an entity -> the entity that it is or lies in."""
    entities = {str(row["id"]) for row in entity_rows}
    parents = {str(row["id"]): str(row["parent.id"] or "") for row in location_rows}
    homes = {entity: entity for entity in entities}
    for location in parents:
        here = location
        for _ in range(_DEEPEST):
            if here in entities:
                homes[location] = here
                break
            here = parents.get(here, "")
    return homes
