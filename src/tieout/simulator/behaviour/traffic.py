"""Idempotency, throttling, faults, requests as such: what is simulated and what can be chosen (7.6, 8)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = ()
SWITCHES: tuple[Switch, ...] = ()
