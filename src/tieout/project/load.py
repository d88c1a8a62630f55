"""Finds and reads tieout.toml and hands out its sections as typed structs.

Knows which sections exist, not what is in them: each room brings the struct of its own.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tieout.errors import ConfigurationError, UnknownNameError
from tieout.project.places import line_of
from tieout.project.unknown import choices, unknown_settings
from tieout.project.variables import literal_secrets, substitute

T = TypeVar("T")

FILE_NAME = "tieout.toml"
SECTIONS = ("state", "connections", "pull", "push", "schedule")
"""Every top-level table a project file may hold (docs/architecture.md)."""

_DEFAULT_STATE = "sqlite:///tieout.db"
_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
    "date": "a date",
    "datetime": "a date and time",
    "decimal": "a number",
}


class StateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[state]`: where tieout keeps connections, ledgers and what it has learnt."""

    url: str = _DEFAULT_STATE


class Project:
    """One project: a root folder, and the settings in its tieout.toml if there is one.

    `root` is absolute; relative paths in settings are relative to it. `path` is the file, None without one.
    Environment variables are put in when a section is asked for, so a variable that only one section needs may be
    missing while the others are used.
    """

    def __init__(self, root: Path, path: Path | None = None, text: str = "") -> None:
        self.root = root
        self.path = path
        self._text = text
        self._document = self._parse()

    @property
    def exists(self) -> bool:
        """Whether there is a project file."""
        return self.path is not None

    @property
    def state_url(self) -> str:
        """URL of the state database: TIEOUT_STATE_URL, else `[state] url`, else `tieout.db` in the root.

        A relative SQLite path is relative to the root. Raises ConfigurationError for a bad `[state]`.
        """
        url = os.environ.get("TIEOUT_STATE_URL") or self._convert(("state",), self._table("state"), StateSettings).url
        head, separator, file = url.partition(":///")
        if separator and head.split("+")[0] == "sqlite" and file and not file.startswith(("/", ":", "file:")):
            return f"{head}:///{self.root / file}"
        return url

    def names(self, kind: str) -> tuple[str, ...]:
        """Names of the sections of one kind, in the order of the file: `names("pull")` -> `("bills", "vendors")`."""
        return tuple(self._table(kind))

    @property
    def connection_names(self) -> tuple[str, ...]:
        """Connections the file names. Whether they are connected is known by the state database."""
        return self.names("connections")

    def section(self, kind: str, name: str, type: type[T]) -> T:
        """The section `[kind.name]` as `type`, a msgspec struct.

        Raises UnknownNameError (with the nearest names) where there is none, ConfigurationError naming file, line and
        setting for an unknown setting, a value of the wrong type or an environment variable that is not set.
        """
        table = self._table(kind)
        if name not in table:
            advice = f"Add a section [{kind}.{name}] to {self.path or FILE_NAME}."
            raise UnknownNameError(
                f"section [{kind}.*] named", name, nearest=_nearest(name, tuple(table)), advice=advice
            )
        return self._convert((kind, name), table[name], type)

    def settings_in(self, kind: str, name: str) -> tuple[str, ...]:
        """The settings that a section itself has, as written: what it leaves to defaults is not among them."""
        section = self._table(kind).get(name)
        return tuple(section) if isinstance(section, dict) else ()

    def _table(self, kind: str) -> dict[str, object]:
        found = self._document.get(kind, {})
        return found if isinstance(found, dict) else {}

    def _parse(self) -> dict[str, object]:
        try:
            document = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(
                f"{self.path} is not valid TOML: {str(error)[:1].lower()}{str(error)[1:]}.",
                advice="Correct that line; strings need quotes.",
            ) from None
        for kind, content in document.items():
            if kind not in SECTIONS:
                near = _nearest(kind, SECTIONS)
                raise self._error((kind,), "there is no such section", _hint(near) or f"Known: {', '.join(SECTIONS)}.")
            if not isinstance(content, dict):
                raise self._error((kind,), "expected a table", f"Write [{kind}.NAME] and settings below it.")
            for name, section in content.items():
                if kind != "state" and not isinstance(section, dict):
                    raise self._error((kind, name), "expected a table", f"Write [{kind}.NAME] and settings below it.")
        for path in literal_secrets(document):
            raise self._error(
                path,
                "a secret is written out in the project file",
                "Put it in an environment variable and write ${NAME} here; if the file was shared, change the secret.",
            )
        return document

    def _convert(self, path: tuple[str, ...], raw: object, type: type[T]) -> T:
        for inner, known in unknown_settings(raw, type):
            near = _nearest(inner[-1], known)
            advice = _hint(near) or f"Known: {', '.join(sorted(known))}."
            raise self._error((*path, *inner), "there is no such setting", advice)
        try:
            filled = substitute(raw, os.environ, where=self._place(path))
            return msgspec.convert(filled, type)
        except msgspec.ValidationError as error:
            inner, reason = explained(error, type)
            raise self._error((*path, *inner), reason, "") from None

    def _error(self, path: tuple[str, ...], reason: str, advice: str) -> ConfigurationError:
        return ConfigurationError(f"{self._place(path)}: {reason}.", advice=advice)

    def _place(self, path: tuple[str, ...]) -> str:
        line = line_of(self._text, path)
        file = f"{self.path}, line {line}" if line else f"{self.path or FILE_NAME}"
        return f"{file}, {'.'.join(path)}"

    def __repr__(self) -> str:
        return f"Project({str(self.path or self.root)!r})"


