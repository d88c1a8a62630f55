"""Who asks, and from which entity. Knows nothing of tokens and headers."""

from __future__ import annotations

import msgspec

DEMO_PASSWORD = "demo"  # noqa: S105 - printed by the simulator itself


class EntityRef(msgspec.Struct, frozen=True):
    """A location entity of the company."""

    key: str
    id: str
    name: str | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the company. `entities` are the ids of the entities that it may enter, None for all."""

    key: str
    id: str
    password: str = DEMO_PASSWORD
    entities: tuple[str, ...] | None = None


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of one request: a user, in an entity or at top level (`entity` None).

    `allowed_entities` are ids, None where the user is not restricted (REST reference 10.3, 19)."""

    user_key: str
    user_id: str
    entity: EntityRef | None = None
    allowed_entities: tuple[str, ...] | None = None
