"""The files of an attachment: numbered, measured, added and taken away (REST reference 7.5).

Knows base64 and sizes. Refuses to know where the list is stored.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tieout.simulator import refusal
from tieout.simulator.checks import LINE_OPERATION
from tieout.simulator.refusal import Refusal

ATTACHMENT = "company-config/attachment"
_SET_BY_SAGE = ("id", "size", "href", "attachment", "externalStorageId")


def files_after(
    before: Sequence[Mapping[str, Any]], changes: object, next_key: Callable[[], int], attachment: str
) -> list[dict[str, Any]]:
    """The files of an attachment after a create or an update: an item with `key` changes that file or, with
    `"ia::operation": "delete"`, takes it away; one without is added. Files not named stay. New files get the
    next key. Refusal 400 naming every mistake."""
    problems: list[dict[str, Any]] = []
    files = {str(file["key"]): dict(file) for file in before}
    for i, item in enumerate(changes if isinstance(changes, list) else ()):
        pointer = f"/files/{i}"
        if not isinstance(item, Mapping):
            problems.append(refusal.not_a_valid_value(pointer, "an object"))
            continue
        problems.extend(refusal.read_only_field(f"{pointer}/{name}") for name in _SET_BY_SAGE if name in item)
        key, word = item.get("key"), item.get(LINE_OPERATION)
        if key is not None and str(key) not in files:
            problems.append(refusal.not_a_valid_value(f"{pointer}/key", "the key of a file of this attachment"))
        elif word == "delete" and key is not None:
            del files[str(key)]
        elif word is not None:
            problems.append(refusal.not_a_valid_value(f"{pointer}/{LINE_OPERATION}", "delete, with the key of a file,"))
        else:
            file = files.get(str(key), {}) | {name: item[name] for name in ("name", "data") if name in item}
            problems.extend(_mistakes(pointer, file))
            if not problems:
                number = str(next_key() if key is None else key)
                files[number] = _file(number, file, attachment)
    if problems:
        raise Refusal.payload_errors(problems)
    return list(files.values())


def _mistakes(pointer: str, file: Mapping[str, Any]) -> list[dict[str, Any]]:
    problems = [
        refusal.required_field(f"{pointer}/{name}")
        for name in ("name", "data")
        if not isinstance(file.get(name), str) or (name == "name" and not file[name])
    ]
    if isinstance(file.get("data"), str) and _bytes(file["data"]) is None:
        problems.append(refusal.not_a_valid_value(f"{pointer}/data", "base64"))
    return problems


def _file(key: str, file: Mapping[str, Any], attachment: str) -> dict[str, Any]:
    data = _bytes(file["data"]) or b""
    return {
        "id": key,
        "key": key,
        "attachment": {"key": attachment},
        "data": file["data"],
        "name": file["name"],
        "size": len(data),
    }


def _bytes(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
