"""Named places where a crash would hurt most, so that tests can crash there. Does nothing in ordinary runs."""

from __future__ import annotations

import os
import signal

VARIABLE = "TIEOUT_CRASH_AT"
"""`name` crashes the first time the place is reached, `name:3` the third time."""

_reached: dict[str, int] = {}


def reached(name: str) -> None:
    """Kill this process without any clean-up (SIGKILL) if the environment says so for this place."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    place, _, count = wanted.partition(":")
    if place == name:
        _reached[name] = _reached.get(name, 0) + 1
        if _reached[name] >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
