"""What a client remembers of a company: live models with their age, and fields learnt not to be queryable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from tieout.catalogue.model import Model

MODEL_AGE = 3600.0
"""Seconds after which a cached live model is asked for again."""


class Memory(Protocol):
    """One company's memory. May block: it is asked through Work effects."""

    def model(self, object: str) -> Model | None:
        """The cached live model, or None if there is none or it is too old."""
        ...

    def keep_model(self, object: str, model: Model) -> None: ...

    def unqueryable(self, object: str) -> dict[str, str]:
        """{field: reason} of fields that the company's query service refused (REST-1106)."""
        ...

    def keep_unqueryable(self, object: str, field: str, reason: str) -> None: ...


class ProcessMemory:
    """The default: remembers as long as the process lives."""

    def __init__(self, age: float = MODEL_AGE, now: Callable[[], float] = time.monotonic) -> None:
        self._age, self._now = age, now
        self._lock = threading.Lock()
        self._models: dict[str, tuple[float, Model]] = {}
        self._learnt: dict[str, dict[str, str]] = {}

    def model(self, object: str) -> Model | None:
        with self._lock:
            kept = self._models.get(object)
        if kept is None or self._now() - kept[0] > self._age:
            return None
        return kept[1]

    def keep_model(self, object: str, model: Model) -> None:
        with self._lock:
            self._models[object] = (self._now(), model)

    def unqueryable(self, object: str) -> dict[str, str]:
        with self._lock:
            return dict(self._learnt.get(object, {}))

    def keep_unqueryable(self, object: str, field: str, reason: str) -> None:
        with self._lock:
            self._learnt.setdefault(object, {})[field] = reason
