"""Running a report: every way Intacct may tell that it is ready, and every way in which it may not be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

import tieout
from tieout.errors import InvalidRequestError, ReplyError, TieoutError, UnreachableError
from tieout.rest import InProcessTransport, Intacct
from tieout.simulator import Simulator

TRIAL = "general-ledger/trial-balance"
PERIOD = {"timePeriod": {"periodToDate": {"reportingPeriod": {"id": "Inception to Date"}}}}


@pytest.mark.parametrize("completed", ["303", "200"])
@pytest.mark.parametrize("pending", [0, 1, 2])
def test_a_report_is_waited_for_and_fetched(completed: str, pending: int) -> None:
    with Simulator("demo") as simulator, tieout.simulated(simulator=simulator) as intacct:
        simulator.settings.set({"report_completed": completed, "report_pending": pending, "report_retry_after": 0})
        text = intacct.report(TRIAL, PERIOD)
    assert "Account no.,Account title,Opening balance,Debit,Credit,Closing balance" in text


def test_async_clients_do_the_same() -> None:
    async def run() -> str:
        with Simulator("demo") as simulator:
            simulator.settings.set({"report_pending": 0, "report_retry_after": 0})
            async with tieout.simulated_async(simulator=simulator) as intacct:
                return await intacct.report(TRIAL, PERIOD)

    assert "Account no." in asyncio.run(run())


def test_a_report_that_finds_nothing_fails_with_intaccts_words() -> None:
    with Simulator("demo") as simulator, tieout.simulated(simulator=simulator) as intacct:
        simulator.settings.set({"report_pending": 0, "report_retry_after": 0, "report_csv": "no_data"})
        with pytest.raises(InvalidRequestError, match="failed: No Data Found"):
            intacct.report(TRIAL, PERIOD)


def scripted(*told: dict[str, object]) -> Intacct:
    """A client to whom each request about a report is told the next of these; asked too often, the last again."""
    answers = list(told)

    def answer(
        method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        if target.endswith("/oauth2/token"):
            told = {"token_type": "Bearer", "access_token": "t", "expires_in": 43200}
            return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
        next = answers.pop(0) if len(answers) > 1 else answers[0]
        return 200, {"Retry-After": "0"}, json.dumps({"ia::result": next}).encode()

    return Intacct(
        client_id="demo-client", client_secret="demo-secret", user="admin", company="demo",
        base_url="http://127.0.0.1:1", transport=InProcessTransport(answer),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([{"reportId": "1", "status": "completed", "downloadURL": "https://elsewhere.example/file"}], ReplyError),
        ([{"reportId": "1", "status": "completed"}], ReplyError),
        ([{"status": "submitted"}], ReplyError),
        ([{"reportId": 1, "status": "submitted"}, {"reportId": 1, "status": "canceled"}], InvalidRequestError),
        ([{"reportId": 1, "status": "pending"}], UnreachableError),
    ],
)
def test_what_is_no_report_is_an_error_of_the_family(
    answers: list[dict[str, object]], expected: type[TieoutError]
) -> None:
    with scripted(*answers) as intacct, pytest.raises(expected):
        intacct.report(TRIAL, PERIOD, longest=2)


def test_several_reports_are_under_way_at_once_and_one_without_data_stops_no_other() -> None:
    with Simulator("demo") as simulator, tieout.simulated(simulator=simulator) as intacct:
        simulator.settings.set({"report_pending": 1, "report_retry_after": 0})
        month = {"timePeriod": {"periodToDate": {"reportingPeriod": {"id": "January 1901"}}}}
        entities = [PERIOD | {"dimensions": {"location": {"id": id}}} for id in ("E110", "E120", "E130", "110-NYC")]
        *texts, nothing, whole = intacct.reports(TRIAL, [*entities, month, PERIOD])
    assert len({*texts, whole}) == 5
    assert isinstance(nothing, InvalidRequestError)
    assert nothing.error_id == "BL03002028"
