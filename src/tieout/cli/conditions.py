"""What a local Sage Intacct runs under, as words of the command line: switches, clock, latency, faults.

Reads them and names every mistake; what they do is `simulator`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.cli.output import Column, Output
from tieout.errors import ConfigurationError

if TYPE_CHECKING:
    from tieout.simulator.behaviour.kinds import Switch
    from tieout.simulator.faults import Fault

_LATENCY = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?(?:\.\.(\d+(?:\.\d+)?)(ms|s)?)?")


class Conditions(msgspec.Struct, frozen=True):
    """Nothing given: as the real one most likely is."""

    switches: Mapping[str, object] = {}
    clock: datetime | None = None
    """Where the clock stands still; None: it runs."""
    faults: tuple[Fault, ...] = ()


def conditions(
    given: Sequence[str] = (),
    *,
    clock: str | None = None,
    latency: str | None = None,
    tier: str | None = None,
    faults: Sequence[str] = (),
) -> Conditions:
    """`given` are `NAME=VALUE`. Raises ConfigurationError for the first that cannot be read."""
    switches: dict[str, object] = {}
    if tier is not None:
        switches["tier"] = tier
    if latency is not None:
        switches |= _latency(latency)
    for text in given:
        name, mark, value = text.partition("=")
        if not mark:
            raise ConfigurationError(f"--set {text}: a name and a value are needed.", advice="Write --set NAME=VALUE.")
        switches[name.strip()] = value.strip()
    for switch, chosen in switches.items():
        _check(switch, chosen)
    return Conditions(switches, None if clock is None else _moment(clock), tuple(_faults(faults)))


def show_switches(output: Output) -> None:
    """Every switch with its default, its choices and the question it answers."""
    from tieout.simulator.behaviour.settings import SWITCHES

    switches = sorted(SWITCHES.values(), key=lambda switch: switch.name)
    if output.json:
        output.result([msgspec.to_builtins(switch) for switch in switches])
        return
    rows = [(switch.name, _plain(switch.default), _choices(switch), switch.what) for switch in switches]
    output.table(["switch", "default", "choices", Column("what it decides", wrap=True)], rows)


def _check(name: str, value: object) -> None:
    from tieout.catalogue.spelling import nearest
    from tieout.simulator.behaviour.settings import SWITCHES

    if name not in SWITCHES:
        meant = " or ".join(nearest(name, SWITCHES, 2))
        advice = f"Did you mean {meant}?" if meant else ""
        raise ConfigurationError(
            f"There is no switch {name!r}.", advice=f"{advice} `tieout simulate --switches` lists them.".strip()
        )
    try:
        SWITCHES[name].read(value)
    except ValueError as error:
        raise ConfigurationError(f"{error}.", advice="`tieout simulate --switches` lists them.") from None


def _choices(switch: Switch) -> str:
    if isinstance(switch.default, bool):
        return "true, false"
    return ", ".join(switch.choices) or ("text" if isinstance(switch.default, str) else "a number")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _latency(text: str) -> dict[str, object]:
    """`50ms`, `0.2s`, `50ms..200ms`."""
    found = _LATENCY.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"--latency {text}: not a duration.", advice="Write 50ms, 0.2s or 50ms..200ms.")
    least = float(found[1]) * (1000 if found[2] == "s" else 1)
    most = least if found[3] is None else float(found[3]) * (1000 if found[4] == "s" else 1)
    if most < least:
        raise ConfigurationError(f"--latency {text}: ends before it begins.", advice="Write the smaller one first.")
    return {"latency_from": least, "latency_to": most}


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"--clock {text}: not a moment.", advice="Write it like 2026-03-20T10:00:00Z."
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _faults(given: Sequence[str]) -> list[Fault]:
    from tieout.simulator.faults import Fault

    found: list[Fault] = []
    for text in given:
        inline = text.lstrip()[:1] in ("{", "[")
        try:
            content = text.encode() if inline else Path(text).read_bytes()
            rules = msgspec.json.decode(content, type=Fault | list[Fault])
        except OSError as error:
            raise ConfigurationError(f"The file of faults {text} cannot be read: {error.strerror}.") from None
        except msgspec.DecodeError as error:
            where = "--fault" if inline else f"--fault {text}"
            raise ConfigurationError(f"{where}: {error}.", advice="docs/simulator.md shows rules.") from None
        found += rules if isinstance(rules, list) else [rules]
    return found
