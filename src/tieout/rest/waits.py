"""How long a server asks to be left alone. Reads headers; decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC

from tieout.rest.call import Reply


def server_wait(reply: Reply, wall: Callable[[], float] = time.time) -> float | None:
    """The longest wait that a reply asks for, in seconds; None if it asks for none.

    `Retry-After` as seconds or as a date, and every `X-IA-*Retry-After`, whose hyphens vary (REST reference 8.6). A
    date counts from the server's own clock where the reply has one."""
    waits = [
        seconds
        for name, value in reply.headers.items()
        if name.lower().replace("-", "").endswith("retryafter")
        for seconds in (_seconds(value, reply, wall),)
        if 0 < seconds < float("inf")  # -1 is among the documented sample values
    ]
    return max(waits, default=None)


def _seconds(value: str, reply: Reply, wall: Callable[[], float]) -> float:
    """0 for what is neither seconds nor a date."""
    try:
        return float(value)
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # slow to import, and only a dated wait needs it

    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    now = reply.date
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return until.timestamp() - (now.timestamp() if now is not None else wall())


def spoken(seconds: float) -> str:
    """`90 seconds`, `12 minutes`, `3.5 hours`."""
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.3g} hours"
