"""Every behaviour of the simulator with its evidence, and every choice that can be made (docs/simulator.md is made
from here)."""

from __future__ import annotations

from tieout.simulator.behaviour import oauth, queries, records, traffic
from tieout.simulator.behaviour.kinds import Evidence, Fact, Switch, Value
from tieout.simulator.behaviour.settings import Settings

AREAS = {
    "Sign-in": oauth,
    "Objects and writes": records,
    "Query and model": queries,
    "Requests and faults": traffic,
}
"""Heading -> the module that holds its FACTS and SWITCHES."""

__all__ = ["AREAS", "Evidence", "Fact", "Settings", "Switch", "Value"]
