"""Who asks, and from which entity. Knows nothing of tokens and headers."""

from __future__ import annotations

from typing import Literal

import msgspec

DEMO_PASSWORD = "demo"  # noqa: S105 - printed by the simulator itself

Status = Literal["active", "inactive", "lockedOut"]
"""`company-config/user`.status (REST reference 9.1); only an active user signs in."""


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
    top_level: bool = True
    """May work at top level, besides in its entities (`entityAccess.allowTopLevelAccess`)."""
    admin: bool = False
    """May authorise an application for the company (REST reference 1.2)."""
    web_services: bool = True
    """May be named by client credentials (REST reference 1.4)."""
    permissions: dict[str, tuple[str, ...]] | None = None
    """Object, `application/*` or `*` -> the operations allowed; None for everything (`permissions`)."""


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of one request: a user, in an entity or at top level (`entity` None).

    `allowed_entities` are ids, None where the user is not restricted (REST reference 10.3, 19)."""

    user_key: str
    user_id: str
    entity: EntityRef | None = None
    allowed_entities: tuple[str, ...] | None = None
    permissions: dict[str, tuple[str, ...]] | None = None
    without: str = "forbidden"
    """How a call without permission is answered: a word of the switch `no_permission`."""
