"""Finds the line of tieout.toml that a setting stands on, so that an error can point at it.

Works on the text alone and never fails: a setting that cannot be found has no line.
"""

from __future__ import annotations

import re
import tomllib

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?\Z")
_SETTING = re.compile(r"""\s*((?:[A-Za-z0-9_\-.\s]|"[^"]*"|'[^']*')+?)\s*=""")


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """1-based line of the setting at `path`, or of the nearest one around or in it; None where nothing matches."""
    table: tuple[str, ...] = ()
    best, best_length = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            here = table = _keys(header.group(1))
        elif setting := _SETTING.match(line):
            here = table + _keys(setting.group(1))
        else:
            continue
        depth = min(len(here), len(path))
        if depth > best_length and here[:depth] == path[:depth]:
            best, best_length = number, depth
    return best


def _keys(dotted: str) -> tuple[str, ...]:
    try:
        found: object = tomllib.loads(f"{dotted.strip()} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    keys: list[str] = []
    while isinstance(found, dict) and found:
        key = next(iter(found))
        keys.append(key)
        found = found[key]
    return tuple(keys)
