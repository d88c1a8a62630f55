"""The options of `tieout pull`, as its help shows them."""

from __future__ import annotations

from typing import Annotated

import typer

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAMES", help="[pull.NAME] sections, objects (bills, vendors) or all; none: every section."),
]
FullOption = Annotated[bool, typer.Option("--full", help="Read everything again, not only what changed.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="STAMP|DATE", help="Read again what changed from this moment on (UTC)."),
]
ResetOption = Annotated[bool, typer.Option("--reset", help="Drop the table and what is known of it, and read it anew.")]
WhereOption = Annotated[
    str | None,
    typer.Option("--where", metavar="TEXT", help="Only these records; before the section's own. For one object."),
]
FieldsOption = Annotated[
    str | None,
    typer.Option("--fields", metavar="A,B", help="Only these fields; before the section's own. For one object."),
]
ConnectionOption = Annotated[
    str | None,
    typer.Option("--connection", "-c", metavar="NAME", help="Which connection; needed only when there are several."),
]
DestinationOption = Annotated[
    str | None,
    typer.Option("--destination", "-d", metavar="URL", help="Where to, else the section's: duckdb:///company.duckdb"),
]
TableOption = Annotated[
    str | None, typer.Option("--table", metavar="NAME", help="Into this table; for one object or section.")
]
ReportOption = Annotated[
    str | None,
    typer.Option(
        "--report",
        metavar="NAME",
        help="A report of Intacct's as a table: trial-balance, account-balance, account-balance-by-dimension, "
        "account-group-hierarchy, details, inventory-valuation, item-activity.",
    ),
]
PeriodOption = Annotated[
    str | None, typer.Option("--period", metavar="PERIOD", help="Of the report: 'March 2026', 'last month'.")
]
BookOption = Annotated[str, typer.Option("--book", metavar="BOOK", help="Of the report: ACCRUAL, CASH.")]
FilesOption = Annotated[
    str | None, typer.Option("--files", metavar="DIR", help="The files of attachments, into this folder.")
]
NoTieOutOption = Annotated[
    bool, typer.Option("--no-tie-out", help="Do not compare with Intacct (one transaction a table).")
]
LayoutOption = Annotated[
    str | None,
    typer.Option("--layout", metavar="NAME", help="Views for another tool beside the tables: fivetran."),
]
DdlOption = Annotated[
    str | None,
    typer.Option("--ddl", metavar="DIALECT", help="Write a load script beside Parquet files: snowflake, bigquery."),
]
AllowDeletesOption = Annotated[
    bool,
    typer.Option("--allow-deletes", help="Mark rows deleted however many they are, where a pull refused to."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be read and what it would cost; write nothing.")
]
