"""The connect page: an ASGI application to mount in a product, where its customers connect Sage Intacct.

Public: `connect_app`, `Settings`, `sign_session`, `ConnectSession`, `delivering`, `quiet_access_log`. Needs the extra
`web`; the web framework loads with the first `connect_app`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from tieout.connections.web.background import delivering
from tieout.connections.web.quiet import quiet_access_log
from tieout.connections.web.sessions import ConnectSession, sign_session
from tieout.connections.web.settings import Settings
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.connections.registry import Connections

__all__ = ["ConnectSession", "Settings", "connect_app", "delivering", "quiet_access_log", "sign_session"]

Application = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


def connect_app(connections: Connections, settings: Settings) -> Application:
    """The ASGI application. Serve it over https, by itself or mounted; `connections` stay open as long as it runs.

    It also takes what goes through the browser's address out of uvicorn's access log. Served by itself, it sends the
    webhook's events; mounted, its lifespan does not run: see `delivering`. Raises ConfigurationError where the extra
    `web` is not installed, UnknownNameError for an application that is not there."""
    try:
        from tieout.connections.web.app import application
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "starlette"):
            raise
        raise ConfigurationError(
            "The connect page needs packages that are not installed.", advice="Run: pip install 'tieout[web]'"
        ) from None
    connections.apps.get(settings.app)
    quiet_access_log()
    return application(connections, settings)
