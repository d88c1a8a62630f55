"""Owned lines as a change of their owner wants them: add, change, delete in one PATCH, which Intacct takes whole or not
at all (REST reference 4.5). Lines not mentioned stay as they are.

Makes bodies only; knows no object and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.errors import ConfigurationError

OPERATION = "ia::operation"


class Lines:
    """Entries for the list of lines in a change of their owner.

    >>> intacct.update("bills", "194", {"lines": [
    ...     Lines.add({"glAccount": {"id": "6000"}, "txnAmount": "5.00"}),
    ...     Lines.change("7199", {"memo": "two weeks"}),
    ...     Lines.delete("7200"),
    ... ]})
    """

    @staticmethod
    def add(fields: Mapping[str, Any]) -> dict[str, Any]:
        """A new line. Raises ConfigurationError if it has a key: that would change the line of that key."""
        if fields.get("key") is not None or OPERATION in fields:
            raise ConfigurationError(
                "A line to add has no key and no operation.",
                advice="Use Lines.change or Lines.delete for a line there.",
            )
        return {name: value for name, value in fields.items() if name != "key"}

    @staticmethod
    def change(key: str | int, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The line of this key with these fields changed; None clears one. ConfigurationError for another key."""
        if str(fields.get("key", key)) != str(key) or OPERATION in fields:
            raise ConfigurationError(f"The changes of line {key} name another key or an operation.")
        return {**fields, "key": _key(key)}

    @staticmethod
    def delete(key: str | int) -> dict[str, Any]:
        """The line of this key deleted."""
        return {"key": _key(key), OPERATION: "delete"}


def _key(key: str | int) -> str:
    text = str(key).strip()
    if not text or isinstance(key, bool):
        raise ConfigurationError(
            f"{key!r} is not the key of a line.", advice="A key is Sage's system key, such as 7200."
        )
    return text
