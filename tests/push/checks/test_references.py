"""What records refer to is there, is of use and belongs to their entity, before anything is sent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.push.ground import Ground, entry, ground, invoice, line, said
from tieout.errors import BudgetError
from tieout.push.checks import known
from tieout.push.checks.blame import Blame
from tieout.push.checks.check import Target
from tieout.push.checks.known import Company, Known
from tieout.push.checks.references import References
from tieout.push.documents import Document
from tieout.push.settings import PushSettings
from tieout.rest import Budget, F

SLOW = settings(max_examples=10, phases=[Phase.explicit, Phase.generate])
"""Each example asks a company; to make a failing one smaller takes minutes."""
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("project")) as made:
        yield made


@pytest.fixture(scope="module")
def vendors(demo: Ground) -> dict[str, str]:
    """Each active vendor of the demo company, and the entity that it is private to."""
    with demo.client() as client:
        rows = client.query("vendors", ["id", "entity.id"], F("status") == "active", private=True)
        return {row["id"]: row["entity.id"] or "" for row in rows}


def test_every_wrong_reference_is_named_at_its_row_with_the_nearest_right_one(demo: Ground) -> None:
    report = demo.check(
        "bills",
        [
            line(1, Total="300"),
            line(2, Bill="B-1", Total="300", Account="60000"),
            line(3, Bill="B-1", Total="300", Department="2000"),
            line(4, Vendor="v-2001"),
            line(5),
        ],
    )
    assert (report.ready, report.held) == (1, 2)
    assert [(p.path, p.reason, p.nearest, p.value) for p in report.problems] == [
        ("row 2, column Account", "Intacct has no account with the id '60000'", "6000", "60000"),
        ("row 3, column Department", "Intacct has no department with the id '2000'", "200", "2000"),
        ("row 4, column Vendor", "Intacct has no vendor with the id 'v-2001'", "V-2001", "v-2001"),
    ]


def test_a_key_is_looked_for_too_and_a_record_with_lines_of_its_own_has_one_row(demo: Ground) -> None:
    lines: list[dict[str, Any]] = [*invoice("1")["lines"], *invoice("1")["lines"]]
    lines[1] = lines[1] | {"glAccount": {"id": "4000x"}, "memo": "x"}
    report = demo.check(
        "invoices", [invoice("1", customer={"key": "1"}), invoice("2", customer={"key": "9999"}, lines=lines)]
    )
    assert [(p.path, p.reason) for p in report.problems] == [
        ("row 2, customer.key", "Intacct has no customer with the key '9999'"),
        ("row 2, lines.glAccount.id", "Intacct has no account with the id '4000x'"),
    ]
    assert report.ready == 1


def test_what_belongs_to_another_entity_is_refused_and_what_belongs_to_none_is_not(
    demo: Ground, vendors: dict[str, str]
) -> None:
    private = next(vendor for vendor, entity in vendors.items() if entity == "E120")
    shared = next(vendor for vendor, entity in vendors.items() if not entity)
    report = demo.check(
        "bills",
        [
            line(1, Location="120-TOR"),
            line(2, Location="E120"),
            line(3, Location="E110", Vendor=shared),
            line(4, Vendor=private),
            line(5, Vendor=private, Entity="E120", Location="120-MTL"),
            line(6, Entity="E11O"),
        ],
    )
    assert report.ready == 2
    assert said(report) == [
        (1, "location '120-TOR' belongs to entity E120, and the bill goes to E110", ""),
        (2, "location 'E120' belongs to entity E120, and the bill goes to E110", ""),
        (4, f"vendor {private!r} belongs to entity E120, and the bill goes to E110", ""),
        (6, "Intacct shows this user no entity 'E11O'", "E110"),
    ]


def test_the_entity_of_the_push_counts_where_the_rows_name_none(demo: Ground) -> None:
    rows = [entry(1), entry(2, Type="credit", Location="120-TOR")]
    at_the_top = demo.check("entries", rows)
    assert [reason.partition(" debits")[0] for _, reason, _ in said(at_the_top)] == ["in entity E110", "in entity E120"]
    inside = demo.with_settings("entries", 'entity = "E110"\n').check("entries", rows)
    assert said(inside) == [(2, "location '120-TOR' belongs to entity E120, and the journal entry goes to E110", "")]


def test_what_is_inactive_is_called_so(demo: Ground) -> None:
    report = demo.check("bills", [line(1, Vendor="V-2030"), line(2, Vendor="V-2051"), line(3, Account="1050")])
    assert said(report) == [
        (1, "vendor 'V-2030' is inactive", ""),
        (2, "vendor 'V-2051' is active for grouping only, not for posting", ""),
        (3, "account '1050' is inactive", ""),
    ]


def by_name(demo: Ground) -> Ground:
    """Bills whose vendors and departments are written by name."""
    return demo.with_text(
        lambda text: text.replace(
            '"vendor.id" = "Vendor"', '"vendor.id" = { column = "Vendor", lookup = "name" }'
        ).replace(
            '"lines.dimensions.department.id" = "Department"',
            '"lines.dimensions.department.id" = { coalesce = ["Department", { column = "Team", lookup = "name" }] }',
            1,
        )
    )


def test_what_was_looked_up_is_named_as_the_row_has_it(demo: Ground) -> None:
    with demo.client() as client:
        vendor = {row["id"]: row["name"] for row in client.query("vendors", ["id", "name"], private=True)}
        teams = client.create("departments", {"id": "905", "name": "Dissolved", "status": "inactive"})
    assert teams.key
    good, inactive = vendor["V-2001"], vendor["V-2030"]
    report = by_name(demo).check(
        "bills",
        [
            line(1, Vendor=good),
            line(2, Vendor=inactive.upper()),
            line(3, Vendor=good, Bill="B-3", Total="200", Department="", Team="dissolved"),
            line(4, Vendor=good, Bill="B-3", Total="200", Department="905"),
        ],
    )
    assert [(p.path, p.reason, p.nearest, p.value) for p in report.problems] == [
        ("row 2, column Vendor", f"{inactive.upper()!r} (vendor 'V-2030') is inactive", "", inactive.upper()),
        ("row 3, column Team", "'dissolved' (department '905') is inactive", "", "dissolved"),
        ("row 4, column Department + Team", "department '905' is inactive", "", "905"),
    ]


def test_what_no_look_up_finds_is_named_row_by_row(demo: Ground) -> None:
    rows = [line(n, Bill="B-1", Total="300", Vendor="V", Department="", Team=f"No{n}") for n in range(1, 4)]
    report = by_name(demo).check("bills", rows)
    assert [problem.path for problem in report.problems] == [
        "row 1, column Vendor",
        *(f"row {n}, column Team" for n in (1, 2, 3)),
    ]


def test_master_data_may_refer_to_what_is_inactive_but_hears_of_it(demo: Ground) -> None:
    new = [{"id": f"V-900{n}", "name": "New", "parent": {"id": "V-2030"}} for n in (1, 2)]
    report = demo.check("vendors", new)
    assert (report.ready, report.held) == (2, 0)
    assert [note for note in report.notes if "V-2030" in note] == [
        "vendor 'V-2030' is inactive; whether Intacct takes it here is not known. (2 documents)"
    ]


def test_what_checking_costs_does_not_grow_with_the_rows(demo: Ground) -> None:
    few = demo.check("bills", [line(n) for n in range(10)])
    many = demo.check("bills", [line(n) for n in range(2_000)])
    assert (few.ready, many.ready) == (10, 2_000)
    numbers = -(-2_000 // known.VALUES_A_QUERY)  # each bill has a number of its own to ask for
    assert many.transactions - few.transactions <= numbers
    assert demo.check("bills", [line(n, Vendor=f"V-x{n}") for n in range(900)]).transactions <= few.transactions + 4


@pytest.mark.parametrize("answer", ["forbidden", "empty", "refused"])
def test_what_a_user_may_not_read_is_not_refused(demo: Ground, answer: str) -> None:
    with demo.forbidding("accounts-payable/vendor", answer):
        report = demo.check("bills", [line(1, Vendor="V-nobody"), line(2, Department="9x")])
    assert said(report) == [(2, "Intacct has no department with the id '9x'", "")]
    assert any(note.startswith("Vendor ids are not checked: ") for note in report.notes)
    with demo.forbidding("general-ledger/account", answer):
        at_the_top = demo.check("entries", [entry(1, Account="none"), entry(2, Type="credit")])
    assert (at_the_top.ready, said(at_the_top)) == (1, [])


def test_it_can_be_switched_off(demo: Ground) -> None:
    plain = demo.with_settings("bills", "check_references = false\ncheck_duplicates = false\n")
    report = plain.check("bills", [line(1, Vendor="V-nobody", Location="120-TOR")])
    assert (report.ready, report.held) == (1, 0)
    assert report.transactions < demo.check("bills", [line(1)]).transactions


def test_a_budget_covers_the_checks_and_nothing_was_sent_when_it_ends(demo: Ground) -> None:
    with pytest.raises(BudgetError):
        demo.push("bills", [line(1, Bill="B-budget")], budget=Budget(3))
    with demo.client() as client:
        assert client.count("bills", F("billNumber") == "B-budget", private=True) == 0


@pytest.mark.parametrize(("page", "values"), [(4_000, 300), (30, 7)])
@SLOW
@given(asked=st.lists(st.integers(0, 140), max_size=60), again=st.lists(st.integers(0, 140), max_size=20))
def test_what_is_known_equals_a_set(demo: Ground, page: int, values: int, asked: list[int], again: list[int]) -> None:
    """Whether the object is read whole or too large for it."""
    with pytest.MonkeyPatch.context() as patch, demo.client() as client:
        patch.setattr(known, "ONE_PAGE", page)
        patch.setattr(known, "VALUES_A_QUERY", values)
        patch.setattr(known, "REMEMBERED", 25)
        there = {row["id"] for row in client.query("vendors", ["id"], private=True)}
        subject = Known(client, "accounts-payable/vendor")
        for numbers in (asked, again, asked):
            wanted = [f"V-{2000 + number}" for number in numbers]
            answers = subject.ask("id", wanted)
            assert answers is not None
            assert {value for value, records in answers.items() if records} == there & set(wanted)
            assert set(answers) == set(wanted)


@SLOW
@given(data=st.data())
def test_nothing_that_intacct_takes_is_refused(demo: Ground, vendors: dict[str, str], data: st.DataObject) -> None:
    """Valid bills of the demo company, over its entities: all are ready, and all arrive."""
    offices = {"E110": ["110-NYC", "110-AUS", "E110"], "E120": ["120-TOR", "120-MTL"]}
    currencies = {"E110": "USD", "E120": "CAD"}
    rows = []
    for _ in range(data.draw(st.integers(1, 6))):
        entity = data.draw(st.sampled_from(sorted(offices)))
        vendor = data.draw(st.sampled_from(sorted(v for v, owner in vendors.items() if owner in ("", entity))))
        cents = data.draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=3))
        bill = f"B-{vendor}-{next(NUMBERS)}"
        for position, amount in enumerate(cents):
            rows.append(
                line(
                    f"{bill}/{position}",
                    Bill=bill,
                    Entity=entity,
                    Vendor=vendor,
                    Currency=currencies[entity],
                    Location=data.draw(st.sampled_from(offices[entity])),
                    Amount=f"{amount / 100:.2f}",
                    Total=f"{sum(cents) / 100:.2f}" if position == 0 else "",
                )
            )
    report = demo.push("bills", rows)
    assert said(report) == []
    assert (report.held, report.failed, report.posted) == (0, 0, report.documents)


def test_a_user_of_one_entity_is_told_as_much(tmp_path: Path) -> None:
    """Without a top level the entity itself is asked."""
    with ground(tmp_path, user="us", entity="E110") as here:
        report = here.check(
            "bills", [line(1), line(2, Vendor="V-2001x"), line(3, Location="120-TOR"), line(4, Entity="E120")]
        )
    assert [(row, reason) for row, reason, _ in said(report)] == [
        (2, "Intacct has no vendor with the id 'V-2001x'"),
        (3, "location '120-TOR' belongs to entity E120, and the bill goes to E110"),
        (4, "Intacct shows this user no entity 'E120'"),
    ]
    assert report.ready == 1


def test_a_record_that_only_its_entity_shows_is_there(demo: Ground, vendors: dict[str, str]) -> None:
    """From the top level a user may see less than in the entity: only both together say that a record is missing."""
    mine = next(vendor for vendor, entity in vendors.items() if entity == "E110")
    with demo.client() as client:
        # Whoever looks from E120 sees nothing of E110, as a user without rights at the top level might.
        company = Company(lambda object, entity: Known(client.with_entity(entity or "E120"), object), {"E110": ""})
        bill = "accounts-payable/bill"
        check = References(
            Target(client.model(bill), client.model), company, Blame(PushSettings(object=bill)), lambda _: "E110"
        )
        documents = [Document("1", [row], [], {"vendor": {"id": id}}, [], {}) for row, id in ((1, mine), (2, "V-no"))]
        check(documents)
    assert [[problem.value for problem in document.problems] for document in documents] == [[], ["V-no"]]
