"""Reads the `.env` beside a project: variables, secrets among them, for who has no better place. Sets nothing.

How the file is written is python-dotenv's business; a line it cannot read is refused here instead of passed over.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tieout.errors import ConfigurationError

FILE_NAME = ".env"


def variables(root: Path) -> dict[str, str]:
    """What `.env` in `root` says, as it stands: nothing is expanded. Empty where there is none.

    Raises ConfigurationError with the number of a line that cannot be read, never with what stands in it."""
    file = root / FILE_NAME
    if not file.is_file():
        return {}
    from dotenv.parser import parse_stream

    found: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for binding in parse_stream(stream):
                if binding.error or (binding.key is not None and binding.value is None):
                    raise ConfigurationError(
                        f"Line {binding.original.line} of {file} is no NAME=VALUE.",
                        advice="Put a value with blanks or quotes in quotes, and # before a remark.",
                    )
                if binding.key is not None:
                    found[binding.key] = binding.value or ""
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is not UTF-8 text.", advice="Save it as UTF-8.") from None
    return found


def is_open(root: Path) -> bool:
    """Whether other users of this machine can read `.env`."""
    try:
        mode = (root / FILE_NAME).stat().st_mode
    except OSError:
        return False
    return os.name == "posix" and bool(mode & (stat.S_IRGRP | stat.S_IROTH))
