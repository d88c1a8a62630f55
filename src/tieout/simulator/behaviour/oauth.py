"""Sign-in: what is simulated and what can be chosen (REST reference 1)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = (
    Fact(what="Client credentials, form or JSON, which also answers a refresh token", evidence="LIVE", where="1.4"),
)
SWITCHES: tuple[Switch, ...] = (
    Switch(
        name="rotation",
        default="lenient",
        choices=("lenient", "strict"),
        what="What becomes of a refresh token that was used: still accepted (lenient), or refused (strict).",
        where="1.3",
    ),
    Switch(
        name="token_lifetime",
        default=43_200,
        what="Seconds that an access token lives.",
        evidence="LIVE",
        where="1.4",
    ),
)
