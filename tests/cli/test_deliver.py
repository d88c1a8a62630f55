"""`tieout connections deliver`: what a scheduler prints, and its exit code."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run
from tests.connections.web.receiver import SECRET, Receiver
from tieout.connections import Connections


def test_events_are_sent_once_and_trouble_is_shown(connected: Run, simulator_url: str, tmp_path: Path) -> None:
    assert connected("connections", "deliver").out == "No webhook is set.\n"
    receiver = Receiver()
    try:
        with Connections.at(f"sqlite:///{tmp_path / 'tieout.db'}") as connections:
            connections.webhooks.set(receiver.url, SECRET, allow_local=True)
            connections.add_simulator("second", simulator_url)
        receiver.status = 503
        put_off = connected("connections", "deliver")
        assert (put_off.code, put_off.out.splitlines()[0]) == (1, "delivered 0 events, 1 put off, 1 waiting")
        assert "the server answered 503" in put_off.out
        later = connected("connections", "deliver", "--json")
        assert (later.code, later.json["delivered"]["waiting"]) == (0, 1)
        receiver.status = 204
        with Connections.at(f"sqlite:///{tmp_path / 'tieout.db'}") as connections:
            connections.add_simulator("third", simulator_url)
        sent = connected("connections", "deliver", "--limit", "1")
        assert (sent.code, sent.out.splitlines()[0]) == (0, "delivered 1 event, 1 waiting")
        assert [event["data"]["name"] for event in receiver.events] == ["second", "third"]
    finally:
        receiver.close()
    assert SECRET not in put_off.out + later.out + sent.out
