"""Puts environment variables into settings, and refuses secrets that are written out in the project file.

Knows strings and key names only; what a setting means is its room's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from tieout.errors import ConfigurationError

Path: TypeAlias = tuple[str, ...]

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ONE_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}\Z")
_SECRET_KEY = re.compile(
    r"(?:^|[_\-.])(?:secret|password|passphrase|token|(?:api|private|master)_?key)\Z", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"\A[A-Za-z][A-Za-z0-9+.\-]*://[^/@:\s]*:([^/\s]*)@")
_URL_QUERY_PASSWORD = re.compile(r"[?&](?:password|passwd|secret|token)=([^&\s]*)", re.IGNORECASE)


def substitute(value: object, environment: Mapping[str, str], *, where: str) -> object:
    """`value` with `${NAME}` replaced by the environment variable NAME in every string, at any depth.

    `$${` stands for a literal `${`. What a variable holds is put in as it is, never expanded again.
    `where` names the section for the error. Raises ConfigurationError for a variable that is not set.
    """
    if isinstance(value, str):
        return _text(value, environment, where) if "${" in value else value
    if isinstance(value, dict):
        return {key: substitute(inner, environment, where=f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [substitute(inner, environment, where=where) for inner in value]
    return value


def _text(text: str, environment: Mapping[str, str], where: str) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "${"
        if not match.group(0).endswith("}") or not _NAME.match(name):
            raise ConfigurationError(
                f"{where} holds a '${{' that is no reference to an environment variable.",
                advice="Write ${NAME}, or $${ for the characters themselves.",
            )
        if name not in environment:
            raise ConfigurationError(
                f"{where} needs the environment variable {name}, which is not set.",
                advice=f"Set it, for example: export {name}=...",
            )
        return environment[name]

    return _REFERENCE.sub(replace, text)


def literal_secrets(document: Mapping[str, object]) -> Iterator[Path]:
    """Paths of settings that hold a secret as text instead of a `${NAME}` reference.

    A secret is a string under a key such as `client_secret`, `password` or `token`, or a password inside a URL. In a
    `fields` table the keys are field names of Intacct and a plain string names a column, so only `constant` and
    `default` values count there.
    """
    yield from _walk(document, (), secret=False)


def _walk(value: object, path: Path, *, secret: bool) -> Iterator[Path]:
    if isinstance(value, Mapping):
        mapping = "fields" in path
        for key, inner in value.items():
            named = len(path) != 1 and bool(_SECRET_KEY.search(key))
            column = mapping and isinstance(inner, str) and not (secret and key in {"constant", "default"})
            yield from _walk(inner, (*path, key), secret=(named or secret) and not column)
    elif isinstance(value, str):
        if (secret and value and not _ONE_REFERENCE.match(value)) or _has_password(value):
            yield path
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _walk(inner, path, secret=secret)


def _has_password(text: str) -> bool:
    found = _URL_PASSWORD.match(text)
    parts = [found.group(1)] if found else []
    parts += _URL_QUERY_PASSWORD.findall(text) if "://" in text else []
    return any(part and not _ONE_REFERENCE.match(part) for part in parts)
