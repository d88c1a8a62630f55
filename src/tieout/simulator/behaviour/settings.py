"""The choices in force: a company's own over its server's over the defaults."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from difflib import get_close_matches

from tieout.simulator.behaviour import oauth, queries, records, traffic
from tieout.simulator.behaviour.kinds import Switch, Value

SWITCHES: dict[str, Switch] = {
    switch.name: switch for area in (oauth, records, queries, traffic) for switch in area.SWITCHES
}


class Settings:
    """Values of switches. Threads may share it.

    >>> Settings({"rotation": "strict"})["rotation"]
    'strict'
    """

    def __init__(self, given: Mapping[str, object] | None = None, *, parent: Settings | None = None) -> None:
        """Raises ValueError as `set` does."""
        self._lock = threading.Lock()
        self._parent = parent
        self._own: dict[str, Value] = {}
        self.set(given or {})

    def __getitem__(self, name: str) -> Value:
        """The value in force. Raises KeyError for a name that is no switch."""
        own = self._own.get(name)
        if own is not None:
            return own
        return self._parent[name] if self._parent is not None else SWITCHES[name].default

    def on(self, name: str) -> bool:
        """A switch that is true or false."""
        return bool(self[name])

    def number(self, name: str) -> float:
        return float(self[name])

    def word(self, name: str) -> str:
        return str(self[name])

    def set(self, given: Mapping[str, object]) -> None:
        """Set these and leave the others; all or none. Raises ValueError for an unknown name or a value that does not
        fit, with the names or values there are."""
        read: dict[str, Value] = {}
        for name, value in given.items():
            if name not in SWITCHES:
                near = " or ".join(get_close_matches(name, SWITCHES, 2))
                meant = f"did you mean {near}?" if near else "GET /_simulator/switches lists them"
                raise ValueError(f"there is no switch {name!r}; {meant}")
            read[name] = SWITCHES[name].read(value)
        with self._lock:
            self._own |= read

    def own(self) -> dict[str, Value]:
        """What was set here, not what is inherited."""
        with self._lock:
            return dict(self._own)

    def clear(self) -> None:
        """Back to what is inherited."""
        with self._lock:
            self._own.clear()

    def all(self) -> dict[str, Value]:
        """Every switch with the value in force."""
        return {name: self[name] for name in SWITCHES}
