"""Query, model and other reading services: what is simulated and what can be chosen (REST reference 5)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = (
    Fact(
        what="Query pages: flat rows, `start` from 1, `size` 100 if not given and 4,000 at most",
        evidence="LIVE",
        where="5.5",
    ),
    Fact(what="Rows without `orderBy` come neither by key nor by id", evidence="LIVE", where="5.5"),
    Fact(what="A field that cannot be queried: 400 `REST-1106`, the first one only", evidence="LIVE", where="8.4"),
    Fact(
        what="A path through a list (`lines.item.id`): 400 `REST-1107`; the id is seen, the words are ours",
        evidence="LIVE",
        where="5.6",
    ),
    Fact(what="An unknown key of a query is refused, `pageSize` too", evidence="LIVE", where="5.1"),
    Fact(what="All operators, filter expressions and date macros", evidence="DOC", where="5.2, 5.3"),
    Fact(what="The key of an aggregate is the text that asked for it", evidence="INFERRED", where="5.5"),
    Fact(what="A live model's shape, `lists` as `[]` where there are none", evidence="LIVE", where="6"),
    Fact(
        what="The model service lists workflow actions and services too; their names there are ours",
        evidence="INFERRED",
        where="6",
    ),
    Fact(what="An unknown name in the model service: an empty list", evidence="DOC", where="6"),
    Fact(
        what="Reports are submitted (202, `Retry-After`), asked for, downloaded; the entity header does not count",
        evidence="DOC",
        where="7.8",
    ),
    Fact(
        what="The trial balance as CSV, of posted journal entries: opening, debit, credit, closing by account; other "
        "reports and file types are not simulated, and bills and invoices post no entries of their own",
        evidence="INFERRED",
        where="7.8",
    ),
    Fact(what="null for a member of a query that may be left out counts as absent", evidence="INFERRED", where="5.1"),
)
SWITCHES: tuple[Switch, ...] = (
    Switch(
        name="start_zero",
        default="first",
        choices=("first", "refused"),
        what="A query with `start` 0: the first page (a published connector begins there), or 400.",
        where="5.1",
    ),
    Switch(
        name="list_paging",
        default=False,
        what="Whether `start` and `size` in the query string of a list endpoint count, or the first 100 always come.",
        where="4.1",
    ),
    Switch(
        name="missing_of_several",
        default="item",
        choices=("item", "omit", "refuse"),
        what="A key that is not there among several: an item with 404 in its place, nothing, or 404 for all.",
        where="4.3",
    ),
    Switch(
        name="query_array",
        default="items",
        choices=("items", "bare", "refuse"),
        what="The answer to an array of queries: an array of pages with `ia::status`, without it, or 400.",
        where="5.1",
    ),
    Switch(
        name="aggregate_key",
        default="asked",
        choices=("asked", "field", "underscore"),
        what="Where an aggregate comes back: `sum:totalDue`, `totalDue` where that is clear, or `sum_totalDue`.",
        where="5.5",
    ),
    Switch(
        name="page_end",
        default="null",
        choices=("null", "zero", "absent"),
        what="How `next` and `previous` say that there is none: null as recorded, 0 or nothing as in some examples.",
        evidence="LIVE",
        where="5.5",
    ),
    Switch(
        name="oversize_page",
        default="refuse",
        choices=("refuse", "cap"),
        what="A `size` above 4,000: 400, or 4,000 rows.",
        where="8.7",
    ),
    Switch(
        name="countable",
        default="any",
        choices=("any", "typed"),
        what="Which fields `count` takes: any, or those of booleans, arrays and enums only, as one guide claims.",
        where="5.5",
    ),
    Switch(
        name="extremes",
        default="any",
        choices=("any", "numbers"),
        what="Which fields `min` and `max` take: any, or numbers and money only, so that the latest stamp is refused.",
        where="5.5",
    ),
    Switch(
        name="date_on_date_time",
        default="start",
        choices=("start", "day", "refuse"),
        what="What a date means in a filter on a date-time: its first second, its whole day as a macro does, or a "
        "refusal as of any bad filter.",
        where="10.1",
    ),
    Switch(
        name="unknown_filter_field",
        default="REST-1106",
        choices=("REST-1106", "FIELD_PATH"),
        what="A filter on a field that is not there: 400 REST-1106, or 422 with the field's first name as the "
        "placeholder `FIELD_PATH` of a detail, as one client met it on `location`.",
        evidence="LIVE",
        where="5.6",
    ),
    Switch(
        name="unknown_object",
        default="400",
        choices=("400", "404", "422"),
        what="The status of a query on an object that is not there.",
        where="12",
    ),
    Switch(
        name="bad_filter",
        default="400",
        choices=("400", "422"),
        what="The status of an unknown operator, a value that does not fit, or a wrong filter expression.",
        where="5.2",
    ),
    Switch(
        name="deprecated_queryable",
        default=True,
        what="Whether deprecated fields can be queried: a guide says no, recorded traffic did it.",
        evidence="LIVE",
        where="5.6",
    ),
    Switch(
        name="stray_columns",
        default=True,
        what="Whether asking for `webURL` adds a column `API_QUERY_ALIAS__n` to each row.",
        evidence="LIVE",
        where="5.5",
    ),
    Switch(
        name="null_order",
        default="smallest",
        choices=("smallest", "largest"),
        what="Where rows without a value stand in an order: before all values or after them.",
        where="5.5",
    ),
    Switch(
        name="week_start",
        default="monday",
        choices=("monday", "sunday"),
        what="The day that `currentWeek` and `lastWeek` begin with.",
        where="5.3",
    ),
    Switch(
        name="key_comparison",
        default="numeric",
        choices=("numeric", "text", "text_filters", "text_order"),
        what="How queries compare `key`: as numbers (numeric), as text (text), or one way in the order and another in "
        "filters (text_filters, text_order).",
        where="10.1",
    ),
    Switch(
        name="late_records",
        default=0,
        what="Seconds until a new record shows up in queries, though under the stamp of the moment it was written, as "
        "long postings may: their stamp is taken inside the transaction.",
        evidence="INFERRED",
        where="10.1",
    ),
    Switch(
        name="slow_query_rows",
        default=0,
        what="A query for rows that finds more than so many is given up by the gateway (504), as long queries by stamp "
        "were on the XML side; 0 for never. Totals are not affected.",
        where="8.7",
    ),
    Switch(
        name="report_completed",
        default="303",
        choices=("303", "200"),
        what="The status under which a completed report is told: 303 with `downloadURL`, or 200.",
        evidence="DOC",
        where="7.8",
    ),
    Switch(
        name="report_pending",
        default=1,
        what="Times that a report is `pending` before it is completed.",
        where="7.8",
    ),
    Switch(
        name="report_retry_after",
        default=30,
        what="Seconds that `Retry-After` asks for when a report was submitted, and while it is pending (INFERRED).",
        evidence="DOC",
        where="7.8",
    ),
    Switch(
        name="report_csv",
        default="titled",
        choices=("titled", "plain", "no_data"),
        what="How a report's CSV begins: with lines of titles (titled), with its headings (plain); or the report finds "
        "nothing and fails (no_data).",
        where="7.8",
    ),
)
