"""Runs in an environment with dlt, pandas and Polars, tieout from the source tree: one task and its answer in JSON."""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["DLT_DATA_DIR"] = sys.argv[1]  # before dlt is loaded: nothing outside the test's folder

import duckdb

from tieout import Intacct
from tieout.project import Project
from tieout.pull import dlt_source, frame, pull
from tieout.pull.sources import Source


def source(asked: dict[str, Any]) -> Source:
    client = Intacct(
        base_url=asked["url"], client_id="demo-client", client_secret="demo-secret", user="admin", company="demo"
    )
    return Source(client, "demo")


def loaded(asked: dict[str, Any], folder: Path) -> Any:
    """A run of dlt into a DuckDB file -> what the file then has, and how many rows were handed over."""
    import dlt

    project = Project(folder, folder / "tieout.toml", asked.get("toml", ""))
    came: list[int] = []

    def count(item: Any) -> Any:
        came.append(getattr(item, "num_rows", 0))
        if asked.get("stop_after") is not None and sum(came) > asked["stop_after"]:
            raise RuntimeError("the machine stops here")
        return item

    pipeline = dlt.pipeline(
        "books", destination=dlt.destinations.duckdb(str(folder / "warehouse.duckdb")), dataset_name="books"
    )
    read = dlt_source(project, objects=asked.get("objects"), full=asked.get("full", False), source=source(asked))
    for resource in read.resources.values():
        resource.add_map(count)
    failed = ""
    try:
        pipeline.run(read)
    except Exception as error:  # noqa: BLE001 - told to the test
        failed = str(error)
    if not (folder / "warehouse.duckdb").exists():
        return {"came": sum(came), "failed": failed}
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as db:
        tables = [
            name
            for (name,) in db.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'books'").fetchall()
        ]
        types = dict(
            db.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'books' AND table_name = ?",
                [asked["table"]],
            ).fetchall()
        )
        rows = (
            db.execute(f"SELECT {asked['select']} FROM books.{asked['table']} ORDER BY 1").fetchall() if types else []
        )
    return {
        "came": sum(came),
        "failed": failed,
        "tables": tables,
        "types": types,
        "rows": [list(map(str, r)) for r in rows],
    }


def frames(asked: dict[str, Any], folder: Path) -> Any:
    """A pull, and the same table as each kind of frame: exact sums and types."""
    project = Project(folder)
    pull(project, objects=asked["objects"], source=source(asked))
    arrow, pandas, polars = (frame(project, asked["objects"][0], kind=kind) for kind in ("arrow", "pandas", "polars"))
    column = asked["column"]
    return {
        "rows": [arrow.num_rows, len(pandas), len(polars)],
        "sums": [
            str(sum(v for v in values if v is not None))
            for values in (
                arrow.column(column).to_pylist(),
                pandas[column].dropna().tolist(),
                polars[column].to_list(),
            )
        ],
        "types": [str(pandas[column].dtype), str(polars[column].dtype)],
    }


asked = json.loads(sys.stdin.read())
print(json.dumps({"loaded": loaded, "frames": frames}[asked["do"]](asked, Path(sys.argv[1]))))
