"""Objects, writes and a company's own rules: what is simulated and what can be chosen (REST reference 4)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = ()
SWITCHES: tuple[Switch, ...] = ()
