"""Who connects which location: one Sage user for each, and no sign-in that ends another (the same-user trap).

A second sign-in of the same Sage user of the same company makes the first one's refresh token useless, through any
application (REST reference 1.7). So seats of one user share a grant within an owner, and what cannot be shared is
refused. Reads the installation's grants; asks nothing of Intacct, connects nobody.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tieout.connections import rows, scope_guard
from tieout.connections.rows import DEFAULT_OWNER, Connection
from tieout.connections.settings import SIMULATOR
from tieout.errors import CheckError, ConfigurationError, Problem
from tieout.rest.base import BASE_URL, api_url
from tieout.store import Store

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

Kind = Literal["authorization_code", "client_credentials"]
Action = Literal["connected", "sign in", "credentials", "share", "refused"]
FOREIGN = "already works for another account here; take another Sage user"


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A location that shall be worked in, and the Sage user who shall do it."""

    entity: str
    """Id of the location entity; '' for the top level."""
    user: str
    company: str
    environment: str = "production"
    owner: str = DEFAULT_OWNER
    app: str = ""
    """The registered application; '' where it is not known yet."""
    kind: Kind = "authorization_code"
    name: str = ""
    """Of the connection; '' makes one of the entity's id."""
    base_url: str | None = None
    """None is Sage's own address."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a seat."""

    seat: Seat
    name: str
    """Of the connection."""
    action: Action
    with_: str = ""
    """The connection whose grant is shared."""
    why: str = ""
    """Why it is refused, or what to know."""

    @property
    def command(self) -> str:
        """What to type next; '' where there is nothing to do."""
        return _command(self)

    def to_dict(self) -> dict[str, Any]:
        """As JSON shows it."""
        facts = {name: getattr(self.seat, name) for name in ("entity", "user", "company", "environment", "kind", "app")}
        return {
            "name": self.name,
            **facts,
            "action": self.action,
            "with": self.with_,
            "why": self.why,
            "command": self.command,
        }


class Plan(msgspec.Struct, frozen=True):
    """Rows in the order in which they are to be carried out."""

    rows: tuple[Row, ...]

    @property
    def refused(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.action == "refused")


class PlanError(CheckError):
    """A plan in which a sign-in would end another, or that cannot be carried out. `plan` has all rows."""

    def __init__(self, plan: Plan) -> None:
        problems = [Problem(path=row.seat.entity or "top level", reason=row.why) for row in plan.refused]
        super().__init__("The plan", problems, advice="Give each location a Sage user of its own. Nobody signed in.")
        self.plan = plan

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"rows": [row.to_dict() for row in self.plan.rows]}


def plan(store: Store, seats: Sequence[Seat]) -> Plan:
    """See `Connections.plan`."""
    with store.read() as transaction:
        installed = _Installed(transaction)
        found: list[Row] = []
        for seat in seats:
            row = installed.place(seat, found)
            found.append(row)
            installed.carry_out(row)
    made = Plan(tuple(found))
    if made.refused:
        raise PlanError(made)
    return made


class _Holder(msgspec.Struct):
    """A living grant, of the installation or of an earlier row."""

    environment: str
    owner: str
    kind: str
    state: str
    top_level: bool | None = None
    names: list[str] = []
    """Of the connections that borrow it."""


