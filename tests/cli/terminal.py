"""A command at a real terminal: answers are typed when their question has appeared."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def at_terminal(
    arguments: Sequence[str],
    answers: Sequence[tuple[str, str]],
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    columns: int = 0,
) -> tuple[int, str]:
    """`answers` are (the end of a question, what is typed then; an unseen one ends when the echo is
    off) -> exit code, and all that the terminal showed. It has so many `columns`; 0 is one that does not say."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    child = subprocess.Popen(
        [sys.executable, "-m", "tieout", *arguments],
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"} | dict(environment or {}),
    )
    os.close(slave)
    raw, shown, seen, left = "", "", 0, list(answers)
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            part = os.read(master, 4096).decode()
        except OSError:  # the terminal's end, on Linux
            break
        if not part:
            break
        raw += part
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw).replace("\r", "")
        if left and shown[seen:].endswith(f"{left[0][0]} "):
            seen = len(shown)
            os.write(master, left.pop(0)[1].encode() + b"\n")
    else:
        child.kill()
        raise AssertionError(f"still asking: {raw[-500:]!r}")
    os.close(master)
    code = child.wait(30)
    assert not left, f"never asked {left[0][0]!r}: {shown}"
    return code, shown
