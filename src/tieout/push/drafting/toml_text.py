"""Writes parts of a project file: keys, values and [fields] entries as TOML. Knows nothing of what they mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {"\x7f": "\\u007f"}


def key(name: str) -> str:
    """`billNumber` as it is, `"vendor.id"` in quotes."""
    return name if _BARE.fullmatch(name) else text(name)


def text(value: str) -> str:
    """A basic string. JSON's escapes are TOML's, but for DEL, which TOML wants escaped."""
    return "".join(_ESCAPED.get(character, character) for character in json.dumps(value, ensure_ascii=False))


def comment(words: str) -> str:
    """Words that stay on one line behind a #: what cannot be shown there is escaped as in a string."""
    return "".join(c if c.isprintable() else text(c)[1:-1] for c in words)


def value(given: object) -> str:
    """Any setting on one line: structs and mappings as inline tables, without what is at its default."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return text(given)
    if isinstance(given, int | float):
        return repr(given)
    if isinstance(given, msgspec.Struct):
        return _table(_written(given))
    if isinstance(given, Mapping):
        return _table(given)
    if isinstance(given, list | tuple):
        return "[" + ", ".join(value(part) for part in given) + "]"
    raise TypeError(f"{type(given).__name__} is nothing that a project file holds")


def _table(given: Mapping[str, object]) -> str:
    if not given:
        return "{}"
    return "{ " + ", ".join(f"{key(name)} = {value(part)}" for name, part in given.items()) + " }"


def _written(struct: msgspec.Struct) -> dict[str, object]:
    """The members of a struct that are not at their default, by their names in the project file."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(type(struct)):
        part = getattr(struct, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if part is None or part == default:
            continue
        found[field.encode_name] = part
    return found
