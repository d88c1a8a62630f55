"""Query, model and other reading services: what is simulated and what can be chosen (REST reference 5)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = ()
SWITCHES: tuple[Switch, ...] = ()