def load(path: Path | None = None) -> Project:
    """The project at `path` (a file or its folder), else TIEOUT_PROJECT, else ./tieout.toml.

    Without any of them: a project of the working directory with no sections (`exists` is False). Raises
    ConfigurationError for a file that was named and is not there, cannot be read, is not UTF-8 or not valid TOML, for
    an unknown section, and for a secret written out in it.
    """
    named = path or (Path(value) if (value := os.environ.get("TIEOUT_PROJECT")) else None)
    file = (named or Path()).absolute()
    if file.is_dir():
        file = file / FILE_NAME
    if named is None and not file.exists():
        return Project(file.parent)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no project file {file}.", advice="Run `tieout init` there, or name another with --project."
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The project file {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"The project file {file} is not UTF-8 text.", advice="Save it as UTF-8.") from None
    return Project(file.parent, file, text)


def _nearest(word: str, words: tuple[str, ...]) -> tuple[str, ...]:
    from tieout.catalogue import nearest

    return nearest(word, words)


def _hint(near: tuple[str, ...]) -> str:
    return f"Did you mean {' or '.join(near)}?" if near else ""


def explained(error: msgspec.ValidationError, kind: Any) -> tuple[tuple[str, ...], str]:
    """The path below a section of a type and the reason in plain words."""
    reason, _, place = str(error).partition(" - at `$")
    keys = tuple(part for part in re.split(r"[.\[\]`]+", place) if part)
    if (match := re.fullmatch(r"Invalid enum value (.+)", reason)) and (words := choices(kind, keys)):
        return keys, f"{match.group(1)} is not one of: {', '.join(words)}"
    if match := re.fullmatch(r"Object missing required field `(.+)`", reason):
        return keys, f"the setting {match.group(1)!r} is missing"
    if match := re.fullmatch(r"Object contains unknown field `(.+)`", reason):
        return (*keys, match.group(1)), "there is no such setting"
    if match := re.fullmatch(r"Expected `(.+)`, got `(.+)`", reason):
        return keys, f"expected {_plain(match.group(1))}, found {_plain(match.group(2))}"
    return keys, f"{reason[:1].lower()}{reason[1:]}".replace("`", "")


def _plain(types: str) -> str:
    parts = [part for part in types.split(" | ") if part != "null" or types == "null"]
    return " or ".join(_TYPES.get(part, part) for part in parts)
