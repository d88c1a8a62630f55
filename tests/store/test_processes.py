"""A process is told from all others, whatever its number and its host are called; and that it has ended is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tieout.errors import BusyError
from tieout.store import open_store
from tieout.store.leases import Lease
from tieout.store.processes import has_ended, this_process

TELL = "from tieout.store.processes import this_process; print(this_process(), flush=True); input()"


def start() -> tuple[subprocess.Popen[str], str]:
    """Another process and its name."""
    child = subprocess.Popen([sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, child.stdout.readline().strip()


def ended_process() -> str:
    """The name of one that is no more."""
    child, name = start()
    child.communicate("\n")
    return name


def test_a_process_lives_until_it_ends() -> None:
    child, name = start()
    assert name != this_process()
    assert not has_ended(name)
    assert not has_ended(this_process())
    child.communicate("\n")
    assert has_ended(name)


def test_one_that_was_killed_has_ended_before_its_parent_notices() -> None:
    child, name = start()
    child.send_signal(signal.SIGKILL)
    end = time.monotonic() + 20
    while not has_ended(name):
        assert time.monotonic() < end
    child.communicate()


def test_a_forked_child_is_another_process() -> None:
    """As workers are that a server forks."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, this_process().encode())
        os._exit(0)
    name = os.read(read, 1000).decode()
    os.waitpid(child, 0)
    assert name != this_process()
    assert has_ended(name)
    assert not has_ended(this_process())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells tables of processes and when each started")
def test_the_same_number_elsewhere_or_later_is_another_process() -> None:
    table, number, started = this_process().rsplit("/", 2)
    boot, _, _ = table.partition("/")
    assert has_ended(f"{table}/{number}/{int(started) - 1}")  # it ended, and its number was given out again
    other = f"{boot}/pid:[1]"
    assert not has_ended(f"{other}/{number}/{started}")  # in another container: nobody here can say
    assert not has_ended(f"{other}/999999999/1")
    assert not has_ended(None)


def test_a_run_in_another_container_is_not_taken_for_dead(state_url: str) -> None:
    """Both containers have the same host name, and no process of that number is here."""
    with open_store(state_url) as store, Lease(store, "push/x", "push times"):
        with store.begin() as transaction:
            transaction.exec_driver_sql("update leases set process = 'boot/pid:[1]/999999999/1', pid = 999999999")
        with pytest.raises(BusyError, match="is going on"), Lease(store, "push/x", "push times"):
            pass


def test_the_lease_of_a_killed_run_is_taken_over_at_once(state_url: str) -> None:
    hold = (
        "import sys\nfrom tieout.store import open_store\nfrom tieout.store.leases import Lease\n"
        "with open_store(sys.argv[1]) as store, Lease(store, 'push/x', 'push times'):\n"
        " print('held', flush=True)\n input()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", hold, state_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with open_store(state_url) as store:
        with pytest.raises(BusyError, match=f"process {child.pid}"), Lease(store, "push/x", "push times"):
            pass
        child.kill()
        child.communicate()
        with Lease(store, "push/x", "push times"):
            pass
