"""What a client remembers of a company: live models with their age, and fields learnt not to be queryable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from tieout.catalogue.model import Model

MODEL_AGE = 3600.0
"""Seconds after which a cached live model is asked for again."""


def since(reason: str, day: str) -> str:
    """A reason with the day it was learnt: `... cannot be used in query in version 1 (2026-03-20)`."""
    return f"{reason.rstrip('.')} ({day})"


class KeptModel(msgspec.Struct, frozen=True, kw_only=True):
    """A live model as the company answered it at `fetched_at`, seconds since 1970."""

    model: Model
    fetched_at: float

    def __repr__(self) -> str:
        return f"KeptModel({self.model.name!r}, fetched_at={self.fetched_at:.0f})"


class Memory(Protocol):
    """One company's memory. May block: it is asked through Work effects."""

    def model(self, object: str, max_age: float | None = None) -> Model | None:
        """The cached live model, or None if there is none or it is older than `max_age` seconds (None: this
        memory's own age)."""
        ...

    def keep_model(self, object: str, model: Model) -> None:
        """Remember the model as fetched now. If it differs from the one before, that one is kept, too."""
        ...

    def kept_model(self, object: str) -> KeptModel | None:
        """The last model fetched, whatever its age."""
        ...

    def earlier_model(self, object: str) -> KeptModel | None:
        """The model as it was when `tieout drift` last looked, if it has changed since."""
        ...

    def forget_earlier(self, object: str) -> None:
        """The changes of this object were looked at: from now on compare with today's model."""
        ...

    def objects(self) -> tuple[str, ...]:
        """Names of the objects whose models are remembered."""
        ...

    def unqueryable(self, object: str) -> dict[str, str]:
        """{field: reason and day} of fields that the company's query service refused (REST-1106).

        Forgotten when the object's model changes: what a new release refuses is to be learnt anew."""
        ...

    def keep_unqueryable(self, object: str, field: str, reason: str) -> None:
        """Remember that a field cannot be queried, and since when."""
        ...

    def trait(self, name: str) -> str | None:
        """What was found out about how this company's services behave, where the documentation is silent."""
        ...

    def keep_trait(self, name: str, value: str) -> None: ...


class ProcessMemory:
    """The default: remembers as long as the process lives."""

    def __init__(self, age: float = MODEL_AGE, now: Callable[[], float] = time.time) -> None:
        self._age, self._now = age, now
        self._lock = threading.Lock()
        self._models: dict[str, KeptModel] = {}
        self._earlier: dict[str, KeptModel] = {}
        self._learnt: dict[str, dict[str, str]] = {}
        self._traits: dict[str, str] = {}

    def model(self, object: str, max_age: float | None = None) -> Model | None:
        """The cached live model, or None if there is none or it is too old."""
        kept = self.kept_model(object)
        young = kept is not None and 0 <= self._now() - kept.fetched_at <= (self._age if max_age is None else max_age)
        return kept.model if kept is not None and young else None

    def keep_model(self, object: str, model: Model) -> None:
        """Remember the model as fetched now, and the one before where it differs."""
        with self._lock:
            last = self._models.get(object)
            if last is not None and last.model != model:
                self._earlier.setdefault(object, last)
                self._learnt.pop(object, None)
            self._models[object] = KeptModel(model=model, fetched_at=self._now())

    def kept_model(self, object: str) -> KeptModel | None:
        """The last model fetched, whatever its age."""
        with self._lock:
            return self._models.get(object)

    def earlier_model(self, object: str) -> KeptModel | None:
        """The model before the first change that nobody has looked at."""
        with self._lock:
            return self._earlier.get(object)

    def forget_earlier(self, object: str) -> None:
        """The changes of this object were looked at."""
        with self._lock:
            self._earlier.pop(object, None)

    def objects(self) -> tuple[str, ...]:
        """Names of the objects whose models are remembered."""
        with self._lock:
            return tuple(sorted(self._models))

    def unqueryable(self, object: str) -> dict[str, str]:
        with self._lock:
            return dict(self._learnt.get(object, {}))

    def keep_unqueryable(self, object: str, field: str, reason: str) -> None:
        day = datetime.fromtimestamp(self._now(), UTC).date()
        with self._lock:
            self._learnt.setdefault(object, {})[field] = since(reason, day.isoformat())

    def trait(self, name: str) -> str | None:
        with self._lock:
            return self._traits.get(name)

    def keep_trait(self, name: str, value: str) -> None:
        with self._lock:
            self._traits[name] = value

    def __repr__(self) -> str:
        return f"ProcessMemory({len(self.objects())} models)"
