"""The 518 documented objects: all there, all readable, one at a time, and what the reference says of every object."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tieout import catalogue
from tieout.catalogue import notation
from tieout.catalogue.loading import definition
from tieout.catalogue.model import NO_DEFAULT, Field, ListOf, Model, Node
from tieout.errors import UnknownNameError

OBJECTS = Path(__file__).parents[2].parent / "shared" / "reference" / "objects"
NAMES = catalogue.names()


def below(node: Node) -> list[Node]:
    found: list[Node] = [node]
    for table in (node.groups, node.refs, node.lists):
        for child in table.values():
            found += below(child)
    return found


def field_at(name: str, path: str) -> Field:
    return catalogue.load(name).paths()[path]


def test_every_documented_object_is_there_in_order_and_only_once() -> None:
    assert len(NAMES) == 518
    assert list(NAMES) == sorted(set(NAMES))
    assert "acounts-payable/joint-payee" in NAMES, "Sage's own misprint is the name that its API answers to"


@pytest.mark.parametrize("name", NAMES)
def test_definition_reads_writes_and_keeps_its_shape_over_the_wire(name: str) -> None:
    model = catalogue.load(name)
    assert model.name == name
    assert notation.write(model) == definition(name)
    wire = model.to_wire()
    assert Model.from_wire(wire).to_wire() == wire
    # The recorded model of the AR invoice has no href field; a recorded model is kept as it is.
    wanted = {"key", "id"} if name == "accounts-receivable/invoice" else {"key", "id", "href"}
    assert wanted <= model.fields.keys()
    assert all(model.fields[member].read_only for member in wanted & {"href"})
    assert "GET" in model.methods
    for node in below(model):
        taken = [*node.fields, *node.groups, *node.refs, *node.lists]
        assert len(taken) == len(set(taken)), f"{name} has a name twice on one level"
        for field in node.fields.values():
            assert field.type in {"string", "boolean", "integer", "number", "array", "object"}
            assert not (field.read_only and field.create_only)
            assert not (field.read_only and field.write_only)
        for ref in node.refs.values():
            if not any(part.startswith("nsp::") for part in node.refs):
                assert {"key", "id", "href"} <= ref.fields.keys()


def test_loading_one_object_reads_no_other() -> None:
    text = definition("time/timesheet")
    assert text.startswith("= time/timesheet ")
    assert text.count("\n= ") == 0
    catalogue.load.cache_clear()
    catalogue.load("time/timesheet")
    assert catalogue.load.cache_info().currsize == 1
    assert catalogue.load("time/timesheet") is catalogue.load("time/timesheet")


def test_unknown_object_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        catalogue.load("accounts-payable/vendr")
    assert caught.value.nearest[0] == "accounts-payable/vendor"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["company-config/contact", "time/time-type"])
def test_no_audit_group_where_sage_has_none(name: str) -> None:
    assert "audit" not in catalogue.load(name).groups, "an incremental pull must not count on a stamp that is not there"


@pytest.mark.parametrize(
    "name", ["accounts-payable/bill", "time/timesheet", "time/timesheet-line", "company-config/employee"]
)
def test_audit_group_with_the_old_stamps(name: str) -> None:
    audit = catalogue.load(name).groups["audit"]
    assert audit.fields["modifiedDateTime"].format == "date-time"
    assert audit.fields["createdBy"].deprecated
    assert audit.refs["modifiedByUser"].object == "company-config/user"
    assert all(field.read_only for _, field in catalogue.scalars(audit))


def test_audit_group_without_the_old_stamps() -> None:
    audit = catalogue.load("accounts-payable/bill-line").groups["audit"]
    assert "createdBy" not in audit.fields
    assert set(audit.refs) == {"createdByUser", "modifiedByUser"}


@pytest.mark.parametrize(
    "name",
    [
        "company-config/folder",
        "expenses/employee-expense-payment-type",
        "general-ledger/txn-allocation-template",
        "tax/tax-detail",
    ],
)
def test_what_has_a_status_is_active_from_the_start(name: str) -> None:
    assert catalogue.load(name).fields["status"].default == "active"


@pytest.mark.parametrize("name", ["contracts/billing-schedule", "company-config/email-delivery-record"])
def test_a_status_of_another_kind_has_no_such_default(name: str) -> None:
    assert catalogue.load(name).fields["status"].default is NO_DEFAULT


@pytest.mark.parametrize(
    "name",
    [
        "time/timesheet-line",
        "accounts-payable/bill-line",
        "accounts-receivable/invoice-line",
        "general-ledger/journal-entry-line",
        "expenses/employee-expense-line",
        "order-entry/document-line",
    ],
)
def test_lines_have_every_dimension(name: str) -> None:
    refs = catalogue.load(name).groups["dimensions"].refs
    wanted = "location department project task costType customer vendor employee item class contract warehouse asset"
    assert set(wanted.split()) <= set(refs)
    for ref in refs.values():
        assert not ref.fields["id"].read_only
        assert ref.fields["name"].read_only
        assert ref.fields["href"].read_only


def test_budget_dimensions_cannot_be_changed_later() -> None:
    field = field_at("general-ledger/budget-detail", "dimensions.department.id")
    assert field.create_only
    assert not field.read_only


def test_types_formats_enums_and_lengths_of_the_overlay() -> None:
    assert field_at("accounts-payable/bill", "totalTxnAmount").scale == 2
    assert field_at("accounts-payable/bill", "totalTxnAmount").read_only
    assert field_at("accounts-payable/bill", "state").default == "draft"
    assert field_at("accounts-payable/bill", "currency.exchangeRate.rate").type == "number"
    assert field_at("time/timesheet", "beginDate").format == "date"
    assert field_at("time/timesheet", "description").max_length == 400
    assert field_at("time/timesheet-line", "quantity").type == "number"
    assert field_at("time/timesheet-line", "isBilled").enum == ("true", "false", "partial")
    assert field_at("inventory-control/item", "id").max_length == 30
    assert field_at("company-config/employee", "id").create_only
    assert field_at("accounts-receivable/payment", "referenceNumber").max_length == 21


def test_type_drift_between_siblings_is_kept() -> None:
    assert field_at("accounts-payable/bill", "dueInDays").type == "string"
    assert field_at("accounts-receivable/invoice", "dueInDays").type == "integer"


def test_an_enum_without_null_is_never_null_as_in_live_models() -> None:
    for name in NAMES:
        for path, field in catalogue.load(name).paths().items():
            closed = field.enum is not None and None not in field.enum
            assert field.nullable is not closed, f"{name} {path}"


def test_the_company_of_the_examples_left_nothing_of_its_own() -> None:
    for name in NAMES:
        model = catalogue.load(name)
        if model.evidence != "live":
            assert not re.search(r"\bnsp::|^ *[>*+]? ?\$", definition(name), re.MULTILINE), name


def test_evidence_says_where_a_definition_comes_from() -> None:
    assert catalogue.load("accounts-payable/vendor").evidence == "live"
    assert catalogue.load("accounts-payable/bill").evidence == "overlay"
    asset = catalogue.load("fixed-assets/asset")
    assert asset.evidence == "inferred"
    assert all(field.inferred for field in asset.paths().values())
    assert not field_at("accounts-payable/bill", "dueDate").inferred


def test_owned_lines_name_their_owner() -> None:
    assert catalogue.owner("time/timesheet-line") == ("time/timesheet", "lines", "timesheet")
    assert catalogue.owner("accounts-payable/payment-detail") == ("accounts-payable/payment", "details", "apPayment")
    assert catalogue.owner("accounts-payable/vendor") is None
    for line in NAMES:
        found = catalogue.owner(line)
        if found is None:
            continue
        owner, path, ref = found
        model = catalogue.load(line)
        assert model.refs[ref].is_owner, line
        assert model.refs[ref].object == owner, line
        if model.evidence != "live":
            assert model.kind == "ownedObject", line
        node: Node = catalogue.load(owner)
        *groups, last = path.split(".")
        for group in groups:
            node = node.groups[group]
        assert node.lists[last] == ListOf(object=line.removesuffix("::{documentName}")), f"{owner} {path}"


def test_a_transaction_definition_in_the_name() -> None:
    model = catalogue.load("order-entry/document::Sales Invoice")
    assert model.name == "order-entry/document::Sales Invoice"
    assert "POST" in model.methods
    assert "POST" not in catalogue.load("order-entry/document").methods
    assert catalogue.load("order-entry/document::Sales Order").name == "order-entry/document::Sales Order"
    owner = catalogue.owner("order-entry/document-line::Sales Invoice")
    assert owner == ("order-entry/document::Sales Invoice", "lines", "documentHeader")


def test_the_data_is_what_the_script_makes(tmp_path: Path) -> None:
    if not OBJECTS.is_dir():
        pytest.skip("needs ../shared/reference/objects beside the checkout")
    import subprocess
    import sys

    root = Path(__file__).parents[2]
    script = root / "scripts" / "build_catalogue.py"
    subprocess.run([sys.executable, str(script), str(OBJECTS), "--to", str(tmp_path)], check=True, capture_output=True)
    data = root / "src" / "tieout" / "catalogue" / "data"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in data.iterdir())
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (data / made.name).read_bytes(), made.name
