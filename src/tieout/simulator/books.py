"""What a company's own records say about a posting: which days are open, which entity a location belongs to, what an
account asks of a line (REST reference 4.8, 9.2, 9.3).

Knows entities, locations, accounts and labels. Refuses to know documents and states.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar

from tieout.simulator import wording
from tieout.simulator.behaviour import Settings
from tieout.simulator.refusal import Refusal
from tieout.simulator.rows import Rows
from tieout.simulator.tables import Table
from tieout.simulator.values import KEY

ENTITY = "company-config/entity"
LOCATION = "company-config/location"
ACCOUNT = "general-ledger/account"
TASK = "projects/task"
CONTACT = "company-config/contact"
ITEM = "inventory-control/item"
LABELS = {
    "accounts-receivable/invoice-line": "accounts-receivable/account-label",
    "accounts-receivable/adjustment-line": "accounts-receivable/account-label",
    "accounts-payable/bill-line": "accounts-payable/account-label",
    "accounts-payable/adjustment-line": "accounts-payable/account-label",
}
_DEMANDS = "requireDimensions."
_PRICE = "sales.basePrice"
_WORK_ORDER = "isWorkOrderRequired"
_DEEPEST = 20
"""Locations above a location; more is a circle."""

T = TypeVar("T")


class Books:
    """Read on demand, kept until the records that it was read from change."""

    def __init__(self, rows: Rows, settings: Settings) -> None:
        self._rows = rows
        self._tables = rows.tables
        self._settings = settings
        self._kept: dict[str, tuple[tuple[int, ...], Any]] = {}

    def _read(self, name: str, objects: tuple[str, ...], read: Callable[[], T]) -> T:
        versions = (self._tables.shape, *(self._tables.version(object) for object in objects))
        kept = self._kept.get(name)
        if kept is None or kept[0] != versions:
            kept = self._kept[name] = (versions, read())
        found: T = kept[1]
        return found

    def _all(self, object: str, paths: Iterable[str], where: str = "1") -> list[dict[str, Any]]:
        table = self._tables.existing(object)
        if table is None:
            return []
        columns = [table.columns[path] for path in paths if path in table.columns]
        listed = ", ".join(column.sql for column in columns)
        decoders = [(column.path, column.codec.decoder()) for column in columns]
        rows = self._tables.rows(f"SELECT {listed} FROM {table.sql} WHERE {where}")
        return [{path: decode(value) for (path, decode), value in zip(decoders, row, strict=True)} for row in rows]

    # ---- entities ---------------------------------------------------------------------------------------------

    def entities(self) -> Mapping[str, str]:
        """Key of a location -> id of the entity that it is or lies in."""
        return self._read("entities", (ENTITY, LOCATION), self._entities)

    def _entities(self) -> dict[str, str]:
        entity_ids = {row["id"] for row in self._all(ENTITY, ("id",))}
        places = {row["key"]: row for row in self._all(LOCATION, ("key", "id", "parent.key", "entity.key"))}
        keys = {row["key"]: row["id"] for row in self._all(ENTITY, ("key", "id"))}
        found: dict[str, str] = {}
        for key, place in places.items():
            at: dict[str, Any] | None = place
            for _ in range(_DEEPEST):
                if at is None:
                    break
                if at["id"] in entity_ids:
                    found[key] = at["id"]
                    break
                if keys.get(at.get("entity.key") or ""):
                    found[key] = keys[at["entity.key"]]
                    break
                at = places.get(at.get("parent.key") or "")
        return found

    def entity_id(self, key: object) -> str | None:
        """The id of an entity by its key."""
        keys = self._read(
            "entity keys", (ENTITY,), lambda: {r["key"]: r["id"] for r in self._all(ENTITY, ("key", "id"))}
        )
        return keys.get(str(key)) if key is not None else None

    def any_entity_closed(self) -> bool:
        """Whether an entity says since when its books are open."""
        return bool(self._read("opens", (ENTITY,), self._opens))

    def base_currency(self, entity_id: str | None) -> str:
        """Of an entity: its location's. Of the top level, or where that says nothing: the company's."""
        return self._read("currencies", (LOCATION,), self._currencies).get(entity_id or "") or self._settings.word(
            "base_currency"
        )

    def _currencies(self) -> dict[str, str]:
        return {
            row["id"]: row["baseCurrency"]
            for row in self._all(LOCATION, ("id", "baseCurrency"))
            if isinstance(row.get("baseCurrency"), str)
        }

    # ---- periods ----------------------------------------------------------------------------------------------

    def check_open(self, operation: str, object: str, target: str, day: object, entity_ids: Iterable[str]) -> None:
        """Refusal when books that a posting on `day` touches are closed: the company's or those of an entity."""
        if not isinstance(day, str) or not day:
            return
        opens = [self._company_opens()]
        dates = self._read("opens", (ENTITY,), self._opens)
        opens.extend(dates.get(identity, "") for identity in entity_ids)
        latest = max(opens)
        if day < latest:
            raise Refusal.period_closed(operation, object, target, day, latest)

    def _company_opens(self) -> str:
        closed = self._settings.word("books_closed_until")
        if not closed:
            return ""
        try:
            return (date.fromisoformat(closed) + timedelta(days=1)).isoformat()
        except ValueError:
            return ""

    def _opens(self) -> dict[str, str]:
        return {
            row["id"]: row["openBooksStartDate"]
            for row in self._all(ENTITY, ("id", "openBooksStartDate"))
            if isinstance(row.get("openBooksStartDate"), str)
        }

    # ---- accounts ---------------------------------------------------------------------------------------------

    def check_account(
        self, operation: str, top: str, line: Table, pointer: str, values: Mapping[str, Any], sent: frozenset[str]
    ) -> None:
        """Refusal when a line names an account or a label that its company does not let it use so. `values` are the
        line's columns, `sent` the references that the body named."""
        self._check_label(operation, top, line.object, pointer, values, sent)
        account = values.get("glAccount.key")
        demands = self._read("demands", (ACCOUNT,), self._demands)
        number, names = demands.get(str(account), ("", ())) if account is not None else ("", ())
        for name in names:
            if f"dimensions.{name}.key" in line.columns and values.get(f"dimensions.{name}.key") is None:
                raise Refusal.broken_rule(
                    operation,
                    top,
                    wording.missing_dimension(name, number),
                    code="missingDimension",
                    target=f"{pointer}/dimensions/{name}",
                    correction=f"Provide the {name} of the line",
                )

    def check_task(self, operation: str, top: str, pointer: str, values: Mapping[str, Any]) -> None:
        """A completed task takes no more time. Refusal 422."""
        task, tasks = values.get("dimensions.task.key"), self._tables.existing(TASK)
        if task is None or tasks is None:
            return
        found = self._rows.where(tasks, "key", KEY.encoder()(task), ("taskStatus",))
        if found and found[0].get("taskStatus") == "completed":
            words = f"{TASK} {task} is completed and takes no more time entries"
            raise Refusal.broken_rule(operation, top, words, target=f"{pointer}/dimensions/task")

    def _demands(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Key of an account -> its id, the dimensions that its lines must name; only accounts that ask for any."""
        table = self._tables.existing(ACCOUNT)
        if table is None:
            return {}
        paths = [path for path in table.columns if path.startswith(_DEMANDS) and not path.endswith(_WORK_ORDER)]
        if not paths:
            return {}
        where = " OR ".join(f"{table.columns[path].sql} = 1" for path in paths)
        return {
            row["key"]: (str(row["id"]), tuple(path.removeprefix(_DEMANDS) for path in paths if row[path] is True))
            for row in self._all(ACCOUNT, ("key", "id", *paths), where)
        }

    # ---- what a record takes from another ---------------------------------------------------------------------

    def contact_name(self, contact: object) -> str | None:
        """The name that an employee has by the contact with this key."""
        found = self._row(CONTACT, contact, ("printAs", "id"))
        return found.get("printAs") or found.get("id")

    def price(self, item: object) -> str:
        """What one unit of the item with this key is sold for."""
        return str(self._row(ITEM, item, (_PRICE,)).get(_PRICE) or "0.0000000000")

    def _row(self, object: str, key: object, paths: tuple[str, ...]) -> dict[str, Any]:
        table = self._tables.existing(object) if key is not None else None
        found = self._rows.where(table, "key", KEY.encoder()(key), paths) if table is not None else []
        return found[0] if found else {}

    # ---- labels -----------------------------------------------------------------------------------------------

    def _check_label(
        self, operation: str, top: str, line: str, pointer: str, values: Mapping[str, Any], sent: frozenset[str]
    ) -> None:
        label_object = LABELS.get(line)
        if label_object is None:
            return
        label = self._label(label_object, values.get("accountLabel.key"))
        if label.get("isSubtotal") is True and self._settings.word("subtotal_labels") == "refused":
            raise Refusal.broken_rule(
                operation,
                top,
                "A subtotal account label is not valid on a line",
                code="invalidRequest",
                error_id="AR-0148",
                target=f"{pointer}/accountLabel",
            )
        overrides = "overrideOffsetGLAccount" in sent or (
            "glAccount" in sent and label and label.get("glAccount.key") != values.get("glAccount.key")
        )
        if overrides and self._settings.on("account_override_refused"):
            raise Refusal.broken_rule(
                operation,
                top,
                "Cannot create the transaction: the account of the line may not be overridden",
                code="operationFailed",
                error_id="AR-0279",
                target=pointer or "/",
            )

    def label_account(self, line: str, label_key: object) -> str | None:
        """The key of the account that a line's label stands for."""
        object = LABELS.get(line)
        found = self._label(object, label_key).get("glAccount.key") if object is not None else None
        return str(found) if found is not None else None

    def _label(self, object: str, key: object) -> dict[str, Any]:
        return self._row(object, key, ("key", "isSubtotal", "glAccount.key"))
