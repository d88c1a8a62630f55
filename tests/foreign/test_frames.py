"""What is handed to other people's libraries: rows to dlt, frames to pandas and Polars, in an environment of theirs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.client import ROOT, environment
from tieout import Intacct
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

Ask = Callable[..., Any]
VENDORS = {"do": "loaded", "objects": ["vendors"], "table": "vendor", "select": "id, name"}


@pytest.fixture
def url() -> Iterator[str]:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as server:
        yield server.base_url


@pytest.fixture
def company(url: str) -> Iterator[Intacct]:
    who = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}
    with Intacct(base_url=url, **who) as client:
        yield client


@pytest.fixture
def ask(url: str, tmp_path: Path) -> Ask:
    """ask(do=..., ...) -> the answer of `drive.py`."""
    python, program = environment("frames"), Path(__file__).parent / "frames" / "drive.py"

    def run(**asked: Any) -> Any:
        done = subprocess.run(
            [str(python), str(program), str(tmp_path)],
            input=json.dumps({"url": url} | asked),
            capture_output=True,
            text=True,
            timeout=120,
            env={"PYTHONPATH": str(ROOT / "src"), "NO_PROXY": "*", "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_dlt_gets_everything_once_then_what_changed(ask: Ask, company: Intacct) -> None:
    first = ask(**VENDORS)
    assert first["failed"] == ""
    assert first["came"] == len(first["rows"]) == company.count("vendors", private=True)
    assert (first["types"]["key"], first["types"]["credit_limit"][:7]) == ("VARCHAR", "DECIMAL")
    (vendor,) = company.query("vendors", ["key", "id"], limit=1)
    company.update("vendors", vendor.key, {"name": "Renamed"})
    second = ask(**VENDORS)
    assert second["came"] < 10
    assert [vendor.id, "Renamed"] in second["rows"]
    assert len(second["rows"]) == len(first["rows"])
    assert ask(**VENDORS, full=True)["came"] == first["came"]


def test_a_run_that_fails_is_read_again(ask: Ask, company: Intacct) -> None:
    toml = "[pull.vendors]\nobject = 'vendors'\npage_size = 5\n"
    asked = VENDORS | {"objects": None, "toml": toml}
    assert "stops here" in ask(**asked, stop_after=7)["failed"]
    after = ask(**asked)
    assert (after["came"], len(after["rows"])) == (
        company.count("vendors", private=True),
        company.count("vendors", private=True),
    )


def test_pandas_and_polars_keep_amounts_exact(ask: Ask, company: Intacct) -> None:
    found = ask(do="frames", objects=["bills"], column="totalBaseAmount")
    total = company.totals("bills", ["totalBaseAmount"], private=True)["totalBaseAmount"]
    assert found["rows"] == [company.count("bills", private=True)] * 3
    assert {Decimal(each) for each in found["sums"]} == {total}
    assert found["types"] == ["decimal128(38, 2)[pyarrow]", "Decimal(precision=38, scale=2)"]


def test_values_that_fit_no_column_are_handed_over_raw(ask: Ask, company: Intacct) -> None:
    toml = "[pull.vendors]\nobject = 'vendors'\nfields = ['id', 'name']\ntypes = { id = 'integer', name = 'integer' }\n"
    (vendor,) = company.query("vendors", ["key", "id", "name"], limit=1)
    found = ask(do="loaded", toml=toml, table="tieout_misfits", select='"key", field, raw')
    kept = [row for row in found["rows"] if row[0] == vendor.key]
    assert kept == [[vendor.key, "id", json.dumps(vendor.id)], [vendor.key, "name", json.dumps(vendor.name)]]
