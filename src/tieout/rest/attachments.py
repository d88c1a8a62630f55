"""Files on records: a container (`company-config/attachment`) in a folder holds the files, and the record points to it
(REST reference 7.5).

Every step looks first at what is there, so that doing it again after a failure adds what is missing and nothing twice.
No I/O of its own: files are read, and requests sent, by whoever performs the effects.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from tieout import catalogue
from tieout.errors import AttachmentError, ConfigurationError, IntacctError, TieoutError
from tieout.rest import operations
from tieout.rest.batch import Reference
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange, Work
from tieout.rest.lines import Lines
from tieout.rest.perform import perform
from tieout.rest.rows import not_understood
from tieout.rest.writing import listed

ATTACHMENT = "company-config/attachment"
FOLDER = "company-config/folder"

File: TypeAlias = str | os.PathLike[str] | tuple[str, bytes]
"""A path, or (name, content)."""


class AttachedFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a record. `data` is None where Intacct sends none."""

    key: str
    name: str
    size: int | None
    """Bytes, as Intacct says."""
    data: bytes | None

    def __repr__(self) -> str:
        return f"AttachedFile({self.key!r}, {self.name!r}, {self.size} bytes)"


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """What `attach` did. `key` and `id` name the container."""

    key: str
    id: str
    added: tuple[str, ...]
    """Names of the files that were sent."""
    present: tuple[str, ...]
    """Names of those that were there already, with the same content."""


def attach(
    desk: Desk,
    object: str,
    key: str | int,
    files: Iterable[File],
    *,
    folder: str,
    name: str | None = None,
    id: str | None = None,
) -> Exchange[Attached]:
    """Add files to a record's attachment; makes folder, attachment and link where they are missing."""
    where = catalogue.resolve(object)
    if where in (ATTACHMENT, FOLDER):
        raise ConfigurationError("Files are attached to a record.", advice="Name the record's object and key.")
    contents: list[tuple[str, bytes]] = yield Work(partial(_read_all, listed(files, "files")))
    container = id or container_id(where, operations.key_text(key))
    linked = yield from _linked(desk, where, operations.key_text(key))
    there = linked.key if linked is not None else (yield from _find(desk, ATTACHMENT, container))
    if there is not None:
        named = (linked.id or there) if linked is not None else container
        place = _Place(where, operations.key_text(key), there, named, linked=linked is not None)
        return (yield from _complete(desk, place, contents))
    yield from _ensure_folder(desk, folder)
    place = _Place(where, operations.key_text(key), None, container, linked=False)
    yield from _make(desk, place, contents[0], folder, name or container)
    return (yield from _fill(desk, place, contents[1:], [contents[0][0]], []))


def attached_files(desk: Desk, object: str, key: str | int) -> Exchange[list[AttachedFile]]:
    """The files of a record, or of an attachment by its own key; empty where none are attached."""
    container = yield from _container(desk, object, key)
    return [] if container is None else (yield from _files(desk, container))


def remove_file(desk: Desk, object: str, key: str | int, file: str | AttachedFile) -> Exchange[None]:
    """Take one file away, by its key. The attachment and its other files stay."""
    container = yield from _container(desk, object, key)
    if container is None:
        raise ConfigurationError(f"{object} {key} has no files.", advice="`attached_files` lists them with their keys.")
    entry = Lines.delete(file.key if isinstance(file, AttachedFile) else file)
    yield from perform(desk.session, operations.update(ATTACHMENT, container, {"files": [entry]}))


def container_id(object: str, key: str) -> str:
    """The id given to a record's attachment, always the same for the same record: `ap-bill-194`."""
    application, _, name = object.partition("::")[0].partition("/")
    words = application.split("-")
    short = "".join(word[0] for word in words) if len(words) > 1 else application
    return f"{short}-{name}-{key}"


class _Place:
    """Where the files go, and what of it exists by now."""

    def __init__(self, object: str, record: str, key: str | None, id: str, *, linked: bool) -> None:
        self.object, self.record, self.key, self.id, self.linked = object, record, key, id, linked

    def stopped(self, at: str, error: TieoutError, added: Sequence[str], missing: Sequence[str]) -> AttachmentError:
        return AttachmentError(
            f"Attaching to {self.object} {self.record} stopped at {at}: {error.message}",
            key=self.key,
            id=self.id,
            added=added,
            missing=missing,
            cause=error,
        )


def _make(desk: Desk, place: _Place, first: tuple[str, bytes], folder: str, name: str) -> Exchange[None]:
    body = {"id": place.id, "name": name, "folder": {"id": folder}, "files": [_entry(first)]}
    try:
        made = yield from perform(desk.session, operations.create(ATTACHMENT, body))
    except TieoutError as error:
        raise place.stopped(repr(first[0]), error, [], [first[0]]) from error
    place.key = made.key


def _fill(
    desk: Desk,
    place: _Place,
    missing: Sequence[tuple[str, bytes]],
    added: list[str],
    present: Sequence[str],
) -> Exchange[Attached]:
    """Further files one by one, then the link: a request that fails concerns one file (REST reference 7.5)."""
    assert place.key is not None
    for at, file in enumerate(missing):
        call = operations.update(ATTACHMENT, place.key, {"files": [_entry(file)]})
        try:
            yield from perform(desk.session, call)
        except TieoutError as error:
            raise place.stopped(repr(file[0]), error, added, [name for name, _ in missing[at:]]) from error
        added.append(file[0])
    if not place.linked:
        call = operations.update(place.object, place.record, {"attachment": {"id": place.id}})
        try:
            yield from perform(desk.session, call)
        except TieoutError as error:
            raise place.stopped("linking the record to it", error, added, []) from error
    return Attached(key=place.key, id=place.id, added=tuple(added), present=tuple(present))


