"""The client for asyncio: the methods of `Intacct`, awaited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from tieout import catalogue
from tieout.catalogue.model import Model
from tieout.errors import IntacctError, InvalidRequestError
from tieout.rest import attachments, models, operations, reading, reports, workflows, writing
from tieout.rest.attachments import Attached, AttachedFile
from tieout.rest.base import Client
from tieout.rest.batch import BatchResult, Reference
from tieout.rest.call import Call
from tieout.rest.drivers import AsyncDriver, Places
from tieout.rest.lazy import AsyncRecords, AsyncRows
from tieout.rest.perform import perform
from tieout.rest.query import Query, aggregated
from tieout.rest.raw import RawReply, raw_call
from tieout.rest.reading import QueryOptions, Scope, Where
from tieout.rest.rows import Record
from tieout.rest.transport import (
    AsyncHttpTransport,
    AsyncInProcessTransport,
    AsyncTransport,
    InProcessTransport,
)

if TYPE_CHECKING:
    from tieout.catalogue.object_names import ObjectName
else:
    ObjectName = str  # annotations can be evaluated without importing five hundred names

T = TypeVar("T")


class AsyncIntacct(Client[AsyncDriver]):
    """One Intacct company, for asyncio: the methods of Intacct, awaited."""

    def _make_driver(
        self, transport: AsyncTransport | InProcessTransport | None, places: Places, max_reply: int
    ) -> AsyncDriver:
        if isinstance(transport, InProcessTransport):
            transport = AsyncInProcessTransport(transport)
        return AsyncDriver(transport or AsyncHttpTransport(max_reply), places)

    def query(
        self,
        object: ObjectName | Query,
        fields: Sequence[str] | None = None,
        where: Where = None,
        **options: Unpack[QueryOptions],
    ) -> AsyncRows:
        """As Intacct.query, for `async for`."""
        return AsyncRows(self._desk, self._driver, object, fields, where, options)

    def aggregate(
        self,
        object: ObjectName,
        what: Sequence[str],
        where: Where = None,
        *,
        by: Sequence[str] = (),
        **options: Unpack[QueryOptions],
    ) -> AsyncRows:
        """As Intacct.aggregate, for `async for`."""
        return AsyncRows(self._desk, self._driver, object, aggregated(what, by), where, options)

    async def count(self, object: ObjectName, where: Where = None, **scope: Unpack[Scope]) -> int:
        """As Intacct.count."""
        return await self._driver.run(reading.count(self._desk, object, where, scope))

    async def totals(
        self, object: ObjectName, sums: Sequence[str], where: Where = None, **scope: Unpack[Scope]
    ) -> dict[str, Decimal | None]:
        """As Intacct.totals."""
        return await self._driver.run(reading.totals(self._desk, object, sums, where, scope))

    async def keys_agree(self, object: ObjectName, keys: Sequence[str] = (), *, private: bool = False) -> bool | None:
        """As Intacct.keys_agree."""
        return await self._driver.run(reading.keys_agree(self._desk, object, keys, private))

    def records(
        self,
        object: ObjectName,
        where: Where = None,
        fields: Sequence[str] | None = None,
        *,
        lines: bool | None = None,
        **options: Unpack[QueryOptions],
    ) -> AsyncRecords:
        """As Intacct.records, for `async for`."""
        return AsyncRecords(self._desk, self._driver, object, fields, where, lines, options)

    async def get(self, object: ObjectName, key: str) -> Record:
        """As Intacct.get."""
        return await self._driver.run(reading.get(self._desk, object, key))

    async def get_many(self, object: ObjectName, keys: Iterable[str]) -> list[Record | IntacctError]:
        """As Intacct.get_many."""
        return await self._driver.run(reading.get_many(self._desk, object, keys))

    async def create(
        self,
        object: ObjectName,
        body: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        check: bool | None = None,
    ) -> Reference:
        """As Intacct.create."""
        exchange = writing.create(self._desk, object, body, idempotency_key=idempotency_key, check=check)
        return await self._driver.run(exchange)

    async def create_many(
        self,
        object: ObjectName,
        bodies: Iterable[Mapping[str, Any]],
        *,
        atomic: bool = False,
        in_flight: int = 1,
        check: bool | None = None,
    ) -> BatchResult:
        """As Intacct.create_many."""
        return await self._driver.run(
            writing.create_many(self._desk, object, bodies, atomic=atomic, in_flight=in_flight, check=check)
        )

    async def update_many(
        self,
        object: ObjectName,
        changes: Iterable[writing.Change],
        *,
        atomic: bool = False,
        in_flight: int = 1,
        check: bool | None = None,
    ) -> BatchResult:
        """As Intacct.update_many."""
        return await self._driver.run(
            writing.update_many(self._desk, object, changes, atomic=atomic, in_flight=in_flight, check=check)
        )

    async def delete_many(
        self, object: ObjectName, keys: Iterable[str | int], *, atomic: bool = False, in_flight: int = 1
    ) -> BatchResult:
        """As Intacct.delete_many."""
        return await self._driver.run(writing.delete_many(self._desk, object, keys, atomic=atomic, in_flight=in_flight))

    async def action(
        self,
        object: ObjectName,
        key: str | int,
        name: str,
        /,
        *,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Reference:
        """As Intacct.action."""
        exchange = workflows.action(self._desk, object, key, name, parameters, idempotency_key=idempotency_key)
        return await self._driver.run(exchange)

    async def action_many(
        self,
        object: ObjectName,
        items: Iterable[str | int | Mapping[str, Any]],
        name: str,
        /,
        *,
        atomic: bool = False,
        in_flight: int = 1,
        **parameters: Any,
    ) -> BatchResult:
        """As Intacct.action_many."""
        exchange = workflows.action_many(
            self._desk, object, items, name, parameters, atomic=atomic, in_flight=in_flight
        )
        return await self._driver.run(exchange)

    async def attach(
        self,
        object: ObjectName,
        key: str | int,
        files: Iterable[attachments.File],
        *,
        folder: str,
        name: str | None = None,
        id: str | None = None,
    ) -> Attached:
        """As Intacct.attach."""
        exchange = attachments.attach(self._desk, object, key, files, folder=folder, name=name, id=id)
        return await self._driver.run(exchange)

    async def attached_files(self, object: ObjectName, key: str | int) -> list[AttachedFile]:
        """As Intacct.attached_files."""
        return await self._driver.run(attachments.attached_files(self._desk, object, key))

    async def report(
        self, service: str, parameters: Mapping[str, Any], *, name: str = "", longest: float = 900.0
    ) -> str:
        """As Intacct.report."""
        return await self._driver.run(reports.report(self._desk, service, parameters, name=name, longest=longest))

    async def reports(
        self, service: str, several: Sequence[Mapping[str, Any]], *, name: str = "", longest: float = 900.0
    ) -> list[str | InvalidRequestError]:
        """As Intacct.reports."""
        return await self._driver.run(reports.reports(self._desk, service, several, name=name, longest=longest))

    async def remove_file(self, object: ObjectName, key: str | int, file: str | AttachedFile) -> None:
        """As Intacct.remove_file."""
        await self._driver.run(attachments.remove_file(self._desk, object, key, file))

    async def retry_unknown(self, result: BatchResult, *, in_flight: int = 1) -> BatchResult:
        """As Intacct.retry_unknown."""
        return await self._driver.run(writing.retry_unknown(self._desk, result, in_flight=in_flight))

    async def update(
        self,
        object: ObjectName,
        key: str,
        changes: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        check: bool | None = None,
    ) -> Reference:
        """As Intacct.update."""
        exchange = writing.update(self._desk, object, key, changes, idempotency_key=idempotency_key, check=check)
        return await self._driver.run(exchange)

    async def delete(self, object: ObjectName, key: str) -> None:
        """As Intacct.delete."""
        await self.call(operations.delete(catalogue.resolve(object), key))

    async def model(self, object: ObjectName, *, max_age: float | None = None) -> Model:
        """As Intacct.model."""
        return await self._driver.run(models.model(self._desk, object, max_age))

    async def references(self, object: ObjectName) -> list[Reference]:
        """As Intacct.references."""
        return await self.call(operations.list_references(catalogue.resolve(object)))

    async def call(self, call: Call[T], *, timeout: float | None = None, deadline: float | None = None) -> T:
        """As Intacct.call."""
        return await self._driver.run(perform(self._desk.session.within(timeout=timeout, deadline=deadline), call))

    async def raw(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        entity: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> RawReply:
        """As Intacct.raw."""
        call = raw_call(
            method, path, body=body, query=query, headers=headers, entity=entity, idempotency_key=idempotency_key
        )
        return await self.call(call, timeout=timeout, deadline=deadline)

    async def close(self) -> None:
        await self._driver.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