class _Installed:
    """What there is, and what the rows so far add to it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._holders: dict[tuple[str, str, str], list[_Holder]] = {}
        self._names: set[tuple[str, str]] = set()
        self._moved: set[tuple[str, str]] = set()
        """Names that the plan has used, and those of them that borrow what the plan says."""

    def place(self, seat: Seat, before: Sequence[Row]) -> Row:
        """What becomes of a seat after the rows `before` it."""
        own = rows.find_all(self._transaction, seat.owner)
        name, there = self._name(seat, own)
        refusal = _blank(seat) or self._unfit(seat, name, there)
        holders = self._of(seat)
        same = next((holder for holder in holders if holder.environment == seat.environment), None)
        if not refusal and same is not None and same.owner != seat.owner:
            refusal = f"{_who(seat)} {FOREIGN}"
        usable = same is not None and same.state == "active"
        if not refusal and not usable and seat.kind == "authorization_code":
            refusal = _killed(seat, holders)
        if refusal:
            return Row(seat=seat, name=name, action="refused", why=refusal)
        if there is not None and there.state == "connected" and _fits(there, seat):
            return Row(seat=seat, name=name, action="connected")
        if same is not None and usable and (others := [other for other in same.names if other != name]):
            return Row(seat=seat, name=name, action="share", with_=others[0], why=_shared(seat, same))
        return Row(seat=seat, name=name, action="sign in" if seat.kind == "authorization_code" else "credentials")

    def carry_out(self, row: Row) -> None:
        """The next seats find what this row makes."""
        seat = row.seat
        self._names.add((seat.owner, row.name))
        if row.action == "refused":
            return
        holders = self._of(seat)
        self._moved.add((seat.owner, row.name))
        same = next((holder for holder in holders if holder.environment == seat.environment), None)
        self._leave(seat.owner, row.name, same)
        if same is None:
            same = _Holder(seat.environment, seat.owner, seat.kind, "active", None, [])
            holders.append(same)
        elif row.action in ("sign in", "credentials"):
            same.kind, same.state = seat.kind, "active"
        same.names.append(row.name)

    def _leave(self, owner: str, name: str, to: _Holder | None) -> None:
        """A connection goes to another grant; the one before is forgotten if nobody else borrows it."""
        for group in self._holders.values():
            for holder in [each for each in group if each.owner == owner and name in each.names]:
                holder.names.remove(name)
                if not holder.names and holder is not to:
                    group.remove(holder)

    def _of(self, seat: Seat) -> list[_Holder]:
        """The living grants of a Sage user, under whatever label: Intacct knows no labels."""
        key = (seat.company.casefold(), seat.user, _place(seat))
        if key not in self._holders:
            self._holders[key] = self._read(*key)
        return self._holders[key]

    def _read(self, company: str, user: str, place: str) -> list[_Holder]:
        from sqlalchemy import select

        from tieout.store.access_tables import grants

        query = select(grants).filter_by(company_key=company, user_id=user, place=place).where(grants.c.state != "dead")
        return [
            _Holder(
                row.environment,
                row.owner,
                row.kind,
                row.state,
                row.top_level,
                [
                    each.name
                    for each in rows.borrowers(self._transaction, row.id)
                    if (row.owner, each.name) not in self._moved
                ],
            )
            for row in self._transaction.execute(query.order_by(grants.c.granted_at))
        ]

    def _name(self, seat: Seat, own: Sequence[Connection]) -> tuple[str, Connection | None]:
        """Of the connection: the one named, one that has the seat already, or a new one."""
        if seat.name:
            return seat.name, next((each for each in own if each.name == seat.name), None)
        there = next((each for each in own if _fits(each, seat)), None)
        if there is not None:
            return there.name, there
        base = re.sub(r"[^a-z0-9]+", "-", (seat.entity or seat.user).casefold()).strip("-") or "connection"
        taken = {each.name for each in own} | {name for owner, name in self._names if owner == seat.owner}
        for name in (base, f"{seat.company}-{base}", *(f"{base}-{number}" for number in range(2, len(taken) + 3))):
            if name not in taken:
                return name, None
        raise AssertionError("one of more names than are taken is free")

    def _unfit(self, seat: Seat, name: str, there: Connection | None) -> str:
        """Why no sign-in of anybody would make this connection."""
        if (seat.owner, name) in self._names:
            return f"the connection {name!r} stands in the plan twice"
        company = there.company if there is not None else ""
        if there is not None and (
            (company and company.casefold() != seat.company.casefold()) or there.environment != seat.environment
        ):
            return f"the connection {name!r} is to {company} ({there.environment}) already"
        if not seat.app:
            return ""
        from sqlalchemy import select

        from tieout.store.access_tables import apps

        scope = self._transaction.execute(select(apps.c.scope).where(apps.c.name == seat.app)).first()
        if scope is None:
            return f"there is no application {seat.app!r}"
        try:
            scope_guard.refuse_scope(scope[0], seat.environment, seat.app)
        except ConfigurationError as error:
            return error.message[0].lower() + error.message[1:].rstrip(".")
        return ""


def _blank(seat: Seat) -> str:
    missing = [what for what in ("user", "company") if not getattr(seat, what).strip()]
    return f"the {' and the '.join(missing)} is missing" if missing else ""


def _killed(seat: Seat, holders: Sequence[_Holder]) -> str:
    """Which sign-in a new one of this user would end: one that is kept apart under another label."""
    for holder in holders:
        if holder.environment == seat.environment or holder.kind != "authorization_code" or not holder.names:
            continue
        if holder.owner != seat.owner:
            return f"{_who(seat)} {FOREIGN}"
        names = " and ".join(repr(name) for name in holder.names)
        return (
            f"signing {_who(seat)} in again would end the sign-in of {names}, which calls the same company "
            f"{holder.environment}; take another Sage user, or give both the same environment"
        )
    return ""


def _shared(seat: Seat, holder: _Holder) -> str:
    if holder.top_level is False:
        return "one sign-in for both, with a token for each entity: the user has no top level"
    return "one sign-in for both; the entity is named with each request" if seat.entity else "one sign-in for both"


def _fits(connection: Connection, seat: Seat) -> bool:
    """Whether a connection is what a seat asks for."""
    theirs = rows.identity(connection.environment, connection.company, connection.user, connection.base_url)
    ours = rows.identity(seat.environment, seat.company, seat.user, _address(seat))
    return theirs == ours and (connection.entity or "") == seat.entity


def _place(seat: Seat) -> str:
    return rows.identity(seat.environment, seat.company, seat.user, _address(seat))["place"]


def _address(seat: Seat) -> str:
    return api_url(seat.base_url) if seat.base_url else BASE_URL


def _who(seat: Seat) -> str:
    return f"{seat.user}@{seat.company}"


def _command(row: Row) -> str:
    seat = row.seat
    words: list[Any] = []
    if row.action == "share":
        words = ["tieout", "connections", "add", row.name, "--like", row.with_]
    elif row.action in ("sign in", "credentials"):
        words = ["tieout", "connect", row.name]
        if seat.environment == SIMULATOR:
            words += ["--simulator", seat.base_url or "URL"]
        elif seat.environment != "production":
            words += ["--environment", seat.environment]
        words += ["--sign-in"] if row.action == "sign in" else []
        words += ["--app", seat.app] if seat.app else []
        words += ["--user", _who(seat)]
    if words and seat.entity:
        words += ["--entity", seat.entity]
    return shlex.join(words)
