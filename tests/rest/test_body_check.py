"""Bodies against models: every mistake is named where it is, and nothing that Intacct takes is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout import catalogue
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref
from tieout.rest.body_check import BodyCheck, Operation, check_body, line_objects
from tieout.rest.body_values import misfit


def live(name: str) -> Model:
    """The documented object as if a company had answered it."""
    return msgspec.structs.replace(catalogue.load(name), evidence="live")


VENDOR = live("accounts-payable/vendor")
BILL = live("accounts-payable/bill")
LINES = {name: live(name) for name in ("accounts-payable/bill-line", "accounts-receivable/invoice-line")}
INVOICE = live("accounts-receivable/invoice")


def bill(**more: Any) -> dict[str, Any]:
    line = {"txnAmount": "10.00", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "E110"}}}
    return {"vendor": {"id": "V1"}, "createdDate": "2026-01-31", "dueDate": "2026-02-28", "lines": [line]} | more


def line(**more: Any) -> dict[str, Any]:
    return bill(lines=[bill()["lines"][0] | more])


def problems(model: Model, body: Any, operation: Operation = "create", **options: Any) -> dict[str, str]:
    return {p.path: f"{p.reason} [{p.nearest}]" for p in check_body(model, body, operation, lines=LINES, **options)}


@pytest.mark.parametrize(
    "body",
    [
        bill(),
        bill(description=None, term={"id": None}, isOnHold=True, state="draft"),
        bill(createdDate=date(2026, 1, 31), vendor={"key": "46"}),
        line(txnAmount=10),
        line(txnAmount=10.25),
        line(txnAmount=Decimal("10.2500")),
        line(dimensions={"location": {"id": "E110"}, "department": {"id": None}, "project": None}),
        line(dimensions={}, allocation={"id": "A1"}),
    ],
)
def test_what_intacct_takes_passes(body: dict[str, Any]) -> None:
    assert problems(BILL, body) == {}


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (bill(descripton="x"), "descripton", "not a field of accounts-payable/bill [description]"),
        (bill(totalTxnAmount="1.00"), "totalTxnAmount", "read-only in Intacct (REST-1050)"),
        (bill(vendor="V1"), "vendor", 'text where a reference belongs; write {"id"'),
        (bill(vendor=[{"id": "V1"}]), "vendor", "a list where a reference belongs"),
        (bill(vendor={"id": ""}), "vendor", "blank id or key is refused"),
        (bill(vendor={}), "vendor", "names no record"),
        (bill(vendor={"id": 46}), "vendor.id", "a number where text belongs"),
        (bill(paymentPriority="hgih"), "paymentPriority", "not one of urgent, high, normal, low [high]"),
        (bill(isOnHold="yes"), "isOnHold", "not true or false [true]"),
        (bill(dueDate="31/12/2026"), "dueDate", "not a date like 2026-01-31"),
        (bill(dueDate="20261231"), "dueDate", "not a date like 2026-01-31"),
        (bill(dueDate=datetime(2026, 1, 2, tzinfo=UTC)), "dueDate", "moment where a date belongs [2026-01-02]"),
        (bill(lines={"txnAmount": 1}), "lines", "an object where a list of objects belongs"),
        (bill(lines=[7]), "lines[0]", "a single value where an object belongs"),
        (bill(txnCurrency="USD"), "txnCurrency", "[currency.txnCurrency]"),
        ({"vendor.id": "V1"} | bill(), "vendor.id", 'a body nests it: {"vendor": {"id": ...}}'),
        (line(txnAmount="10.005"), "lines[0].txnAmount", "3 decimals, Intacct keeps 2"),
        (line(txnAmount=0.1 + 0.2), "lines[0].txnAmount", "use Decimal rather than float"),
        (line(txnAmount=float("nan")), "lines[0].txnAmount", "would be sent as null"),
        (line(txnAmount=True), "lines[0].txnAmount", "true or false where a number belongs"),
        (line(txnAmount="1,000.00"), "lines[0].txnAmount", "not a number"),
        (line(department={"id": "D1"}), "lines[0].department", "[dimensions.department]"),
        (
            line(dimensions={"locaton": {"id": "E1"}, "location": {"id": "E1"}}),
            "lines[0].dimensions.locaton",
            "[location]",
        ),
        (line(glAccount=None), "lines[0].glAccount", "a create needs it"),
        (line(dimensions={}), "lines[0].dimensions.location", "a create needs it"),
        (line(**{"ia::operation": "delete"}), "lines[0].ia::operation", "belongs in an update"),
        (line(billNumber="7"), "lines[0].billNumber", ""),
        ({"vendor": {"key": "1"}, "dueDate": "2026-01-01"}, "createdDate", "a create needs it"),
    ],
)
def test_one_mistake_is_named_where_it_is(body: dict[str, Any], path: str, says: str) -> None:
    found = problems(BILL, body)
    assert list(found) == [path]
    assert says in found[path]


def test_all_mistakes_come_at_once_each_with_its_record() -> None:
    body = line(txnAmount="x", glAccount="6000") | {"vendor": "V1", "nonsense": 1}
    assert sorted(problems(BILL, body, prefix="[3].")) == [
        "[3].lines[0].glAccount",
        "[3].lines[0].txnAmount",
        "[3].nonsense",
        "[3].vendor",
    ]


@pytest.mark.parametrize("body", [None, [], "V1", 7])
def test_what_is_no_object_is_one_problem(body: Any) -> None:
    assert list(problems(BILL, body)) == ["body"]


def test_what_is_set_once_is_refused_in_an_update() -> None:
    assert "never changed" in problems(VENDOR, {"id": "V2"}, "update")["id"]
    assert problems(VENDOR, {"id": "V2", "name": "n"}) == {}
    assert problems(VENDOR, {"name": "n"}, "update") == {}


def test_a_state_is_draft_on_create_and_moved_by_workflows_afterwards() -> None:
    invoice = {"customer": {"id": "C1"}, "invoiceDate": "2026-01-31", "dueDate": "2026-02-28"}
    assert problems(INVOICE, invoice | {"state": "draft"}) == {}
    assert "a create takes draft here, or nothing [draft]" in problems(INVOICE, invoice | {"state": "posted"})["state"]
    assert "workflows" in problems(INVOICE, {"state": "posted"}, "update")["state"]
    assert problems(VENDOR, {"state": "r"}, "update") == {}, "one letter of a vendor is no document's state"


def test_lines_are_added_changed_and_deleted_through_their_owner() -> None:
    new = bill()["lines"][0]
    for good in (new, {"key": "7", "memo": "x"}, {"key": "7", "ia::operation": "delete"}):
        assert problems(BILL, {"lines": [good]}, "update") == {}
    assert "key" in problems(BILL, {"lines": [{"ia::operation": "delete"}]}, "update")["lines[0].key"]
    wrong = problems(BILL, {"lines": [{"key": "7", "ia::operation": "update"}]}, "update")
    assert "can only be delete" in wrong["lines[0].ia::operation"]
    moved = problems(LINES["accounts-payable/bill-line"], {"bill": {"key": "1"}}, "update")
    assert "never changed" in moved["bill"], "the owner of a line stays"


def test_a_change_in_a_batch_names_its_record_by_key() -> None:
    assert problems(VENDOR, {"key": "46", "name": "n"}, "update", keyed=True) == {}
    assert "names its record by key" in problems(VENDOR, {"name": "n"}, "update", keyed=True)["key"]


def test_an_object_that_takes_no_post_says_through_whom_it_is_made() -> None:
    closed = msgspec.structs.replace(LINES["accounts-payable/bill-line"], methods=("GET",))
    found = problems(
        closed, {"txnAmount": 1, "glAccount": {"id": "1"}, "bill": {"key": "1"}, "allocation": {"id": "1"}}
    )
    assert found == {"body": "nobody can create accounts-payable/bill-line directly; they are made with their "
                             "accounts-payable/bill, in lines []"}  # fmt: skip


def test_custom_fields_are_what_the_live_model_says() -> None:
    model = msgspec.structs.replace(VENDOR, fields=VENDOR.fields | {"nsp::RATING": Field(enum=("good", "bad"))})
    assert problems(model, {"id": "1", "name": "n", "nsp::RATING": "good"}) == {}
    assert "[good]" in problems(model, {"id": "1", "name": "n", "nsp::RATING": "goood"})["nsp::RATING"]
    assert "[nsp::RATING]" in problems(model, {"id": "1", "name": "n", "nsp::RATNG": "good"})["nsp::RATNG"]


def test_personal_values_are_not_repeated() -> None:
    model = msgspec.structs.replace(VENDOR, fields=VENDOR.fields | {"ssn": Field(max_length=5)})
    for value in ("123-45-6789", 123456789, {"x": "123-45-6789"}, ["123-45-6789"]):
        found = check_body(model, {"id": "1", "name": "n", "ssn": value}, "create")
        assert [p.path for p in found] == ["ssn"]
        assert "6789" not in msgspec.json.encode(found).decode()


def test_only_a_live_model_refuses() -> None:
    offline = BodyCheck(catalogue.load("accounts-payable/bill"), "create").run({"nonsense": 1})
    assert offline.problems == []
    assert {p.path for p in offline.warnings} == {"nonsense", "createdDate", "dueDate"}


def test_lines_known_offline_only_warn() -> None:
    lines = {"accounts-payable/bill-line": catalogue.load("accounts-payable/bill-line")}
    found = BodyCheck(BILL, "create", lines=lines).run(line(nonsense=1))
    assert found.problems == []
    assert [p.path for p in found.warnings] == ["lines[0].nonsense"]


@pytest.mark.parametrize(
    ("model", "body", "path"),
    [
        (VENDOR, {"id": "1", "name": "n", "accountlabel": {"id": "A"}}, "accountlabel.id"),  # deprecated twin
        (BILL, bill(vendor={"id": "V1", "href": "/objects/accounts-payable/vendor/1"}), "vendor.href"),
        (BILL, line(glAccount=None, accountLabel={"id": "Rent"}), "lines[0].glAccount"),
        (BILL, {k: v for k, v in bill(term={"id": "N30"}).items() if k != "dueDate"}, "dueDate"),
        (live("time/timesheet"), {"beginDate": "2026-01-05"}, "employee"),
        (live("general-ledger/account"), {"id": "1", "name": "n", "closingType": "closingAccount"}, "closeToGLAccount"),
    ],
)
def test_what_is_only_doubted_warns(model: Model, body: dict[str, Any], path: str) -> None:
    found = BodyCheck(model, "create", lines=LINES).run(body)
    assert found.problems == []
    assert [p.path for p in found.warnings] == [path]


def test_entities_are_not_made_inside_an_entity() -> None:
    found = BodyCheck(live("company-config/entity"), "create", entity="E110")
    assert [p.path for p in found.warnings] == ["entity"]


def test_one_of_two_is_needed_and_either_will_do() -> None:
    payment = live("accounts-receivable/payment")
    rest = {"undepositedGLAccount": {"id": "1"}}
    assert problems(payment, rest | {"customer": {"id": "C"}}) == problems(payment, rest | {"payerName": "P"}) == {}
    assert "a create needs it, or payerName" in problems(payment, rest)["customer"]


def test_the_lines_whose_models_are_needed_are_named_once_fetched_not_again() -> None:
    assert set(line_objects(BILL, [bill(), 7, {"lines": 3}], {})) == {"accounts-payable/bill-line"}
    assert set(line_objects(BILL, [bill()], LINES)) == set()
    assert set(line_objects(BILL, [{"lines": []}], {})) == set()


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Colour.RED, Field(enum=("red", "blue"))),
        ("", Field(enum=(None, "red"))),
        (None, Field(enum=(None, "red"))),
        ("12.50", Field(type="number")),
        (3.0, Field(type="integer")),
        ("2026-01-31T17:00:00Z", Field(format="date-time")),
        (datetime(2026, 1, 31, tzinfo=UTC), Field(format="date-time")),
        ({"any": ["thing"]}, Field(type="object")),
        (b"raw", Field(format="inbound-binary")),
        ("0.12345", Field(format="percent-precision-5")),
    ],
)
def test_values_that_fit(value: Any, field: Field) -> None:
    assert misfit(value, field) is None


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, Field(nullable=False)),
        (True, Field(enum=("true", "false"))),
        (1, Field(type="boolean")),
        (3.5, Field(type="integer")),
        ("12.50 USD", Field(type="number")),
        ("infinity", Field(type="number")),
        ("١٢", Field(type="number")),
        ("2026-01-31", Field(format="date-time")),
        ("2026-01-31T17:00:00", Field(format="date-time")),
        (object(), Field()),
        (float("inf"), Field()),
        ({1, 2}, Field()),
        ("x" * 41, Field(max_length=40)),
        ("0.123456", Field(format="percent-precision-5")),
    ],
)
def test_values_that_do_not_fit(value: Any, field: Field) -> None:
    assert misfit(value, field) is not None


names = st.text("abcdefgh", min_size=1, max_size=6)
scalars = st.sampled_from(
    [
        (Field(), "text"),
        (Field(max_length=4), "four"),
        (Field(type="boolean"), True),
        (Field(type="integer"), 3),
        (Field(type="number"), 2.5),
        (Field(format="decimal-precision-2"), "1.25"),
        (Field(format="date"), "2026-01-31"),
        (Field(format="date-time"), "2026-01-31T00:00:00Z"),
        (Field(enum=("red", None)), "red"),
    ]
)


@st.composite
def nodes(draw: st.DrawFn, depth: int = 2) -> tuple[Node, dict[str, Any]]:
    """A level of a model and a body that fits it."""
    node, body = Node(fields={}, groups={}, refs={}, lists={}), {}
    for name in draw(st.lists(names, max_size=5, unique=True)):
        kind = draw(st.sampled_from(["field", "read-only", "ref", *(["group", "list"] if depth else [])]))
        if kind == "field":
            node.fields[name], body[name] = draw(scalars)
        elif kind == "read-only":
            node.fields[name] = Field(read_only=True)
        elif kind == "ref":
            node.refs[name] = Ref(fields={"id": Field(), "key": Field()})
            body[name] = draw(st.sampled_from([{"id": "1"}, {"key": "7"}, {"id": None}]))
        else:
            inner, value = draw(nodes(depth=depth - 1))
            if kind == "group":
                node.groups[name], body[name] = inner, value
            else:
                node.lists[name] = ListOf(fields=inner.fields, groups=inner.groups, refs=inner.refs, lists=inner.lists)
                body[name] = [value] * draw(st.integers(0, 2))
    return node, body


def model_of(node: Node) -> Model:
    inside = {name: getattr(node, name) for name in Node.__struct_fields__}
    return Model(name="platform-apps/nsp::thing", evidence="live", **inside)


def planted(node: Node, body: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every way to put one mistake into a body that fits: (path of the mistake, the body with it)."""
    dot = f"{path}." if path else ""
    found = [(f"{dot}zzz", body | {"zzz": 1})]
    for name, field in node.fields.items():
        if field.read_only:
            found.append((dot + name, body | {name: "x"}))
        else:
            found.append((dot + name, body | {name: [body[name]]}))
            found.append((dot + name, body | {name: float("nan")}))
    for name in node.refs:
        found += [(dot + name, body | {name: wrong}) for wrong in ("1", 7, {"id": ""}, [{"id": "1"}])]
    for name, group in node.groups.items():
        found.append((dot + name, body | {name: [body[name]]}))
        found += [(where, body | {name: inner}) for where, inner in planted(group, body[name], dot + name)]
    for name, entry in node.lists.items():
        found.append((dot + name, body | {name: {}}))
        known = entry.fields or entry.groups or entry.refs or entry.lists
        for at, line in enumerate(body[name] if known else ()):  # of a list without a name nothing is known
            for where, inner in planted(entry, line, f"{dot}{name}[{at}]"):
                found.append((where, body | {name: [*body[name][:at], inner, *body[name][at + 1 :]]}))
    return found


