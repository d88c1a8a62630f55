"""What can be said of one behaviour of the simulator: where it comes from, and what a test may choose instead.

Data only; who acts on a switch is the room that the behaviour belongs to.
"""

from __future__ import annotations

from math import isfinite
from typing import Literal

import msgspec

Evidence = Literal["LIVE", "DOC", "INFERRED", "UNKNOWN"]
"""How the reference marks its claims: recorded, Sage's own words, our reading, nobody knows."""
Value = bool | int | float | str


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One line of docs/simulator.md: what is simulated, how sure we are, and where the reference says so."""

    what: str
    evidence: Evidence
    where: str
    """Section of the REST reference: `4.7`."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """A choice that a test or a user may make. Its default is what we hold most likely of the real Intacct, or for
    company settings what a fresh company has."""

    name: str
    """`snake_case`; `--set name=value` on the command line."""
    default: Value
    choices: tuple[str, ...] = ()
    """The words allowed; empty for a bool, a number or free text, as the default is."""
    what: str
    """The question it answers, as a sentence a stranger understands, and what each choice does."""
    evidence: Evidence = "UNKNOWN"
    where: str = ""

    def read(self, value: object) -> Value:
        """A value given by hand (`"true"`, `"5"`, 5) in the switch's own type. Raises ValueError."""
        kind = type(self.default)
        if kind is bool:
            if isinstance(value, bool):
                return value
            if isinstance(value, str) and value.lower() in ("true", "false", "on", "off", "yes", "no", "1", "0"):
                return value.lower() in ("true", "on", "yes", "1")
            raise ValueError(f"{self.name} is true or false, not {value!r}")
        if kind is str:
            if not isinstance(value, str) or (self.choices and value not in self.choices):
                raise ValueError(f"{self.name} is one of {', '.join(self.choices)}, not {value!r}")
            return value
        if isinstance(value, bool):
            raise ValueError(f"{self.name} is a number, not {value!r}")
        try:
            number = float(value)  # type: ignore[arg-type]  # whatever it is, the error says so
        except (TypeError, ValueError):
            raise ValueError(f"{self.name} is a number, not {value!r}") from None
        if not isfinite(number):
            raise ValueError(f"{self.name} is a number, not {value!r}")
        return number if kind is float else int(number)
