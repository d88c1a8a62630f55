"""Query, model and other reading services: what is simulated and what can be chosen (REST reference 5)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = (
    Fact(
        what="Query pages: flat rows, `start` from 1, `size` 100 if not given and 4,000 at most",
        evidence="LIVE",
        where="5.5",
    ),
    Fact(what="Rows without `orderBy` come neither by key nor by id", evidence="LIVE", where="5.5"),
    Fact(what="A field that cannot be queried: 400 `REST-1106`, the first one only", evidence="LIVE", where="8.4"),
    Fact(what="An unknown key of a query is refused, `pageSize` too", evidence="LIVE", where="5.1"),
    Fact(what="All operators, filter expressions and date macros", evidence="DOC", where="5.2, 5.3"),
    Fact(what="The key of an aggregate is the text that asked for it", evidence="INFERRED", where="5.5"),
    Fact(what="A live model's shape, `lists` as `[]` where there are none", evidence="LIVE", where="6"),
    Fact(what="An unknown name in the model service: an empty list", evidence="DOC", where="6"),
    Fact(what="null for a member of a query that may be left out counts as absent", evidence="INFERRED", where="5.1"),
)
SWITCHES: tuple[Switch, ...] = ()
