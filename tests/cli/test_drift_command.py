"""`tieout drift` asks the company now, compares, says it once, and has an exit code for schedulers."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tests.cli.conftest import Run
from tieout import catalogue
from tieout.catalogue.model import Field
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

VENDOR = catalogue.load("accounts-payable/vendor")


@pytest.fixture
def company(tieout: Run) -> Iterator[Simulator]:
    """A company of this test's own, connected as `us`."""
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "us", "--simulator", running.url).code == 0
        yield simulator


def change(simulator: Simulator, **fields: Field) -> None:
    """Sage, or an administrator, changes the company's vendors."""
    simulator.company().set_model(msgspec.structs.replace(VENDOR, fields=VENDOR.fields | fields))


def test_what_changed_since_last_time_is_told_once(tieout: Run, company: Simulator) -> None:
    first = tieout("drift", "vendors", "bills")
    assert (first.code, first.out) == (0, "")
    assert "accounts-payable/vendor: asked for the first time" in first.err
    assert tieout("drift").out == "2 objects compared with last time: no difference.\n"
    change(company, **{"nsp::RATING": Field(enum=("good", "bad"))})
    told = tieout("drift")
    assert told.code == 1
    assert ["nsp::RATING", "field added", "choice, read write"] in told.table()
    assert "accounts-payable/bill" not in told.out
    assert tieout("drift").code == 0


def test_a_change_that_another_command_saw_first_is_still_told(tieout: Run, company: Simulator) -> None:
    assert tieout("model", "vendors", "--live").code == 0
    change(company, notes=Field(read_only=True))
    assert tieout("drift", "vendors", "--catalogue").code == 1
    told = tieout("drift", "--json")
    assert told.code == 1
    (only,) = told.json["objects"]
    assert only["object"] == "accounts-payable/vendor"
    assert only["since"].endswith("Z")
    assert only["changes"] == [
        {"path": "notes", "what": "changed", "aspect": "access", "before": "read write", "after": "read"}
    ]


def test_another_company_and_the_catalogue(tieout: Run, company: Simulator) -> None:
    with Simulator("empty") as other, SimulatorThread(other) as running:
        assert tieout("connect", "sandbox", "--simulator", running.url).code == 0
        assert tieout("drift", "vendors", "-c", "us", "--with", "sandbox").code == 0
        change(company, **{"nsp::RATING": Field()})
        told = tieout("drift", "vendors", "-c", "us", "--with", "sandbox", "--json")
    assert told.code == 1
    assert [c["path"] for c in told.json["objects"][0]["changes"]] == ["nsp::RATING"]
    assert told.json["compared_with"] == "sandbox"
    told = tieout("drift", "vendors", "-c", "us", "--catalogue")
    assert told.code == 1
    assert told.out.endswith("1 object compared with the catalogue: 1 difference.\n")


def test_wrong_words_are_usage(tieout: Run, company: Simulator) -> None:
    assert "Name some: tieout drift" in tieout("drift").err
    for words in (["vendrs"], ["vendors", "--with", "us", "--catalogue"], ["vendors", "--with", "nobody"]):
        assert tieout("drift", *words).code == 2
    assert tieout("drift", "platform-apps/nsp::nothing").code == 2
