"""Create, update and delete of one record with its lines (REST reference 4.4-4.6).

Knows keys, ids, audit stamps and owners, and asks the other rooms for references, rules and money. Refuses to know
batches, idempotency and envelopes.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator import accounting, attachments, checks, refusal, rules
from tieout.simulator.behaviour import Settings
from tieout.simulator.books import Books
from tieout.simulator.checks import Changes, Check, LineChange, Operation, is_transaction
from tieout.simulator.clock import Clock
from tieout.simulator.identity import Who
from tieout.simulator.payments import Payments
from tieout.simulator.refusal import Refusal
from tieout.simulator.required import Waived
from tieout.simulator.resolving import Resolver, encode_key
from tieout.simulator.rows import Rows
from tieout.simulator.sequences import NUMBERED, Sequences
from tieout.simulator.settling import Settler
from tieout.simulator.tables import Table, Tables, path_of
from tieout.simulator.values import Stored

TIME = "time/timesheet-line"
USER = "company-config/user"
_TAKEN_OVER = (
    "postingDate",
    "createdDate",
    "state",
    "currency.exchangeRate.rate",
    "currency.exchangeRate.date",
    "currency.exchangeRate.typeId",
    "exchangeRate.rate",
    *accounting.TXN_CURRENCIES,
    *accounting.BASE_CURRENCIES,
)
"""What a line may take over from its owner."""


class Writer:
    """Writes one company's records. The caller holds the lock and the transaction."""

    def __init__(
        self,
        db: sqlite3.Connection,
        tables: Tables,
        find: Callable[[str], Model | None],
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._tables = tables
        self._default_values: dict[str, tuple[Model, dict[str, Any]]] = {}
        self._find = find
        self._clock = clock
        self._settings = settings
        self.rows = Rows(db, tables)
        self.books = Books(self.rows, settings)
        self.payments = Payments(self.rows)
        self.sequences = Sequences(db, self.rows)
        self.resolver = Resolver(self.rows, find)
        self.settler = Settler(self.rows, self.books, self.payments, settings)

    # ---- the three operations ---------------------------------------------------------------------------------

    def create(self, object: str, body: object, who: Who) -> dict[str, str]:
        table = self._tables.get(object)
        changes = self._check("POST").body(table.model, body)
        rules.check_birth(table.model, changes.values)
        owner = self._named_owner(table, changes, who)
        if owner is None or table.owner is None:
            key = self._add(table, changes, who, None, object)
            self.settler.born(table, key)
            return self.reference(table, key)
        above = self._tables.get(table.owner[0])
        self._check_editable(above, owner, frozenset(("lines",)))
        with self.settler.owing(above, owner):
            key = self._add(table, changes, who, owner, object)
            self._line_changed(above, owner, who, "POST")
        return self.reference(table, key)

    def update(self, object: str, key: str, body: object, who: Who) -> dict[str, str]:
        table = self._tables.get(object)
        stored = self.resolver.visible(table, key, who)
        if isinstance(body, Mapping) and body.get("key") is not None and str(body["key"]) == key:
            body = {name: value for name, value in body.items() if name != "key"}
        if isinstance(body, Mapping):
            body = rules.heeded(object, body)
        check = self._check("PATCH")
        body = self._without_state(table, stored, body, check)
        changes = check.body(table.model, body)
        if table.owner is not None and (owner := self._owner(table, stored)) is not None:
            above = self._tables.get(table.owner[0])
            self._check_editable(above, owner, frozenset(("lines",)))
            with self.settler.owing(above, owner):
                self._change(table, stored, changes, who, object, "PATCH")
                self._change_all_lines(table, stored, changes, who, object)
                self._line_changed(above, owner, who, "PATCH", checks.has_any(changes.values, _MONEY))
            return self.reference(table, stored)
        names = frozenset(body) if isinstance(body, Mapping) else frozenset()
        self._check_editable(table, stored, names - {"state"})
        with self.settler.owing(table, stored):
            self._change(table, stored, changes, who, object, "PATCH", stamp=self._stamped(changes))
            self._change_all_lines(table, stored, changes, who, object)
            self._changed(table, stored, changes)
        return self.reference(table, stored)

    def rewrite(self, table: Table, key: Stored, body: object, who: Who) -> None:
        """A PATCH of a record whose state allows none, for a workflow that does."""
        changes = self._check("PATCH").body(table.model, body)
        with self.settler.owing(table, key):
            self._change(table, key, changes, who, table.object, "PATCH")
            self._change_all_lines(table, key, changes, who, table.object)
            self._changed(table, key, changes)

    def delete(self, object: str, key: str, who: Who) -> None:
        table = self._tables.get(object)
        stored = self.resolver.visible(table, key, who)
        owner = self._owner(table, stored)
        above = self._tables.get(table.owner[0]) if owner is not None and table.owner is not None else None
        if above is not None:
            self._check_editable(above, owner, frozenset(("lines",)))
        state = self.rows.values(table, stored, ("state",)).get("state")
        rules.check_deletable(object, key, state)
        self.settler.check_open(table, stored, "DELETE")
        self.resolver.check_unused(table, stored, key)
        if above is None:
            self.payments.balance(table, stored, -self.payments.owed(table, stored))
            self.rows.remove(table, stored)
            return
        with self.settler.owing(above, owner):
            self.rows.remove(table, stored)
            self._line_changed(above, owner, who, "DELETE")

    # ---- rules around a write ---------------------------------------------------------------------------------

    def _check(self, operation: Operation) -> Check:
        guessed = self._settings.word("guessed_read_only") == "refused"
        rounding = self._settings.word("excess_decimals") == "round"
        return Check(self._find, operation, self._waived(), guessed_read_only=guessed, rounding=rounding)

    def _waived(self) -> Waived:
        return Waived(
            numbers=self._settings.on("document_numbering"),
            accounts=self._settings.on("account_label_suffices"),
            due_dates=self._settings.on("terms_supply_due_date"),
        )

    def _without_state(self, table: Table, key: Stored, body: object, check: Check) -> object:
        """A body whose `state` a PATCH may not set is named as a mistake; most states move by workflows only."""
        if not isinstance(body, Mapping) or "state" not in body or table.owner or not is_transaction(table.model):
            return body
        before = self.rows.values(table, key, ("state",)).get("state")
        if rules.moved(table.model, before, body["state"]):
            return body
        check.problems.append(refusal.read_only_field("/state"))
        return {name: value for name, value in body.items() if name != "state"}

    def _check_editable(self, table: Table, key: Stored, names: frozenset[str]) -> None:
        if rules.life(table.object) is not None and names:
            state = self.rows.values(table, key, ("state",)).get("state")
            rules.check_editable(table.object, str(key), state, names)

    def _stamped(self, changes: Changes) -> bool:
        return bool(changes.values or changes.refs or not changes.lines) or self._settings.on("owner_stamp_moves")

    def _line_changed(self, above: Table, owner: Stored, who: Who, operation: str, money: bool = True) -> None:
        """A line that was addressed itself came, changed or went."""
        if operation == "DELETE":
            self.settler.check_whole(above, owner, operation)
        if money:
            self.settler.settle(above, owner, operation)
        if self._settings.on("owner_stamp_moves"):
            self.rows.update(above, owner, self.stamps(above, who, created=False))

    def _changed(self, table: Table, key: Stored, changes: Changes) -> None:
        """After a PATCH of a record that is nobody's line."""
        if changes.takes_away:
            self.settler.check_whole(table, key, "PATCH")
        if changes.lines or checks.has_any(changes.values, _RATES):
            self._reprice(table, key, changes)
            self.settler.settle(table, key, "PATCH")
        else:
            self.settler.check_open(table, key, "PATCH")
        state = changes.values.get("state")
        if state is not None:
            self.settler.follow(table, key, str(state))
            if table.object == rules.JOURNAL_ENTRY:
                self.settler.settle(table, key, "PATCH")

    def _reprice(self, table: Table, key: Stored, changes: Changes) -> None:
        """A new rate makes new base amounts."""
        if not checks.has_any(changes.values, _RATES):
            return
        taken = self.rows.values(table, key, _TAKEN_OVER)
        for name, (child, _) in table.lines.items():
            lines = self._tables.get(child)
            for line in self.rows.lines(table, name, key, ("key", "txnAmount", "txnCurrency.amount", "unitPrice")):
                values = dict(line)
                accounting.line_values(lines.columns, values, taken)
                self.rows.update(lines, encode_key(line["key"]), {k: v for k, v in values.items() if k not in line})

    # ---- rows -------------------------------------------------------------------------------------------------

    def _add(
        self,
        table: Table,
        changes: Changes,
        who: Who,
        owner: Stored,
        top: str,
        place: int | None = None,
        pointer: str = "",
    ) -> Stored:
        values = self._defaults(table) | {path: v for path, v in changes.values.items() if v is not None}
        for change in changes.refs:
            values |= self.resolver.columns(table, change, who, top, "POST")
        key = self._tables.next_key(table)
        values["key"] = str(key)
        self._number(table, values, top)
        if table.owner is not None and owner is not None:
            self._join(table, values, owner, place)
            self._check_account(table, values, changes, top, pointer, "POST")
        else:
            rules.own_values(table.model, table.columns, values)
            self.settler.complete(table, values, "POST", who.entity.id if who.entity is not None else None)
        self._own_id(table, values, key, top)
        values |= self.stamps(table, who, created=True)
        if who.entity is not None and "entity.key" in table.columns:
            values["entity.key"] = who.entity.key
        if table.object == attachments.ATTACHMENT:
            self._file(values, key, [])
        self.rows.insert(table, values | self.page(table, key))
        for name, items in changes.lines.items():
            child, _ = table.lines[name]
            lines = self._tables.get(child)
            for i, item in enumerate(items):
                self._add(lines, item.changes, who, key, top, i, item.pointer)
        return key

    def _defaults(self, table: Table) -> dict[str, Any]:
        known = self._default_values.get(table.object)
        if known is None or known[0] is not table.model:
            known = self._default_values[table.object] = (table.model, checks.defaults(table.model))
        return known[1]

    def _join(self, table: Table, values: dict[str, Any], owner: Stored, place: int | None) -> None:
        """Make a new row a line of its owner."""
        assert table.owner is not None
        above = self._tables.get(table.owner[0])
        column = table.columns[f"{table.owner[2]}.key"]
        if place is None:
            sql = f"SELECT coalesce(max({table.order.sql}), -1) + 1 FROM {table.sql} WHERE {column.sql} = ?"
            place = int(self._tables.rows(sql, [owner])[0][0])
        values[column.path] = str(owner)
        values[table.order.path] = place
        number = table.columns.get("lineNumber")
        if number is not None:
            values["lineNumber"] = place + 1 if number.field.type in ("integer", "number") else str(place + 1)
        taken = self.rows.values(above, owner, _TAKEN_OVER)
        rules.follow(table.model, table.columns, values, taken)
        if values.get("unitPrice") is None and table.object.startswith(rules.ORDER_LINE):
            values["unitPrice"] = self.books.price(values.get("dimensions.item.key"))
        accounting.line_values(table.columns, values, taken)
        accounting.line_currencies(table.columns, values, taken)

    def _change(
        self,
        table: Table,
        key: Stored,
        changes: Changes,
        who: Who,
        top: str,
        operation: Operation,
        *,
        stamp: bool = True,
    ) -> None:
        values = dict(changes.values)
        if values.get("id") is not None and not is_transaction(table.model):
            held = self.rows.values(table, key, ("project.key",)) | values
            if self.resolver.taken(table, str(values["id"]), held, key):
                raise Refusal.duplicate(operation, top, str(values["id"]))
        for change in changes.refs:
            values |= self.resolver.columns(table, change, who, top, operation)
        if table.owner is not None and checks.has_any(values, _MONEY):
            owner = self._owner(table, key)
            above = self._tables.get(table.owner[0])
            taken = self.rows.values(above, owner, _TAKEN_OVER) if owner is not None else {}
            accounting.line_values(table.columns, values, taken)
        rules.dates(table.model, values)
        if table.object == attachments.ATTACHMENT and "files" in values:
            self._file(values, key, self.rows.values(table, key, ("files",))["files"] or [])
        self.rows.update(table, key, values | (self.stamps(table, who, created=False) if stamp else {}))
        if checks.has_any(values, _NUMBERED_BY) and self._settings.word("duplicate_bill_numbers") == "refused":
            held = self.rows.values(table, key, _NUMBERED_BY)
            self.resolver.check_number(table, held, key, operation)

    def _change_all_lines(self, table: Table, owner: Stored, changes: Changes, who: Who, top: str) -> None:
        for name, items in changes.lines.items():
            self._change_lines(table, owner, name, items, who, top)

    def _change_lines(
        self, table: Table, owner: Stored, name: str, items: list[LineChange], who: Who, top: str
    ) -> None:
        child, ref = table.lines[name]
        lines = self._tables.get(child)
        for item in items:
            if item.key is None:
                self._add(lines, item.changes, who, owner, top, None, item.pointer)
                continue
            key = encode_key(item.key)
            column = lines.columns[f"{ref}.key"]
            sql = f"SELECT 1 FROM {lines.sql} WHERE {lines.columns['key'].sql} = ? AND {column.sql} = ?"
            if not self._tables.rows(sql, [key, owner]):
                raise Refusal.unknown_reference("PATCH", top, f"{item.pointer}/key", item.key, child)
            if item.delete:
                self.rows.remove(lines, key)
                continue
            self._change(lines, key, item.changes, who, top, "PATCH")
            if item.changes.refs:
                paths = [path for path in lines.columns if path.startswith("dimensions.") and path.endswith(".key")]
                held = self.rows.values(lines, key, ("glAccount.key", "accountLabel.key", *paths))
                self._check_account(lines, held, item.changes, top, item.pointer, "PATCH")

    # ---- what a write needs to know ---------------------------------------------------------------------------

    def _owner(self, table: Table, key: Stored) -> Stored:
        return self.rows.value(table, f"{table.owner[2]}.key", key) if table.owner is not None else None

    def _named_owner(self, table: Table, changes: Changes, who: Who) -> Stored:
        """The owner that a line posted by itself names; None for an object without owner."""
        if table.owner is None or not table.owner[1]:
            return None
        path = table.owner[2]
        named = next((change for change in changes.refs if change.path == path), None)
        if named is None or named.clear:
            raise Refusal.payload_errors([refusal.required_field(f"/{path}")])
        return encode_key(self.resolver.columns(table, named, who, table.object, "POST")[f"{path}.key"])

    def _check_account(
        self, table: Table, values: dict[str, Any], changes: Changes, top: str, pointer: str, operation: Operation
    ) -> None:
        if table.object == TIME:
            self.books.check_task(operation, top, pointer, values)
        if "glAccount.key" not in table.columns:
            return
        sent = frozenset(change.path for change in changes.refs if not change.clear)
        if values.get("glAccount.key") is None and values.get("accountLabel.key") is not None:
            values["glAccount.key"] = self.books.label_account(table.object, values["accountLabel.key"])
        self.books.check_account(operation, top, table, pointer, values, sent)

    def _number(self, table: Table, values: dict[str, Any], top: str) -> None:
        """The number that a company with document numbering gives out; a vendor's bill number only once."""
        name, _ = NUMBERED.get(table.object.partition("::")[0], ("", ""))
        if name and name in table.columns and values.get(name) is None and self._settings.on("document_numbering"):
            column = table.columns[name]
            self._tables.index(table, name)
            sql = f"SELECT 1 FROM {table.sql} WHERE {column.sql} = ?"
            values[name] = self.sequences.next_id(
                table.object, lambda number: bool(self._tables.rows(sql, [column.encode(number)]))
            )
        if self._settings.word("duplicate_bill_numbers") == "refused":
            self.resolver.check_number(table, values, None, "POST")

    def _own_id(self, table: Table, values: dict[str, Any], key: int, top: str) -> None:
        """The given id, once; of transactions, and where none is given, the key (INFERRED for the latter)."""
        if "id" not in table.columns:
            return
        definition = table.object.partition("/document::")[2]
        if definition and values.get("documentNumber") is not None:
            values["id"] = f"{definition}-{values['documentNumber']}"
        elif values.get("id") is None or (is_transaction(table.model) and not table.model.fields["id"].inferred):
            values["id"] = str(key)
        elif self.resolver.taken(table, str(values["id"]), values):
            raise Refusal.duplicate("POST", top, str(values["id"]))
        else:
            values["id"] = str(values["id"])

    def _file(self, values: dict[str, Any], key: Stored, before: list[Any]) -> None:
        if "files" in values:
            values["files"] = attachments.files_after(
                before, values["files"], lambda: self.sequences.count("company-config/file"), str(key)
            )

    def stamps(self, table: Table, who: Who, *, created: bool) -> dict[str, Any]:
        """The audit columns of a write that happens now."""
        now = self._clock.stamp()
        stamps: dict[str, Any] = {}
        for word in ("created", "modified") if created else ("modified",):
            stamps[f"audit.{word}DateTime"] = now
            stamps[f"audit.{word}By"] = who.user_key
            stamps[f"audit.{word}ByUser.key"] = who.user_key
            if self._tables.existing(USER) is None:
                stamps[f"audit.{word}ByUser.id"] = who.user_id
        return {path: value for path, value in stamps.items() if path in table.columns}

    def page(self, table: Table, key: Stored) -> dict[str, str]:
        """The address of a new record's page, of the recorded form: 43 characters that tell nothing."""
        if "webURL" not in table.columns:
            return {}
        digest = hashlib.sha256(f"{table.object}/{key!s}".encode()).digest()
        return {"webURL": f"{_PAGE}{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"}

    def reference(self, table: Table, key: Stored) -> dict[str, str]:
        """`key`, `id` and `href` of a record."""
        id_ = self.rows.value(table, "id", key)
        reference = {"key": str(key), "id": str(key if id_ is None else id_)}
        if "/document::" in table.object:
            reference["documentType"] = table.object.partition("::")[2]
        return reference | {"href": f"/objects/{path_of(table.object)}/{key!s}"}


_PAGE = "https://www.intacct.com/ia/acct/ur.phtml?.r="
_MONEY = ("txnAmount", "baseAmount", "txnType", "txnCurrency.amount", "unitPrice", "unitQuantity")
_NUMBERED_BY = ("billNumber", "vendor.key")
_RATES = ("currency.exchangeRate.rate", "exchangeRate.rate")
