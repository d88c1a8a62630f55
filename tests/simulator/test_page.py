"""docs/simulator.md says what the code says of itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tieout.simulator.behaviour import AREAS
from tieout.simulator.behaviour.settings import SWITCHES

ROOT = Path(__file__).parents[2]


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("page", ROOT / "scripts" / "build_simulator_page.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    current = script.PAGE.read_text()
    assert script.page(current) == current, "run: python scripts/build_simulator_page.py"


def test_every_switch_has_a_name_of_its_own_and_a_default_it_accepts() -> None:
    switches = [switch for area in AREAS.values() for switch in area.SWITCHES]
    assert len(SWITCHES) == len(switches)
    for switch in switches:
        assert switch.read(switch.default) == switch.default
        assert switch.what.endswith("."), switch.name
