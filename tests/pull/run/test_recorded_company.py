"""A real company's recorded rows, pulled: every row and every value arrives exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tieout
from tieout.catalogue.model import Field, Model
from tieout.project import Project
from tieout.pull import PullReport
from tieout.pull.run import pull
from tieout.pull.sources import Source

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "reference" / "recordings"
FILES = {"accounts-receivable/customer": "customers.json", "general-ledger/account": "gl-accounts.json"}
Select = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the recorded traffic lies beside the checkout, in ../shared, and is not there"
)


def recorded(object: str) -> tuple[Model, list[dict[str, Any]]]:
    """The model and all rows as the wire had them, numbers exact."""
    model, rows = None, []
    for exchange in json.loads((RECORDINGS / FILES[object]).read_text())["interactions"]:
        uri, body = exchange["request"]["uri"], exchange["response"]["body"]["string"]
        if "/services/core/model" in uri:
            model = Model.from_wire(json.loads(body)["ia::result"])
        elif uri.endswith("/services/core/query"):
            rows += json.loads(body, parse_float=Decimal)["ia::result"]
    assert model is not None
    return model, rows


def typed(field: Field, value: Any) -> Any:
    """What a recorded value means, by the model and by nothing of ours."""
    if value is None:
        return None
    if field.format == "date":
        return date.fromisoformat(value)
    if field.format == "date-time":
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    if field.type == "number" or (field.format or "").startswith("decimal"):
        return Decimal(value)
    return value


@pytest.fixture
def reports(project: Project) -> dict[str, PullReport]:
    files = [RECORDINGS / name for name in FILES.values()]
    with tieout.simulated("empty", recordings=files) as client:
        found = pull(project, objects=list(FILES), source=Source(client, "demo"))
    return {report.object: report for report in found}


@pytest.mark.parametrize("object", list(FILES))
def test_every_recorded_row_and_value_arrives_exactly(
    object: str, reports: dict[str, PullReport], select: Select
) -> None:
    model, rows = recorded(object)
    paths = {path: field for path, field in model.paths().items() if path != "href" and path in rows[0]}
    table = reports[object].table
    names = {path: path.replace(".", "__") for path in paths}
    columns = ", ".join(
        f'epoch("{names[path]}")' if field.format == "date-time" else f'"{names[path]}"'
        for path, field in paths.items()
    )
    found = {row[list(paths).index("key")]: row for row in select(f'SELECT {columns} FROM "{table}"')}
    assert len(rows) == {"accounts-receivable/customer": 26, "general-ledger/account": 128}[object]
    assert set(found) == {row["key"] for row in rows}
    for row in rows:
        arrived = dict(zip(paths, found[row["key"]], strict=True))
        assert arrived == {path: typed(field, row[path]) for path, field in paths.items()}
        assert {p for p, v in arrived.items() if v == ""} == {p for p in paths if row[p] == ""}


def test_the_recorded_company_has_what_makes_this_hard() -> None:
    """Null beside empty string, money and numbers: otherwise the test above would prove little."""
    values = [value for object in FILES for row in recorded(object)[1] for value in row.values()]
    assert None in values
    assert "" in values
    assert any(isinstance(value, str) and value.endswith(".00") for value in values)


def test_both_objects_tie_out_and_nothing_was_odd(reports: dict[str, PullReport]) -> None:
    for report in reports.values():
        assert report.misfits == 0
        assert report.tie_out
        assert {line.ties for line in report.tie_out} == {True}
