"""What a section's struct knows: settings that it does not, however deep they stand, and what one may be. Knows
structs, no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec


def unknown_settings(raw: object, kind: Any) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """(path below the section, settings known there) for every key that no struct has.

    Walks structs, tables of structs (`fields = { x = {...} }`) and choices between a struct and something plain."""
    if not isinstance(raw, dict):
        return
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        types = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
        for key, value in raw.items():
            if key not in types:
                yield (key,), tuple(types)
                continue
            for path, known in unknown_settings(value, types[key]):
                yield (key, *path), known
    elif get_origin(kind) is dict:
        for key, value in raw.items():
            for path, known in unknown_settings(value, get_args(kind)[1]):
                yield (str(key), *path), known
    else:
        for choice in get_args(kind):
            yield from unknown_settings(raw, choice)


def choices(kind: Any, path: Sequence[str]) -> list[str]:
    """The words that the setting at a path may be; none where it may be anything."""
    if get_origin(kind) is Literal:
        return [] if path else [str(word) for word in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        names = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
        if not path or path[0] not in names:
            return []
        return choices(get_type_hints(kind)[names[path[0]]], path[1:])
    inner = path[1:] if get_origin(kind) in (dict, list, tuple) else path
    return [word for part in get_args(kind) for word in choices(part, inner)]
