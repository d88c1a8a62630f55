"""Which process this is among all that share a state database, and whether another one has ended.

Containers may share a host's name and each have a process 1, and a number is given out again: so a process is named by
the boot of its kernel, its table of processes, its number and the moment it started.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_PROC = Path("/proc")
_ENDED = "ZX"
"""States of a process that was killed and whose parent has not noticed yet."""


def this_process() -> str:
    """The name of this process; after a fork the child's is another one. '' where nobody else could look."""
    table = _table()
    return f"{table}/{os.getpid()}/{(_started(os.getpid()) or '')}" if table else ""


def has_ended(name: str | None) -> bool:
    """Whether the process of this name is certainly gone. False for one that cannot be seen from here."""
    if not name:
        return False
    table, number, started = name.rsplit("/", 2)
    if table != _table():
        return False
    if not started:
        return not _answers(int(number))
    try:
        return _started(int(number)) != started
    except PermissionError:
        return False


def _table() -> str:
    """The table that process numbers of this process are in."""
    if _LINUX:
        try:
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
            return f"{boot}/{os.readlink(_PROC / 'self/ns/pid')}"
        except OSError:
            return ""
    if os.name == "posix":
        return f"{socket.gethostname()}/{uuid.getnode():x}"
    return ""  # Windows has no harmless way to ask for a process


def _started(number: int) -> str | None:
    """When a process started, in ticks since boot; None where it has ended, '' where that is not told."""
    if not _LINUX:
        return ""
    try:
        # After the name, which may hold anything: state, parent, … and the start as the 20th.
        facts = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if facts[0] in _ENDED else facts[19]


def _answers(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
