"""Idempotency, throttling, faults, requests as such: what is simulated and what can be chosen (7.6, 8)."""

from __future__ import annotations

from tieout.simulator.behaviour.kinds import Fact, Switch

FACTS: tuple[Fact, ...] = (
    Fact(
        what="Idempotency keys on POST and PATCH, not for `query`: the answer, a failure too, is repeated for 48 hours "
        "with `x-ia-idempotency-cached-date`; then the key is refused (409) until day 60",
        evidence="DOC",
        where="7.6",
    ),
    Fact(what="An idempotency key with another body: 409", evidence="DOC", where="7.6"),
    Fact(what="A key of more than 256 characters: 400", evidence="INFERRED", where="7.6"),
    Fact(what="Requests under way for each application and company by tier: 429 above", evidence="DOC", where="8.6"),
    Fact(what="Soft limits are announced in headers, hard ones also refuse with 429", evidence="DOC", where="8.6"),
    Fact(
        what="Transactions are counted by company, application and month, never blocked; a page read and a record "
        "written are one each, failures and repeated answers none",
        evidence="INFERRED",
        where="8.6",
    ),
    Fact(what="The error object sits under `ia::result`", evidence="LIVE", where="8.2"),
    Fact(what="HEAD is answered as GET without a body, OPTIONS with `Allow`", evidence="INFERRED", where="6"),
)

_THROTTLING: tuple[Switch, ...] = (
    Switch(
        name="tier",
        default="off",
        choices=("off", "1", "2", "2-500k", "3", "4"),
        what="The company's performance tier, which limits the requests under way; off limits nothing.",
        evidence="DOC",
        where="8.6",
    ),
    Switch(
        name="concurrency_app",
        default=0,
        what="Requests that one application may have under way; 0 as the tier says.",
        evidence="DOC",
        where="8.6",
    ),
    Switch(
        name="concurrency_company",
        default=0,
        what="Requests that all applications of a company may have under way; 0 as the tier says.",
        evidence="DOC",
        where="8.6",
    ),
    Switch(
        name="minute_limit",
        default=0,
        what="Soft limit of requests a minute, announced in headers; 0 for none.",
        evidence="DOC",
        where="8.6",
    ),
    Switch(
        name="hour_limit",
        default=0,
        what="Hard limit of requests an hour, 429 above; 0 for none.",
        evidence="DOC",
        where="8.6",
    ),
    Switch(
        name="overload_at",
        default=0,
        what="Requests under way in the whole server from which on it answers 503; 0 for never.",
        evidence="DOC",
        where="8.1",
    ),
    Switch(
        name="throttle_wait",
        default=1,
        what="Seconds that a 429 or 503 tells its caller to wait.",
        where="8.6",
    ),
    Switch(
        name="retry_after",
        default="named",
        choices=("named", "plain", "both", "none"),
        what="How a throttled caller is told to wait: `X-IA-…-Retry-After` (named), `Retry-After`, both or neither.",
        where="8.6",
    ),
    Switch(
        name="retry_after_spelling",
        default="hyphen",
        choices=("hyphen", "joined"),
        what="`X-IA-…-Retry-After`, or joined as `X-IA-…-RetryAfter`: both are printed.",
        where="8.6",
    ),
    Switch(
        name="throttle_body",
        default="envelope",
        choices=("envelope", "flat", "gateway", "kong", "html", "empty"),
        what="The body of a 429 or 503: the normal envelope, with `ia::error` on top (flat), `error` with GW-0010 "
        "(gateway), `message` alone (kong), an HTML page, or none.",
        where="8.6",
    ),
    Switch(
        name="cpu_headers",
        default=False,
        what="Whether answers under a limit also carry `X-IA-CPU-…`.",
        evidence="DOC",
        where="8.6",
    ),
)

_IDEMPOTENCY: tuple[Switch, ...] = (
    Switch(
        name="cache_429",
        default=False,
        what="Whether a 429 is kept under the idempotency key and repeated, or the key stays free.",
        where="7.6",
    ),
    Switch(
        name="cache_5xx",
        default=False,
        what="Whether a server error is kept under the idempotency key and repeated, or the key stays free.",
        where="7.6",
    ),
    Switch(
        name="in_flight",
        default="refuse",
        choices=("refuse", "wait"),
        what="A second request under a key whose first is under way: 409 at once, or it waits for the first's answer.",
        evidence="DOC",
        where="7.6",
    ),
    Switch(
        name="idempotency_scope",
        default="path",
        choices=("path", "user", "company"),
        what="What an idempotency key is unique in: method and path, all requests of the user, or of the company.",
        where="7.6",
    ),
    Switch(
        name="idempotency_unsupported",
        default="",
        what="Objects, separated by commas, whose model says `idempotenceSupported: false` and whose keys are ignored.",
        where="7.6",
    ),
    Switch(
        name="conflict_words",
        default="same",
        choices=("same", "own"),
        what="Whether the 409s of another body, a reserved key and a request under way read alike or each its own.",
        where="7.6",
    ),
)

_REQUESTS: tuple[Switch, ...] = (
    Switch(
        name="error_envelope",
        default="nested",
        choices=("nested", "flat"),
        what="Where the error object sits: under `ia::result`, or on top as `ia::error`, which is seen too.",
        evidence="LIVE",
        where="8.2",
    ),
    Switch(
        name="oversize_batch",
        default="429",
        choices=("429", "400", "413"),
        what="The status of more than 500 records or keys in one request; a 429 comes without any Retry-After.",
        where="4.7",
    ),
    Switch(
        name="batch_items",
        default="flat",
        choices=("flat", "nested", "all_nested"),
        what="An entry of a batch's answer: the fields beside `ia::status`, under `ia::result` (nested), errors too.",
        where="4.7",
    ),
    Switch(
        name="batch_item_status",
        default="always",
        choices=("always", "mixed"),
        what="Whether entries carry `ia::status` always, or only where some record failed.",
        where="4.7",
    ),
    Switch(
        name="atomic_failure",
        default="entries",
        choices=("entries", "error"),
        what="The answer to an atomic batch that failed: an entry for each record, or the one error alone.",
        where="4.7",
    ),
    Switch(
        name="batch_status",
        default="common",
        choices=("common", "207"),
        what="The status of a batch in which all records failed alike: their common status, or 207.",
        where="4.7",
    ),
    Switch(
        name="request_limit",
        default=0,
        what="Bytes of a request body above which it is refused with 413; 0 for no limit. One client claims 1 MB.",
        where="8.7",
    ),
    Switch(
        name="latency_from",
        default=0.0,
        what="Milliseconds that every request takes at least.",
        evidence="INFERRED",
    ),
    Switch(
        name="latency_to",
        default=0.0,
        what="Milliseconds that every request takes at most; drawn anew each time, the same draws after a reset.",
        evidence="INFERRED",
    ),
    Switch(
        name="log_bodies",
        default=False,
        what="Whether the request log keeps bodies, without secrets.",
        evidence="INFERRED",
    ),
)
SWITCHES: tuple[Switch, ...] = (*_THROTTLING, *_IDEMPOTENCY, *_REQUESTS)
