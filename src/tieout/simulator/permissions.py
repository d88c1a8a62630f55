"""What a user may do with which object, and how a call looks that it may not make.

Knows objects and operations by name only. Whose record it is (entities) is `visibility`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tieout.simulator.identity import Who
from tieout.simulator.refusal import Refusal

OPERATIONS = ("list", "read", "query", "create", "update", "delete")
_READING = frozenset({"list", "read", "query"})


def hides(who: Who, object: str, operation: str) -> bool:
    """False where the user may; True where the answer must look as if nothing were there; else raises Refusal.

    Which of the two comes is the switch `no_permission`. A write cannot look empty, so it is then forbidden."""
    if allows(who.permissions, object, operation):
        return False
    if who.without == "empty" and operation in _READING:
        return True
    if who.without == "refused":
        raise Refusal.not_permitted(operation, object)
    raise Refusal.forbidden_operation(who.user_id, operation, object)


def allows(permissions: Mapping[str, Sequence[str]] | None, object: str, operation: str) -> bool:
    """The nearest entry decides: the object, else its application (`general-ledger/*`), else `*`, else nothing is
    allowed. None allows everything."""
    if permissions is None:
        return True
    application = object.partition("/")[0]
    for pattern in (object, f"{application}/*", "*"):
        if pattern in permissions:
            return operation in permissions[pattern]
    return False


def checked(permissions: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Permissions given by hand. Raises ValueError for an operation that there is not, or no name of an object."""
    for pattern, operations in permissions.items():
        if pattern != "*" and pattern.count("/") != 1:
            raise ValueError(f"permissions are given for an object, an application/* or *, not {pattern!r}")
        for operation in operations:
            if operation not in OPERATIONS:
                raise ValueError(f"there is no operation {operation!r}; there are {', '.join(OPERATIONS)}")
    return {pattern: tuple(operations) for pattern, operations in permissions.items()}
