"""Keeps what goes through a browser's address out of access logs: codes, states, sessions, links."""

from __future__ import annotations

import logging
import re

_LINK = re.compile(r"(/link/)[^/?#\s]+")
_NAME = "uvicorn.access"


class QuietAccessLog(logging.Filter):
    """For uvicorn's access log, whose records are (client, method, path, version, status): paths lose their query, and
    links what they hold."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) >= 3 and isinstance(record.args[2], str):
            client, method, path, *rest = record.args
            record.args = (client, method, cleaned(str(path)), *rest)
        return True


def cleaned(path: str) -> str:
    """A path as a log may hold it."""
    return _LINK.sub(r"\1…", path.partition("?")[0])


def quiet_access_log(logger: str = _NAME) -> None:
    """Put the filter on a logger, once. `connect_app` does so for uvicorn's."""
    wanted = logging.getLogger(logger)
    if not any(isinstance(one, QuietAccessLog) for one in wanted.filters):
        wanted.addFilter(QuietAccessLog())
