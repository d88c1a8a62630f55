"""What an examination is about, and what its steps have found so far for those that follow. Decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.connections.rows import Connection
from tieout.connections.settings import Place

if TYPE_CHECKING:
    from tieout.connections.claims import Claims
    from tieout.connections.registry import Connections
    from tieout.rest import Intacct, Token, TokenSource, Transport


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """An object that the project works with."""

    object: str
    creates: bool = False
    """It is posted, not only read."""
    sections: tuple[str, ...] = ()
    """`pull.bills`: who wants it."""


class Case:
    """One connection under examination. Close it when done."""

    def __init__(
        self,
        load: Callable[[], Place],
        uses: Callable[[Place, Connection | None], Sequence[Use]],
        *,
        name: str | None = None,
        entity: str | None = None,
        timeout: float = 10.0,
        transport: Transport | None = None,
    ) -> None:
        """`load` gives the project; `uses` the objects it works with over a connection, all of them where that is
        None, and raises ConfigurationError for a section that is wrong. `timeout` is seconds for one try."""
        self.load, self.list_uses = load, uses
        self.name, self.entity, self.timeout, self.transport = name, entity, timeout, transport
        self.place_found: Place | None = None
        self.connection_found: Connection | None = None
        self.connections: Connections | None = None
        """None where there is no state database: the credentials are in the environment."""
        self.tokens: TokenSource | None = None
        self.token: Token | None = None
        self.claims: Claims | None = None
        self.client_opened: Intacct | None = None
        self.headers: Mapping[str, str] = {}
        """Of the last answer of the company."""
        self.entities: tuple[str, ...] | None = None
        """Ids that the user sees at the top level; None where they cannot be listed."""

    @property
    def place(self) -> Place:
        assert self.place_found is not None, "the step `project` comes first"
        return self.place_found

    @property
    def connection(self) -> Connection:
        assert self.connection_found is not None, "the step `connection` comes first"
        return self.connection_found

    @property
    def client(self) -> Intacct:
        assert self.client_opened is not None, "the step `token` comes first"
        return self.client_opened

    @property
    def transactions(self) -> int:
        """Billable, of this examination."""
        return self.client_opened.usage.transactions if self.client_opened is not None else 0

    def ask(self, method: str, path: str, *, entity: str | None, body: Any = None) -> Any:
        """`ia::result` of one call, in `entity` or at the token's own level. Remembers the answer's headers."""
        client = self.client.with_entity(entity or None)
        reply = client.raw(method, path, body=body, timeout=self.timeout, deadline=2 * self.timeout)
        self.headers = reply.headers
        return reply.result

    def close(self) -> None:
        if self.client_opened is not None:
            self.client_opened.close()
        if self.connections is not None:
            self.connections.store.close()

    @contextlib.contextmanager
    def closing(self) -> Iterator[Case]:
        try:
            yield self
        finally:
            self.close()
