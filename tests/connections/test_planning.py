"""The same-user trap: a plan that is accepted leaves every connection alive, one that is refused and carried out all
the same costs one. Only rows are read by it, so that SQLite speaks for both databases."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.simulator.browser import BACK, Application
from tieout.connections import Connections, Plan, PlanError, Seat, Vault
from tieout.connections.keys import Keys
from tieout.connections.planning import Row
from tieout.errors import Exit, TieoutError
from tieout.rest import InProcessTransport
from tieout.rest.tokens import Grant
from tieout.simulator import Simulator
from tieout.simulator.clients import Client
from tieout.store import open_store
from tieout.store.access_tables import tokens

ENTITY = "company-config/entity"
SECOND = ("second-client", "second-secret")


@pytest.fixture
def connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connections]:
    monkeypatch.setenv("TIEOUT_KEY", secrets.token_hex(32))
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        made = Connections(store, Vault(Keys(tmp_path)))
        made.apps.draft("demo", redirect_uris=["https://127.0.0.1:4711/callback"], scope="non-production")
        made.apps.approve("demo", "demo-client", "demo-secret")
        made.apps.draft("second", redirect_uris=["https://127.0.0.1:4711/callback"], scope="non-production")
        made.apps.approve("second", *SECOND)
        yield made


class Desk:
    """Carries plans out against a simulator."""

    def __init__(self, connections: Connections, simulator: Simulator) -> None:
        self.connections, self.simulator = connections, simulator
        self.transport = InProcessTransport(simulator.answer)
        simulator.set_client(Client(id=SECOND[0], secret=SECOND[1], redirect_uris=(BACK,)))

    def seat(self, entity: str, user: str, **more: str) -> Seat:
        place = {"company": "demo", "environment": "simulator", "base_url": self.simulator.origin, "app": "demo"}
        return Seat(entity=entity, user=user, **(place | more))  # type: ignore[arg-type]

    def rows(self, *seats: Seat) -> tuple[Row, ...]:
        """Of a plan that may be refused."""
        try:
            return self.connections.plan(seats).rows
        except PlanError as refused:
            return refused.plan.rows

    def carry_out(self, row: Row) -> None:
        """As planned; a refused row by force, as its seat says."""
        seat = row.seat
        if row.action == "connected":
            return
        if row.action == "share":
            self.connections.share(row.name, with_=row.with_, entity=seat.entity or None, owner=seat.owner)
        elif seat.kind == "client_credentials":
            self._by_credentials(row)
        else:
            self._by_browser(row)

    def _by_credentials(self, row: Row) -> None:
        seat = row.seat
        self.connections.add_client_credentials(
            row.name,
            app=seat.app,
            user=seat.user,
            company=seat.company,
            entity=seat.entity or None,
            base_url=seat.base_url,
            environment=seat.environment,
            owner=seat.owner,
            transport=self.transport,
        )

    def _by_browser(self, row: Row) -> None:
        seat = row.seat
        waiting = self.connections.prepare(
            row.name,
            user=seat.user,
            entity=seat.entity or None,
            base_url=seat.base_url,
            environment=seat.environment,
            owner=seat.owner,
        )
        client = SECOND if seat.app == "second" else ("demo-client", "demo-secret")
        answer = Application(self.simulator, *client, user=seat.user).authorized()
        grant = Grant(answer["access_token"], answer["expires_in"], answer["refresh_token"])
        self.connections.land(waiting, grant, app=seat.app, promised_user=seat.user)

    def alive(self, row: Row) -> bool:
        """Whether a connection gets a new token, and works in its entity."""
        try:
            with self.connections.open(row.name, owner=row.seat.owner, transport=self.transport) as client:
                seen = [reference.id for reference in client.references(ENTITY)]
                return seen == [row.seat.entity] if row.seat.entity else len(seen) == 3
        except TieoutError:
            return False

    def all_alive(self, rows: Sequence[Row]) -> bool:
        with self.connections.store.begin() as transaction:
            transaction.execute(tokens.delete())
        alive = [self.alive(row) for row in rows]
        return all(alive)


@pytest.fixture
def desk(connections: Connections, simulator: Simulator) -> Desk:
    return Desk(connections, simulator)


def test_one_user_for_each_location(desk: Desk) -> None:
    """The table of Sage's own advice: Controller (USA) -> E110, Controller (CAN) -> E120."""
    desk.simulator.company().add_user("Controller (USA)")
    desk.simulator.company().add_user("Controller (CAN)")
    plan = desk.connections.plan([desk.seat("E110", "Controller (USA)"), desk.seat("E120", "Controller (CAN)")])
    place = f"--simulator {desk.simulator.origin} --sign-in --app demo"
    assert [(row.name, row.action, row.command) for row in plan.rows] == [
        ("e110", "sign in", f"tieout connect e110 {place} --user 'Controller (USA)@demo' --entity E110"),
        ("e120", "sign in", f"tieout connect e120 {place} --user 'Controller (CAN)@demo' --entity E120"),
    ]
    for row in plan.rows:
        desk.carry_out(row)
    assert desk.all_alive(plan.rows)
    again = desk.connections.plan([row.seat for row in plan.rows])
    assert [(row.name, row.action, row.command) for row in again.rows] == [
        ("e110", "connected", ""),
        ("e120", "connected", ""),
    ]


