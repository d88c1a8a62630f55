"""One promise under everything that is not known of Intacct: a write is done once, or not, or said to be unknown.

The same writes meet the same faults under every choice of the simulator's that concerns repeats, and the company's own
books are counted afterwards.
"""

from __future__ import annotations

from typing import Any

import pytest

from tieout import simulated
from tieout.errors import ConflictError, IntacctError, OutcomeUnknownError, ThrottledError, TieoutError, TooLargeError
from tieout.rest import attempt
from tieout.simulator import Fault, Simulator

CLASS = "company-config/class"
SWITCHES: list[dict[str, Any]] = [
    {},
    {"cache_5xx": True, "cache_429": True},
    {"conflict_words": "own", "in_flight": "wait"},
    {"error_envelope": "flat", "idempotency_scope": "company"},
    {"idempotency_unsupported": CLASS},
    {"throttle_body": "empty", "retry_after": "plain"},
    {"throttle_body": "html", "retry_after": "both", "retry_after_spelling": "joined"},
    {"throttle_body": "gateway", "retry_after": "none"},
    {"throttle_body": "kong"},
]
FAULTS: dict[str, dict[str, Any]] = {
    "lost before": {"connection": "reset"},
    "lost after": {"connection": "reset", "when": "after"},
    "web page after": {"html": True, "when": "after"},
    "cut off": {"cut": 12},
    "empty after": {"body": "", "when": "after"},
    "500 before": {"status": 500},
    "500 after": {"status": 500, "when": "after"},
    "503 before": {"status": 503},
    "429 before": {"status": 429},
    "401 before": {"status": 401},
    "another shape": {"body": {"ia::result": "done"}, "when": "after"},
}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(attempt, "server_wait", lambda reply: None)


@pytest.fixture(scope="module")
def simulator() -> Any:
    with Simulator("empty") as made:
        yield made


@pytest.mark.parametrize("times", [1, 9], ids=["once", "for ever"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda switches: " ".join(switches) or "as it comes")
def test_a_write_is_done_once_or_not_at_all_or_is_said_to_be_unknown(
    simulator: Simulator, switches: dict[str, Any], fault: str, times: int
) -> None:
    simulator.reset()
    simulator.settings.clear()
    simulator.settings.set(switches)
    with simulated(simulator=simulator) as intacct:
        before = intacct.count(CLASS)
        simulator.traffic.faults.add(Fault(method="POST", path="/objects/*", times=times, **FAULTS[fault]))
        try:
            intacct.create(CLASS, {"id": "ONCE", "name": "Once"})
            said = "posted"
        except OutcomeUnknownError:
            said = "unknown"
        except TieoutError:
            said = "failed"
        simulator.traffic.faults.clear()
        held = intacct.count(CLASS) - before
    assert held <= 1, "it was written twice"
    assert said == "unknown" or held == (said == "posted")
    if times == 1 and "idempotency_unsupported" not in switches and fault.startswith(("lost", "429", "401", "cut")):
        assert said == "posted", "a repeat was safe and would have worked"


@pytest.mark.parametrize("status", ["429", "400", "413"])
def test_an_oversize_request_is_refused_at_once_whatever_the_status(status: str) -> None:
    with (
        Simulator("empty", switches={"oversize_batch": status}) as simulator,
        simulated(simulator=simulator) as intacct,
    ):
        calls = intacct.usage.calls
        with pytest.raises(IntacctError) as caught:
            intacct.raw("POST", f"/objects/{CLASS}", body=[{"name": str(n)} for n in range(501)])
        assert isinstance(caught.value, TooLargeError) == (status != "400")
        assert not isinstance(caught.value, ThrottledError)
        assert intacct.usage.calls - calls <= 2, "a token, and the request"


@pytest.mark.parametrize("words", ["same", "own"])
def test_a_key_used_for_another_body_is_never_taken_for_done(words: str) -> None:
    with Simulator("empty", switches={"conflict_words": words}) as simulator, simulated(simulator=simulator) as intacct:
        first = intacct.create(CLASS, {"id": "A", "name": "A"}, idempotency_key="k")
        again = intacct.create(CLASS, {"id": "A", "name": "A"}, idempotency_key="k")
        assert (first.replayed, again.replayed, again.key) == (False, True, first.key)
        with pytest.raises(ConflictError) as caught:
            intacct.create(CLASS, {"id": "B", "name": "B"}, idempotency_key="k")
        assert caught.value.meaning != "duplicate"
        if words == "own":
            assert caught.value.meaning == "other body"
        simulator.clock.advance(49 * 3600)
        with pytest.raises(ConflictError) as late:
            intacct.create(CLASS, {"id": "A", "name": "A"}, idempotency_key="k")
        if words == "own":
            assert late.value.meaning == "reserved"
