"""The demo company's shelf: records collected per object, with keys, stamps, money text and references that agree.

What the records say is decided by the other `seed_*` modules; how a company stores them is `company`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

Record = dict[str, object]

DAYS_BACK = 730

ENTITIES: tuple[tuple[str, str, str], ...] = (
    ("E110", "Northlight Partners USA, Inc.", "USD"),
    ("E120", "Northlight Partners Canada Ltd.", "CAD"),
    ("E130", "Northlight Partners UK Ltd", "GBP"),
)
LOCATIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "E110": (("110-NYC", "New York"), ("110-AUS", "Austin"), ("110-SEA", "Seattle")),
    "E120": (("120-TOR", "Toronto"), ("120-MTL", "Montréal")),
    "E130": (("130-LON", "London"), ("130-EDI", "Edinburgh")),
}
USERS: tuple[tuple[str, str, str | None], ...] = (
    ("admin", "Demo Administrator", None),
    ("us", "Demo User (USA)", "E110"),
    ("ca", "Demo User (Canada)", "E120"),
)
"""User id, name, the one entity the user may enter (None: all). Passwords are the OAuth module's."""


@dataclass
class Person:
    """An employee as the other modules need it."""

    record: Record
    ref: Record
    contact: Record
    name: str
    entity: str
    location: Record
    department: Record
    hired: date
    left: date | None


@dataclass
class Party:
    """A customer or vendor as documents need it. `due` is what is open, in cents of its entity's base currency."""

    record: Record
    ref: Record
    contact: Record
    entity: str
    currency: str
    private: bool
    term: tuple[Record, int]
    due: int = 0
    last: str | None = None


@dataclass
class Project:
    """A project and its tasks as timesheets and invoices need them."""

    record: Record
    ref: Record
    customer: Record | None
    billable: bool
    entity: str
    active: bool
    tasks: list[Record] = field(default_factory=list)


@dataclass
class Group:
    """Everything made so far. `today` is the company's first day of use: nothing is stamped on it or later."""

    today: date
    tables: dict[str, list[Record]] = field(default_factory=dict)
    entities: dict[str, Record] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    offices: dict[str, list[Record]] = field(default_factory=dict)
    refs: dict[str, dict[str, Record]] = field(default_factory=dict)
    customers: list[Party] = field(default_factory=list)
    vendors: list[Party] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)
    terms: dict[str, list[tuple[Record, int]]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def start(self) -> date:
        """The first day with transactions."""
        return self.today - timedelta(days=DAYS_BACK)

    @property
    def yesterday(self) -> date:
        return self.today - timedelta(days=1)

    def next_key(self, name: str) -> str:
        return str(len(self.tables.setdefault(name, [])) + 1)

    def add(self, name: str, record: Record, stamps: Record | None = None) -> Record:
        """Put a record on its shelf under the next key; answers its reference `{key, id}`.

        A record without an id is a transaction or a line: its id is its key (REST reference 9.1)."""
        shelf = self.tables.setdefault(name, [])
        key = str(len(shelf) + 1)
        record["key"] = key
        identity = record.setdefault("id", key)
        if stamps is not None:
            record["audit"] = stamps
        shelf.append(record)
        ref: Record = {"key": key, "id": identity}
        self.refs.setdefault(name, {})[str(identity)] = ref
        return ref

    def number(self, line: Record, name: str) -> None:
        """The next key of a line object, as key and id."""
        self.lines[name] = self.lines.get(name, 0) + 1
        line["key"] = line["id"] = str(self.lines[name])

    def ref(self, name: str, identity: str) -> Record:
        return self.refs[name][identity]

    def owner(self, entity: str) -> Record:
        """The `entity` reference of a private record."""
        return self.entities[entity]


def draw(section: str) -> Random:
    """The dice of one section, so that changing one section leaves the others as they are."""
    return Random(f"demo company: {section}")  # noqa: S311 - plausible data, not secrets


def moment(random: Random, day: date) -> str:
    """A whole second of a working day, UTC (REST reference 9.1: 13:00-21:59 is office hours in Toronto)."""
    return f"{day.isoformat()}T{random.randrange(13, 22):02}:{random.randrange(60):02}:{random.randrange(60):02}Z"


_USER_REFS: dict[str, Record] = {str(n): {"key": str(n), "id": user[0]} for n, user in enumerate(USERS, start=1)}


def stamps(created: str, modified: str | None = None, user: str = "1", editor: str = "1", twins: bool = True) -> Record:
    """The `audit` group. `twins` adds the deprecated `createdBy`/`modifiedBy` of variant s1 (REST reference 9.1)."""
    audit: Record = {
        "createdDateTime": created,
        "modifiedDateTime": max(created, modified or created),
        "createdByUser": _USER_REFS[user],
        "modifiedByUser": _USER_REFS[editor if modified else user],
    }
    if twins:
        audit["createdBy"] = user
        audit["modifiedBy"] = editor if modified else user
    return audit


def money(cents: int) -> str:
    """Cents -> the wire's text, `-12.05`."""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), 100)
    return f"{sign}{whole}.{part:02}"


def converted(cents: int, rate: int) -> int:
    """Cents at a rate in ten-thousandths, rounded half up."""
    return (cents * rate + 5000) // 10000


def skewed(random: Random, low: int, high: int) -> int:
    """An amount in cents: many small ones, few large ones, between `low` and `high` units, often round."""
    amount = int(low * (high / low) ** (random.random() ** 1.6) * 100)
    if random.random() < 0.25:
        amount = max(low * 100, amount // 5000 * 5000)
    return amount


def document_days(group: Group, random: Random, a_month: int) -> list[date]:
    """The days of all documents of one kind, in order: about `a_month` in each month, weekends rare."""
    days = []
    for _ in range(a_month * 24):
        day = group.start + timedelta(days=random.randrange((group.today - group.start).days))
        if day.weekday() >= 5 and random.random() < 0.9:
            day = max(group.start, day - timedelta(days=2))
        days.append(day)
    return sorted(days)


def creator(owned: Record | None) -> str:
    """The key of the user who made a record: the entity's own, or the administrator at top level."""
    return {"E110": "2", "E120": "3"}.get(str(owned["id"]), "1") if owned is not None else "1"
