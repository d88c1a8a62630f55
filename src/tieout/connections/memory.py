"""What clients have learnt of companies, kept in the state database: live models with their age, fields that refuse.

Implements the REST room's Memory. Knows nothing of HTTP or of what a model is used for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.catalogue.model import Model
from tieout.rest.memory import MODEL_AGE, KeptModel, since
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table


class StoreMemory:
    """One company's memory, shared by every program that uses the state database.

    `age` is in seconds: an older model is asked for again. What this process has read it keeps, so that asking again
    costs no database read.
    """

    def __init__(
        self,
        store: Store,
        environment: str,
        company: str,
        *,
        age: float = MODEL_AGE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._company = store, {"environment": environment, "company": company}
        self._age, self._now = age, now
        self._lock = threading.Lock()
        self._models: dict[str, KeptModel] = {}
        self._traits: dict[str, str] = {}

    def model(self, object: str, max_age: float | None = None) -> Model | None:
        """The cached live model, or None if there is none or it is older than `max_age` seconds."""
        oldest = self._age if max_age is None else max_age
        with self._lock:
            kept = self._models.get(object)
        if kept is None or not self._young(kept, oldest):
            kept = self.kept_model(object)  # another program may have asked since
        if kept is None or not self._young(kept, oldest):
            return None
        with self._lock:
            self._models[object] = kept
        return kept.model

    def _young(self, kept: KeptModel, oldest: float) -> bool:
        return 0 <= self._now() - kept.fetched_at <= oldest

    def kept_model(self, object: str) -> KeptModel | None:
        """The last model fetched by any program, whatever its age."""
        from tieout.store.tables import models

        with self._store.read() as connection:
            return self._read(connection, models, object)

    def _read(self, connection: Connection, table: Table, object: str) -> KeptModel | None:
        from sqlalchemy import select

        wanted = self._company | {"object": object}
        row = connection.execute(select(table.c.fetched_at, table.c.definition).filter_by(**wanted)).first()
        if row is None:
            return None
        try:
            model = msgspec.json.decode(row.definition, type=Model)
        except msgspec.ValidationError:
            return None  # kept by a tieout that described models otherwise
        return KeptModel(model=model, fetched_at=row.fetched_at)

    def keep_model(self, object: str, model: Model) -> None:
        """Remember the model of `object` as fetched now, and the one before where it differs."""
        from sqlalchemy import delete

        from tieout.store.tables import earlier_models, learnt_fields, models

        fetched = self._now()
        with self._store.begin() as connection:
            last = self._read(connection, models, object)
            if last is not None and last.model != model:
                connection.execute(delete(learnt_fields).filter_by(**self._company, object=object))
                if self._read(connection, earlier_models, object) is None:
                    self._store.upsert(connection, earlier_models, self._row(object, last.model, last.fetched_at))
            self._store.upsert(connection, models, self._row(object, model, fetched))
        with self._lock:
            self._models[object] = KeptModel(model=model, fetched_at=fetched)

    def _row(self, object: str, model: Model, fetched: float) -> dict[str, Any]:
        return self._company | {"object": object, "definition": msgspec.json.encode(model), "fetched_at": fetched}

    def earlier_model(self, object: str) -> KeptModel | None:
        """The model before the first change that nobody has looked at."""
        from tieout.store.tables import earlier_models

        with self._store.read() as connection:
            return self._read(connection, earlier_models, object)

    def forget_earlier(self, object: str) -> None:
        """The changes of this object were looked at."""
        from sqlalchemy import delete

        from tieout.store.tables import earlier_models

        wanted = self._company | {"object": object}
        with self._store.begin() as connection:
            connection.execute(delete(earlier_models).filter_by(**wanted))

    def objects(self) -> tuple[str, ...]:
        """Names of the objects whose models are remembered."""
        from sqlalchemy import select

        from tieout.store.tables import models

        with self._store.read() as connection:
            rows = connection.execute(select(models.c.object).filter_by(**self._company).order_by(models.c.object))
            return tuple(row.object for row in rows)

    def unqueryable(self, object: str) -> dict[str, str]:
        """{field: reason and day} of fields that the company's query service refused (REST-1106)."""
        from sqlalchemy import select

        from tieout.store.tables import learnt_fields

        wanted = self._company | {"object": object}
        with self._store.read() as connection:
            rows = connection.execute(select(learnt_fields).filter_by(**wanted)).all()
        return {row.field: since(row.reason, row.learnt_at[:10]) for row in rows}

    def keep_unqueryable(self, object: str, field: str, reason: str) -> None:
        """Remember that a field cannot be queried."""
        from tieout.store.tables import learnt_fields

        learnt = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
        row = self._company | {"object": object, "field": field, "reason": reason, "learnt_at": learnt}
        with self._store.begin() as connection:
            self._store.upsert(connection, learnt_fields, row)

    def trait(self, name: str) -> str | None:
        """What this process has found out about the company's services. Not kept: finding out again costs one request,
        and what is kept would outlive a change at Sage."""
        with self._lock:
            return self._traits.get(name)

    def keep_trait(self, name: str, value: str) -> None:
        with self._lock:
            self._traits[name] = value

    def __repr__(self) -> str:
        return f"StoreMemory({self._company['company']!r}, {self._company['environment']!r})"
