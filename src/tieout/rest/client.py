"""The blocking client: one company over REST. A facade: what it does is in `reading` and `writing`."""

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
from tieout.rest.drivers import Places, SyncDriver
from tieout.rest.lazy import Records, Rows
from tieout.rest.perform import perform
from tieout.rest.query import Query, aggregated
from tieout.rest.raw import RawReply, raw_call
from tieout.rest.reading import QueryOptions, Scope, Where
from tieout.rest.rows import Record
from tieout.rest.transport import (
    HttpTransport,
    Transport,
)

if TYPE_CHECKING:
    from tieout.catalogue.object_names import ObjectName
else:
    ObjectName = str  # annotations can be evaluated without importing five hundred names

T = TypeVar("T")


class Intacct(Client[SyncDriver]):
    """One Intacct company. Threads may share it.

    >>> with Intacct.from_env() as intacct:
    ...     for vendor in intacct.query("vendors", ["id", "name"], F("status") == "active"):
    ...         print(vendor.id, vendor.name)
    """

    def _make_driver(self, transport: Transport | None, places: Places, max_reply: int) -> SyncDriver:
        return SyncDriver(transport or HttpTransport(max_reply), places)

    def query(
        self,
        object: ObjectName | Query,
        fields: Sequence[str] | None = None,
        where: Where = None,
        **options: Unpack[QueryOptions],
    ) -> Rows:
        """Rows of the query service, lazily (REST reference 5). A page is a billable transaction; `plan()` counts them.

        `fields` are names and dotted paths, or aggregates such as `sum:totalDue`; None asks for the common ones.
        `where` is a filter, its text, or a list of Sage's own filters with `expression="(1 and 2) or 3"`. `object` may
        be a whole Query, also one made from Sage's JSON with Query.from_wire. `order_by` names fields, `-` before one
        for descending; `key` is always added last. `page_size` is 1 to 4000 rows, `in_flight` how many pages are under
        way at once, `paging="keyset"` asks for each page by the last key. Names and values are checked against the
        company's model before the first page (CheckError).

        Every row that is there during the whole read comes once, none twice, in the order of the keys, while other
        people add, change and delete. With an order of your own whose values change meanwhile that holds too, but a
        row that moved may come last; and with a `limit` in such an order, rows that move past the pages do not come."""
        return Rows(self._desk, self._driver, object, fields, where, options)

    def aggregate(
        self,
        object: ObjectName,
        what: Sequence[str],
        where: Where = None,
        *,
        by: Sequence[str] = (),
        **options: Unpack[QueryOptions],
    ) -> Rows:
        """Totals that Intacct works out: `aggregate("bills", ["sum:totalTxnAmount", "count:key"], by=["vendor.id"])`.

        `what` holds `count`, `sum`, `avg`, `min`, `max` of fields (REST reference 5.1); a row for each combination of
        the fields in `by`, in their order unless `order_by` says otherwise: `row["vendor.id"]`,
        `row["sum:totalTxnAmount"]`. Sums are exact Decimals. Usually one billable transaction."""
        return Rows(self._desk, self._driver, object, aggregated(what, by), where, options)

    def count(self, object: ObjectName, where: Where = None, **scope: Unpack[Scope]) -> int:
        """How many records match. One billable transaction."""
        return self._driver.run(reading.count(self._desk, object, where, scope))

    def totals(
        self, object: ObjectName, sums: Sequence[str], where: Where = None, **scope: Unpack[Scope]
    ) -> dict[str, Decimal | None]:
        """Intacct's own exact sums, {field: sum}. One billable transaction."""
        return self._driver.run(reading.totals(self._desk, object, sums, where, scope))

    def keys_agree(self, object: ObjectName, keys: Sequence[str] = (), *, private: bool = False) -> bool | None:
        """Whether `F("key") > "9"` gives the rows that follow key 9 in the order of keys. Intacct does not say, so it
        is found out once per object of a company, by `keys` of one page as they came. None where it is not known and
        these keys do not show it. At most one billable transaction."""
        return self._driver.run(reading.keys_agree(self._desk, object, keys, private))

    def records(
        self,
        object: ObjectName,
        where: Where = None,
        fields: Sequence[str] | None = None,
        *,
        lines: bool | None = None,
        **options: Unpack[QueryOptions],
    ) -> Records:
        """Full records, lazily, in the cheapest way that is correct; `plan()` says which, and what it costs.

        Where a query can name all that is wanted, one query; else the keys by query, and up to 500 records a request,
        `in_flight` of them at once. `fields` names fields and lists (`lines`), None asks for all. `lines=False` leaves
        all lists out, which makes most objects one query; records that came by query have no `href`s. Records that
        are deleted between are left out and named in `.gone`. Other options are those of `query`.

        A record of `accounts-receivable/invoice` comes without its subtotal lines (REST reference 4.2): query
        `accounts-receivable/invoice-line` where they matter."""
        return Records(self._desk, self._driver, object, fields, where, lines, options)

    def get(self, object: ObjectName, key: str) -> Record:
        """One full record with its lines, by key. Raises NotFoundError."""
        return self._driver.run(reading.get(self._desk, object, key))

    def get_many(self, object: ObjectName, keys: Iterable[str]) -> list[Record | IntacctError]:
        """Full records in the order of the keys, 500 a request; a missing one is its NotFoundError."""
        return self._driver.run(reading.get_many(self._desk, object, keys))

    def create(
        self,
        object: ObjectName,
        body: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        check: bool | None = None,
    ) -> Reference:
        """Create one record. Raises CheckError, RefusedError, InvalidRequestError, OutcomeUnknownError.

        The body is held against the company's model first; `check=False` sends it as it is."""
        exchange = writing.create(self._desk, object, body, idempotency_key=idempotency_key, check=check)
        return self._driver.run(exchange)

    def create_many(
        self,
        object: ObjectName,
        bodies: Iterable[Mapping[str, Any]],
        *,
        atomic: bool = False,
        in_flight: int = 1,
        check: bool | None = None,
    ) -> BatchResult:
        """Create many, at most 500 records and 1 MB a request, each record on its own: some may fail while others
        are posted (REST reference 4.7).

        All are held against the company's model first: CheckError names every mistake, and then none was sent;
        `check=False` sends them as they are. `atomic`: all or none; refused where they do not fit one request.
        `in_flight`: requests at a time; with more than one, a later record may be created before an earlier one. A
        request refused for its content leaves the others untouched; after a lost answer, or where Intacct takes
        nothing more, the rest is `unprocessed`. Otherwise raises only if not one request came to an end. What Ctrl-C
        or a cancelled task interrupts is not lost:
        `BatchResult.rescued(error)`."""
        return self._driver.run(
            writing.create_many(self._desk, object, bodies, atomic=atomic, in_flight=in_flight, check=check)
        )

    def update_many(
        self,
        object: ObjectName,
        changes: Iterable[writing.Change],
        *,
        atomic: bool = False,
        in_flight: int = 1,
        check: bool | None = None,
    ) -> BatchResult:
        """Change many. A change is a mapping that holds its `key`, or (key, changes). Otherwise as create_many."""
        return self._driver.run(
            writing.update_many(self._desk, object, changes, atomic=atomic, in_flight=in_flight, check=check)
        )

    def delete_many(
        self, object: ObjectName, keys: Iterable[str | int], *, atomic: bool = False, in_flight: int = 1
    ) -> BatchResult:
        """Delete many, at most 500 keys a request. `posted` means deleted. Otherwise as create_many."""
        return self._driver.run(writing.delete_many(self._desk, object, keys, atomic=atomic, in_flight=in_flight))

    def action(
        self,
        object: ObjectName,
        key: str | int,
        name: str,
        /,
        *,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Reference:
        """Carry out a workflow action: `action("bills", "194", "reverse", reverseDate="2026-03-03")`.

        The answer's `state` is Sage's own word; a reversal may answer the key of another record. Names are checked
        against the documented actions (REST reference 4.8): UnknownNameError, CheckError before anything is sent."""
        exchange = workflows.action(self._desk, object, key, name, parameters, idempotency_key=idempotency_key)
        return self._driver.run(exchange)

    def action_many(
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
        """Carry out one action on many records. An item is a key, or a mapping with `key` and what is its own;
        `parameters` go to all. `sage_state` of an outcome is where the record is now. Otherwise as create_many."""
        exchange = workflows.action_many(
            self._desk, object, items, name, parameters, atomic=atomic, in_flight=in_flight
        )
        return self._driver.run(exchange)

    def attach(
        self,
        object: ObjectName,
        key: str | int,
        files: Iterable[attachments.File],
        *,
        folder: str,
        name: str | None = None,
        id: str | None = None,
    ) -> Attached:
        """Attach files to a record: paths, or (name, bytes) (REST reference 7.5). Three requests and one a file.

        A record has one attachment, which holds all its files; `folder`, `name` and `id` are used where it has none
        yet, and a folder of that id is made if there is none. Files with the same name and content are not added
        twice, so that a call that failed can be made again. Raises AttachmentError where part was done."""
        exchange = attachments.attach(self._desk, object, key, files, folder=folder, name=name, id=id)
        return self._driver.run(exchange)

    def attached_files(self, object: ObjectName, key: str | int) -> list[AttachedFile]:
        """The files of a record with their content; of an attachment itself if `object` is `attachments`."""
        return self._driver.run(attachments.attached_files(self._desk, object, key))

    def report(self, service: str, parameters: Mapping[str, Any], *, name: str = "", longest: float = 900.0) -> str:
        """Run a report, such as `general-ledger/trial-balance`, and wait for it, `longest` seconds -> its CSV text.
        `parameters` are Sage's own (REST reference 7.8); the entity is one of them: reports ignore the client's.

        Raises InvalidRequestError where the report failed, UnreachableError where it is not ready in time."""
        return self._driver.run(reports.report(self._desk, service, parameters, name=name, longest=longest))

    def reports(
        self, service: str, several: Sequence[Mapping[str, Any]], *, name: str = "", longest: float = 900.0
    ) -> list[str | InvalidRequestError]:
        """Run a report once for each of some parameters, a few at once -> the CSV texts in that order, or why Intacct
        did not make one, such as `BL03002028`, no data found. As `report` otherwise."""
        return self._driver.run(reports.reports(self._desk, service, several, name=name, longest=longest))

    def remove_file(self, object: ObjectName, key: str | int, file: str | AttachedFile) -> None:
        """Take one file of a record away: one of `attached_files`, or its key."""
        self._driver.run(attachments.remove_file(self._desk, object, key, file))

    def retry_unknown(self, result: BatchResult, *, in_flight: int = 1) -> BatchResult:
        """Ask again about the `unknown` records of a result of this company: the same bytes under the same key, which
        cannot post twice. A new result over all records; within 48 hours nothing stays unknown that Intacct answers
        (REST reference 7.6)."""
        return self._driver.run(writing.retry_unknown(self._desk, result, in_flight=in_flight))

    def update(
        self,
        object: ObjectName,
        key: str,
        changes: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        check: bool | None = None,
    ) -> Reference:
        """Change the fields given; None clears one (REST reference 4.5). Checked first, as in create."""
        exchange = writing.update(self._desk, object, key, changes, idempotency_key=idempotency_key, check=check)
        return self._driver.run(exchange)

    def delete(self, object: ObjectName, key: str) -> None:
        """Delete one record. Raises NotFoundError if it was not there."""
        self.call(operations.delete(catalogue.resolve(object), key))

    def model(self, object: ObjectName, *, max_age: float | None = None) -> Model:
        """What the company's object is made of, from memory while it is young: an hour, unless `max_age` says how
        many seconds; 0 asks Intacct now. A model that has changed is kept beside the one before (`tieout drift`)."""
        return self._driver.run(models.model(self._desk, object, max_age))

    def references(self, object: ObjectName) -> list[Reference]:
        """The list endpoint: the first 100 references. For everything else use `query`."""
        return self.call(operations.list_references(catalogue.resolve(object)))

    def call(self, call: Call[T], *, timeout: float | None = None, deadline: float | None = None) -> T:
        """Perform any Call with this client's token, entity, pacing, retries and errors. `timeout` is seconds for one
        try, `deadline` for all of them with their waits; None is the client's."""
        return self._driver.run(perform(self._desk.session.within(timeout=timeout, deadline=deadline), call))

    def raw(
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
        """Any request below the API, for services that have no method here: with this client's token, entity, pacing,
        metering, retries and errors. POST and PATCH get an idempotency key.

        >>> intacct.raw("POST", "/services/core/composite", body=[...]).result

        `path` is what Intacct prints in `href`: `/objects/accounts-payable/vendor/46`. `body` is a dict or list that
        becomes JSON, or bytes that go out as they are. Refuses other hosts, `..` and headers that the client sets."""
        call = raw_call(
            method, path, body=body, query=query, headers=headers, entity=entity, idempotency_key=idempotency_key
        )
        return self.call(call, timeout=timeout, deadline=deadline)

    def close(self) -> None:
        self._driver.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
