"""Settings that a section's struct does not know, however deep they stand. Knows structs, no file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

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