def test_one_user_for_two_locations_shares_one_sign_in(desk: Desk) -> None:
    plan = desk.connections.plan([desk.seat("E110", "admin"), desk.seat("E120", "admin"), desk.seat("", "admin")])
    assert [(row.action, row.with_) for row in plan.rows] == [("sign in", ""), ("share", "e110"), ("share", "e110")]
    assert plan.rows[1].command == "tieout connections add e120 --like e110 --entity E120"
    assert "one sign-in for both; the entity is named with each request" in plan.rows[1].why
    for row in plan.rows:
        desk.carry_out(row)
    assert desk.all_alive(plan.rows)


def test_what_is_connected_already_is_shared_too(desk: Desk) -> None:
    first = desk.connections.plan([desk.seat("E110", "admin", name="usa")])
    desk.carry_out(first.rows[0])
    row = desk.connections.plan([desk.seat("E120", "admin", kind="client_credentials")]).rows[0]
    assert (row.name, row.action, row.with_) == ("e120", "share", "usa")


def test_another_owner_s_user_is_refused_and_nothing_told_of_whose_it_is(desk: Desk) -> None:
    mine = desk.seat("E110", "admin", owner="a", name="secret-name")
    desk.carry_out(desk.connections.plan([mine]).rows[0])
    theirs = desk.seat("E120", "admin", owner="b")
    with pytest.raises(PlanError) as refused:
        desk.connections.plan([theirs, desk.seat("E120", "ca", owner="b")])
    assert refused.value.exit_code == Exit.USAGE
    told = str(refused.value.to_dict()) + str(refused.value)
    assert "E120: admin@demo already works for another account here; take another Sage user" in told
    assert "secret-name" not in told
    assert [row.action for row in refused.value.plan.rows] == ["refused", "sign in"]
    # Two owners in one plan are no better.
    for kind in ("authorization_code", "client_credentials"):
        rows = desk.rows(desk.seat("E110", "us", owner="c"), desk.seat("E110", "us", owner="d", kind=kind))
        assert [row.action for row in rows] == ["sign in", "refused"]


