"""What can be seen of a request before anybody proves who sent it: path, object, and what its token says of itself.

For faults, limits and the log, which stand in front of the API as Sage's gateway does. It grants nothing.
"""

from __future__ import annotations

import re
from functools import cached_property

from tieout.simulator.http import Request
from tieout.simulator.tokens import MalformedTokenError, read

_API = ("ia", "api")
_OBJECT = re.compile(rb'"object(?:Name)?"\s*:\s*"([^"\\]+)"')


class Sighting:
    """One request as seen from outside. `company`, `client` and `user` are '' where the token names none."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.company = self.client = self.user = self.entity = ""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                claims = read(token.strip())
            except MalformedTokenError:
                pass
            else:
                self.company, self.client, self.user = claims.cny_id, claims.client_id, claims.user_id
                self.entity = claims.entity_id or ""
        self.entity = request.headers.get("x-ia-api-param-entity", "").strip() or self.entity

    @property
    def rest(self) -> tuple[str, ...]:
        """The path behind the version: `("objects", "accounts-payable", "bill")`; `()` outside the API."""
        segments = self.request.segments
        return segments[3:] if segments[:2] == _API else ()

    @property
    def path(self) -> str:
        """As `rest`, decoded, with slashes; outside the API the whole path."""
        return "/" + "/".join(self.rest or self.request.segments)

    @cached_property
    def object(self) -> str:
        """The object of the path, of the query, or of the model asked for; '' for none."""
        area = self.rest[0] if self.rest else ""
        if area in ("objects", "workflows"):
            return "/".join(self.rest[1:3])
        if area == "services":
            named = self.request.query.get("name", "")
            found = None if named else _OBJECT.search(self.request.body)
            return (found[1].decode(errors="replace") if found else named).removeprefix("/").removeprefix("objects/")
        return ""