def _complete(desk: Desk, place: _Place, wanted: Sequence[tuple[str, bytes]]) -> Exchange[Attached]:
    """Add what an attachment does not hold yet."""
    assert place.key is not None
    found = yield from _files(desk, place.key)
    missing = [file for file in wanted if not any(_is_there(file, each) for each in found)]
    present = [file[0] for file in wanted if file not in missing]
    return (yield from _fill(desk, place, missing, [], present))


def _linked(desk: Desk, object: str, key: str) -> Exchange[Reference | None]:
    """A record's attachment. Raises NotFoundError, ConfigurationError if its object takes none."""
    record = yield from perform(desk.session, operations.get_one(object, key))
    found = record.get("attachment")
    if found is None and "attachment" not in record and not _takes_files(object):
        raise ConfigurationError(f"{object} takes no attachment.", advice="`tieout model` shows what it has.")
    if not isinstance(found, dict) or (found.get("key") is None and found.get("id") is None):
        return None
    id = None if found.get("id") is None else str(found["id"])
    named = str(found["key"]) if found.get("key") is not None else (yield from _find(desk, ATTACHMENT, str(id)))
    return None if named is None else Reference(key=named, id=id)


def _container(desk: Desk, object: str, key: str | int) -> Exchange[str | None]:
    """The key of the attachment of a record, or of itself."""
    where = catalogue.resolve(object)
    if where == ATTACHMENT:
        return operations.key_text(key)
    linked = yield from _linked(desk, where, operations.key_text(key))
    return None if linked is None else linked.key


def _takes_files(object: str) -> bool:
    try:
        return "attachment" in catalogue.load(object).refs
    except TieoutError:
        return True  # only the company knows


def _find(desk: Desk, object: str, id: str) -> Exchange[str | None]:
    keys = yield from perform(desk.session, operations.find_keys(object, id))
    if len(keys) > 1:
        raise ConfigurationError(f"{object} {id!r} exists more than once, in several entities.", advice="Pass another.")
    return keys[0] if keys else None


def _ensure_folder(desk: Desk, folder: str) -> Exchange[None]:
    if (yield from _find(desk, FOLDER, folder)) is not None:
        return
    try:
        yield from perform(desk.session, operations.create(FOLDER, {"id": folder}))
    except IntacctError:
        if (yield from _find(desk, FOLDER, folder)) is None:  # not one that somebody else just made
            raise


def _files(desk: Desk, container: str) -> Exchange[list[AttachedFile]]:
    record = yield from perform(desk.session, operations.get_one(ATTACHMENT, container))
    found = record.get("files")
    if found is None:
        return []
    if not isinstance(found, list):
        raise not_understood("reading an attachment")
    return [_file(item) for item in found]


def _file(item: Any) -> AttachedFile:
    if not isinstance(item, dict) or item.get("key") is None:
        raise not_understood("reading an attachment")
    size = item.get("size")
    data = item.get("data")
    try:
        content = base64.b64decode("".join(data.split()), validate=True) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        raise not_understood("reading an attachment") from None
    return AttachedFile(
        key=str(item["key"]),
        name=str(item.get("name") or ""),
        size=int(str(size)) if str(size).isdecimal() else None,
        data=content,
    )


def _is_there(file: tuple[str, bytes], found: AttachedFile) -> bool:
    name, content = file
    same = found.data == content if found.data is not None else found.size == len(content)
    return found.name == name and same


def _entry(file: tuple[str, bytes]) -> dict[str, str]:
    name, content = file
    return {"name": name, "data": base64.b64encode(content).decode("ascii")}


def _read_all(files: Sequence[Any]) -> list[tuple[str, bytes]]:
    """Names and contents, read before anything is sent. The same file given twice counts once."""
    if not files:
        raise ConfigurationError("There is no file to attach.")
    return list(dict.fromkeys(_read(file) for file in files))


def _read(file: Any) -> tuple[str, bytes]:
    if isinstance(file, tuple) and len(file) == 2 and isinstance(file[0], str) and isinstance(file[1], bytes):
        name, content = file
    elif isinstance(file, (str, os.PathLike)):
        path = Path(file)
        try:
            name, content = path.name, path.read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no path"
            raise ConfigurationError(f"{str(path)!a} cannot be read: {reason}.") from None
    else:
        raise ConfigurationError(
            f"A file to attach is a path or (name, bytes), not {type(file).__name__}.", advice="Nothing was sent."
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(
            f"The file name {name!a} is not Unicode.", advice="Give it as (name, bytes) under another name."
        ) from None
    if not name.strip() or "/" in name or not name.isprintable():
        raise ConfigurationError(f"{name!a} is not a file name.", advice="Give the file as (name, bytes).")
    if not content:
        raise ConfigurationError(f"The file {name!r} is empty.", advice="Nothing was sent.")
    return name, content
