"""Idempotency, throttling, faults, requests as such: what is simulated and what can be chosen (7.6, 8)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = (
    Fact(
        what="Idempotency keys on POST and PATCH, not for `query`: the answer, a failure too, is repeated for 48 hours "
        "with `x-ia-idempotency-cached-date`; then the key is refused (409) until day 60",
        evidence="DOC",
        where="7.6",
    ),
    Fact(what="An idempotency key with another body: 409", evidence="DOC", where="7.6"),
    Fact(what="A key of more than 256 characters: 400", evidence="INFERRED", where="7.6"),
)
SWITCHES: tuple[Switch, ...] = ()