def test_labels_do_not_keep_two_sign_ins_of_a_user_apart(desk: Desk) -> None:
    """Intacct knows no labels: the sandbox's sign-in would end the simulator's, the same company's."""
    first = desk.rows(desk.seat("E110", "admin"))[0]
    desk.carry_out(first)
    rows = desk.rows(desk.seat("E120", "admin", environment="sandbox"))
    assert "would end the sign-in of 'e110', which calls the same company simulator" in rows[0].why
    by_credentials = desk.rows(desk.seat("E120", "admin", environment="sandbox", kind="client_credentials"))
    assert [row.action for row in by_credentials] == ["credentials"]  # ends nothing
    desk.carry_out(rows[0])
    assert not desk.all_alive([first])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"user": " "}, "the user is missing"),
        ({"company": ""}, "the company is missing"),
        ({"app": "nosuch"}, "there is no application 'nosuch'"),
        ({"environment": "production"}, "'demo' has the scope non-production and cannot be used with a production"),
        ({"name": "taken", "company": "second"}, "the connection 'taken' is to demo (simulator) already"),
        ({"name": "twice"}, "the connection 'twice' stands in the plan twice"),
    ],
)
def test_what_nobody_s_sign_in_would_make(desk: Desk, change: dict[str, str], why: str) -> None:
    desk.carry_out(desk.rows(desk.seat("", "ca", name="taken"))[0])
    seats = [desk.seat("E110", "us", name="twice"), desk.seat("E120", **({"user": "admin"} | change))]
    rows = desk.rows(*seats)
    assert [row.action for row in rows] == ["sign in", "refused"]
    assert why in rows[1].why


def test_a_dead_sign_in_is_in_nobody_s_way_and_a_doubtful_one_is_signed_in_again(desk: Desk) -> None:
    from sqlalchemy import update

    from tieout.store.access_tables import grants

    desk.carry_out(desk.rows(desk.seat("E110", "admin"))[0])
    for state in ("doubt", "dead"):
        with desk.connections.store.begin() as transaction:
            transaction.execute(update(grants).values(state=state))
        assert [row.action for row in desk.rows(desk.seat("E110", "admin"), desk.seat("E120", "admin"))] == [
            "sign in",
            "share",
        ]
    assert desk.rows(desk.seat("", "admin", owner="b"))[0].action == "sign in"


def test_a_connection_that_moves_to_another_user_leaves_its_grant(desk: Desk) -> None:
    desk.carry_out(desk.rows(desk.seat("E110", "admin", name="usa"))[0])
    rows = desk.rows(desk.seat("E110", "us", name="usa"), desk.seat("E120", "admin"))
    assert [row.action for row in rows] == ["sign in", "sign in"]
    for row in rows:
        desk.carry_out(row)
    assert desk.all_alive([row for row in rows if row.seat.user == "admin"])


# Any plan.

SEATS = st.lists(
    st.fixed_dictionaries(
        {
            "entity": st.sampled_from(["", "E110", "E120"]),
            "user": st.sampled_from(["x", "y"]),
            "owner": st.sampled_from(["a", "b"]),
            "environment": st.sampled_from(["simulator", "sandbox"]),
            "kind": st.sampled_from(["authorization_code", "client_credentials"]),
            "app": st.sampled_from(["demo", "second"]),
        }
    ),
    min_size=1,
    max_size=5,
)
_examples = itertools.count()


@given(SEATS, st.integers(0, 4))
@settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_plan(desk: Desk, asked: list[dict[str, str]], already: int) -> None:
    """Carried out, an accepted plan leaves every connection alive, also those that were there before; a refused one,
    carried out all the same, leaves one that is not."""
    number = next(_examples)
    for user in ("x", "y"):
        desk.simulator.company().add_user(f"{user}{number}")
    fresh = [
        desk.seat(**(each | {"user": f"{each['user']}{number}", "owner": f"{each['owner']}{number}"})) for each in asked
    ]
    before = [row for row in desk.rows(*fresh[:already]) if row.action != "refused"]
    for row in before:
        desk.carry_out(row)
    rows = desk.rows(*fresh[already:])
    accepted = all(row.action != "refused" for row in rows)
    for row in rows:
        try:
            desk.carry_out(row)
        except TieoutError:
            assert not accepted
    assert desk.all_alive([*before, *rows]) is accepted


def test_a_plan_of_nothing() -> None:
    assert Plan(()).refused == ()
