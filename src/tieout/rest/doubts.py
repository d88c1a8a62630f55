"""Tells what a check doubts but does not refuse, through Python's own `warnings`, at the line of the caller's program.

A warning rather than an error, since a deprecated name must not break an integration that works; rather than a log
line, since warnings are shown without any setting, once for each line, and tests can turn them into errors.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from tieout.errors import CheckWarning, Problem

_HERE = str(Path(__file__).parent.parent)
_RECORD = re.compile(r"^\[\d+\]\.?")
_LINE = re.compile(r"\[\d+\]")


def tell(object: str, found: Iterable[Problem]) -> None:
    """Each doubt once, however many records have it."""
    seen: dict[tuple[str, str], Problem] = {}
    for problem in found:
        path = _LINE.sub("[]", _RECORD.sub("", problem.path))
        seen.setdefault((path, problem.reason), problem)
    for (path, reason), problem in seen.items():
        hint = f" (did you mean {problem.nearest!r}?)" if problem.nearest else ""
        warnings.warn(f"{object}: {path}: {reason}{hint}", CheckWarning, stacklevel=_callers_level())


def warn(text: str) -> None:
    """One doubt that concerns no field."""
    warnings.warn(text, CheckWarning, stacklevel=_callers_level())


def _callers_level() -> int:
    """How far up the first frame outside tieout is, as `warnings.warn` counts from the function above."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    return level