@given(nodes(), st.data())
def test_a_body_that_fits_passes_and_one_planted_mistake_is_found_at_its_place(
    made: tuple[Node, dict[str, Any]], data: st.DataObject
) -> None:
    node, body = made
    model = model_of(node)
    assert check_body(model, body, "create") == []
    path, broken = data.draw(st.sampled_from(planted(node, body)))
    assert [p.path for p in check_body(model, broken, "create")] == [path]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*BILL.fields, *BILL.refs, *BILL.groups, "lines", "x"]), anything, max_size=6))
def test_no_body_breaks_the_check(body: dict[str, Any]) -> None:
    for operation in ("create", "update"):
        for found in check_body(BILL, body, operation, lines=LINES):  # type: ignore[arg-type]
            assert found.path
            assert found.reason


def test_a_line_added_by_an_update_is_new_and_what_it_lacks_is_only_doubted() -> None:
    added = BodyCheck(BILL, "update", lines=LINES).run({"lines": [{"memo": "x", "txnAmount": "1.00"}]})
    assert added.problems == []
    assert "lines[0].glAccount" in {p.path for p in added.warnings}
    changed = BodyCheck(BILL, "update", lines=LINES).run({"lines": [{"key": "7", "memo": "x"}]})
    assert (changed.problems, changed.warnings) == ([], [])


def test_what_the_model_fills_itself_is_not_asked_for() -> None:
    label, item = live("accounts-payable/account-label"), live("inventory-control/item")
    assert problems(label, {"id": "Rent", "description": "d", "glAccount": {"id": "6000"}}) == {}
    assert problems(item, {"id": "I1", "name": "n"}) == {}, "itemType and costMethod have defaults"
