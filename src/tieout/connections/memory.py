"""What clients have learnt of companies, kept in the state database: live models with their age, fields that refuse.

Implements the REST room's Memory. Knows nothing of HTTP or of what a model is used for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from tieout.catalogue.model import Model
from tieout.rest.memory import MODEL_AGE
from tieout.store import Store


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
        self._models: dict[str, tuple[float, Model]] = {}

    def model(self, object: str) -> Model | None:
        """The cached live model, or None if there is none or it is too old."""
        with self._lock:
            kept = self._models.get(object)
        if kept is None or not self._young(kept[0]):
            kept = self._read(object)  # another program may have asked since
        if kept is None or not self._young(kept[0]):
            return None
        with self._lock:
            self._models[object] = kept
        return kept[1]

    def _young(self, fetched: float) -> bool:
        return 0 <= self._now() - fetched <= self._age

    def _read(self, object: str) -> tuple[float, Model] | None:
        from sqlalchemy import select

        from tieout.store.tables import models

        wanted = self._company | {"object": object}
        with self._store.read() as connection:
            row = connection.execute(select(models.c.fetched_at, models.c.definition).filter_by(**wanted)).first()
        if row is None:
            return None
        try:
            return row.fetched_at, msgspec.json.decode(row.definition, type=Model)
        except msgspec.ValidationError:
            return None  # kept by a tieout that described models otherwise

    def keep_model(self, object: str, model: Model) -> None:
        """Remember the model of `object` as fetched now."""
        from tieout.store.tables import models

        fetched = self._now()
        row = self._company | {"object": object, "definition": msgspec.json.encode(model), "fetched_at": fetched}
        with self._store.begin() as connection:
            self._store.upsert(connection, models, row)
        with self._lock:
            self._models[object] = (fetched, model)

    def unqueryable(self, object: str) -> dict[str, str]:
        """{field: reason} of fields that the company's query service refused (REST-1106)."""
        from sqlalchemy import select

        from tieout.store.tables import learnt_fields

        wanted = self._company | {"object": object}
        with self._store.read() as connection:
            rows = connection.execute(select(learnt_fields.c.field, learnt_fields.c.reason).filter_by(**wanted)).all()
        return {row.field: row.reason for row in rows}

    def keep_unqueryable(self, object: str, field: str, reason: str) -> None:
        """Remember that a field cannot be queried."""
        from tieout.store.tables import learnt_fields

        learnt = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
        row = self._company | {"object": object, "field": field, "reason": reason, "learnt_at": learnt}
        with self._store.begin() as connection:
            self._store.upsert(connection, learnt_fields, row)
