"""The state database: made and migrated on opening, private, and clear about what is wrong with it."""

from __future__ import annotations

import importlib
import os
import pkgutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

import tieout.store
from tests.forks import Forks
from tieout.errors import ConfigurationError, StoreError
from tieout.store import Store, migrations, open_store
from tieout.store.tables import learnt_fields, meta, metadata

ROW = {
    "environment": "production",
    "company": "Acme",
    "object": "time/timesheet",
    "field": "x",
    "reason": "REST-1106",
    "learnt_at": "2026-11-23T00:00:00+00:00",
}


@pytest.fixture
def template() -> str:
    """PostgreSQL databases begin without tables here: making them is what is tested."""
    return "template0"


def version(url: str) -> str:
    with open_store(url) as store, store.read() as connection:
        return str(connection.execute(text(f"select version_num from {migrations.VERSION_TABLE}")).scalar_one())


def set_version(url: str, value: str) -> None:
    with open_store(url) as store, store.begin() as connection:
        connection.execute(text(f"update {migrations.VERSION_TABLE} set version_num = :v"), {"v": value})


def write_and_stop(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(learnt_fields.insert(), ROW)
        raise RuntimeError("stop")


def fill(store: Store) -> None:
    with store.begin() as connection:
        connection.exec_driver_sql("pragma max_page_count = 1")
        connection.execute(meta.insert(), {"name": "big", "value": "x" * 10_000_000})


def test_a_new_database_is_migrated_and_keeps_its_installation_id(state_url: str) -> None:
    ids = []
    for _ in range(2):
        with open_store(state_url) as store, store.read() as connection:
            ids.append(connection.execute(select(meta.c.value).where(meta.c.name == "installation")).scalar_one())
    assert ids[0] == ids[1]
    assert len(ids[0]) == 36


def test_migrations_make_exactly_the_tables_that_the_code_expects(state_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    for module in pkgutil.iter_modules(tieout.store.__path__):
        importlib.import_module(f"tieout.store.{module.name}")  # every table joins the metadata
    with open_store(state_url) as store, store.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        names = set(inspect(connection).get_table_names())
    assert names == set(metadata.tables) | {migrations.VERSION_TABLE}


def test_a_new_file_and_an_up_to_date_one_open_without_loading_the_migration_library(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}"
    program = (
        "import sys; from tieout.store import open_store; assert 'sqlalchemy' not in sys.modules; "
        "[open_store(sys.argv[1]).close() for _ in range(2)]; print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_process_may_open_a_new_database_at_the_same_moment(state_url: str, forked: Forks) -> None:
    program = (
        "import sys; from tieout.store import open_store; import sqlalchemy, alembic.command\n"
        "print('ready', flush=True); sys.stdin.readline(); open_store(sys.argv[1]).close(); print('opened')"
    )
    children = [forked.start(program, state_url) for _ in range(4)]
    assert {forked.heard(child) for child in children} == {"ready"}
    for child in children:
        forked.say(child, "go")
    assert {forked.wait(child) for child in children} == {(0, "ready\nopened\n")}
    assert version(state_url) == migrations.known()[-1]


def test_a_transaction_is_all_or_nothing(state_url: str) -> None:
    with open_store(state_url) as store:
        with pytest.raises(RuntimeError, match="stop"):
            write_and_stop(store)
        with store.begin() as connection:
            assert connection.execute(select(learnt_fields.c.field)).all() == []
            connection.execute(learnt_fields.insert(), ROW)
        with store.read() as connection:
            assert connection.execute(select(learnt_fields.c.field)).all() == [("x",)]


def test_a_violated_constraint_stays_recognisable(state_url: str) -> None:
    with open_store(state_url) as store:
        with store.begin() as connection:
            connection.execute(learnt_fields.insert(), ROW)
        with pytest.raises(IntegrityError), store.begin() as connection:
            connection.execute(learnt_fields.insert(), ROW)


def test_what_a_writer_reads_stays_true_until_it_commits(tmp_path: Path) -> None:
    """Counting up from many threads loses no step: the write lock is taken before the read."""
    with open_store(f"sqlite:///{tmp_path / 't.db'}") as store:
        with store.begin() as connection:
            connection.execute(meta.insert(), {"name": "count", "value": "0"})

        def count_up() -> None:
            for _ in range(20):
                with store.begin() as connection:
                    value = connection.execute(select(meta.c.value).where(meta.c.name == "count")).scalar_one()
                    connection.execute(meta.update().where(meta.c.name == "count"), {"value": str(int(value) + 1)})

        threads = [threading.Thread(target=count_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as connection:
            assert connection.execute(select(meta.c.value).where(meta.c.name == "count")).scalar_one() == "80"


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 't.db'}") as store, store.begin() as writing:
        writing.execute(learnt_fields.insert(), ROW)
        with store.read() as reading:
            assert reading.execute(select(learnt_fields.c.field)).all() == []


def test_the_file_is_private_and_durable(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    with open_store(f"sqlite:///{file}") as store, store.begin() as connection:
        connection.execute(learnt_fields.insert(), ROW)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert modes == {"t.db": 0o600, "t.db-wal": 0o600, "t.db-shm": 0o600}
        assert connection.exec_driver_sql("pragma synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("pragma foreign_keys").scalar_one() == 1


def test_a_newer_schema_is_refused_and_left_alone(state_url: str) -> None:
    set_version(state_url, "9999")
    with pytest.raises(StoreError, match=r"made by a newer tieout \(its schema is 9999.*Upgrade tieout"):
        open_store(state_url)
    with pytest.raises(StoreError):
        open_store(state_url)


# What goes wrong with a file.


def test_a_file_that_is_no_database_is_named_and_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    file.write_bytes(b"this is a letter to my bank\n" * 100)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"t\.db is not a tieout state database"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes() == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/t\.db cannot be made: No such file or directory\. Make the folder"):
        open_store(f"sqlite:///{tmp_path}/nowhere/t.db")


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 't.db'}") as store:
        with store.begin() as connection:
            connection.execute(learnt_fields.insert(), ROW)
        with pytest.raises(StoreError, match=r"t\.db is full\. Free some disk space") as caught:
            fill(store)
        assert caught.value.exit_code == 5
        with store.begin() as connection:
            connection.exec_driver_sql("pragma max_page_count = 1000000")
            assert connection.execute(select(learnt_fields.c.field)).all() == [("x",)]
            assert connection.execute(select(meta.c.name).where(meta.c.name == "big")).all() == []


def test_a_busy_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    with open_store(f"sqlite:///{file}") as store, store.read() as connection:
        connection.exec_driver_sql("pragma busy_timeout = 0")
    with open_store(f"sqlite:///{file}") as store:
        other = sqlite3.connect(file, isolation_level=None)
        try:
            other.execute("begin immediate")
            with store.read() as connection:
                connection.exec_driver_sql("pragma busy_timeout = 0")
            with pytest.raises(StoreError, match="is held by another program"), store.begin():
                pass
        finally:
            other.close()


def test_a_reader_that_writes_after_another_wrote_is_told(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 't.db'}") as store:
        with pytest.raises(StoreError, match="is held by another program"):
            write_late(store)
        with store.read() as connection:
            assert connection.execute(select(learnt_fields.c.field)).all() == [("x",)]


def write_late(store: Store) -> None:
    with store.read() as late:
        late.execute(select(meta.c.name)).all()
        with store.begin() as early:
            early.execute(learnt_fields.insert(), ROW)
        late.execute(learnt_fields.insert(), ROW | {"field": "y"})


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that another user may enter; the test runs as that user while it is used."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def as_nobody(url: str) -> str:
    os.seteuid(65534)
    try:
        with pytest.raises(StoreError) as caught:
            open_store(url)
    finally:
        os.seteuid(0)
    return str(caught.value)


def test_a_folder_one_may_not_write_in(nobody: Path) -> None:
    assert "t.db cannot be made: Permission denied." in as_nobody(f"sqlite:///{nobody / 't.db'}")
    assert list(nobody.iterdir()) == []


def test_a_file_one_may_not_read(nobody: Path) -> None:
    open_store(f"sqlite:///{nobody / 't.db'}").close()
    assert "t.db cannot be opened." in as_nobody(f"sqlite:///{nobody / 't.db'}")


def test_a_file_one_may_only_read(nobody: Path) -> None:
    file = nobody / "t.db"
    with open_store(f"sqlite:///{file}") as store, store.begin() as connection:
        connection.execute(text(f"update {migrations.VERSION_TABLE} set version_num = '0000'"))
    plain = sqlite3.connect(file)
    plain.execute("pragma journal_mode = delete")
    plain.close()
    file.chmod(0o644)
    assert "t.db is read-only. Make the file and its folder writable" in as_nobody(f"sqlite:///{file}")


# What goes wrong with a server.


def test_a_server_that_does_not_answer(unused_port: int) -> None:
    with pytest.raises(StoreError, match=r"postgresql://me@127\.0\.0\.1:\d+/state cannot be reached") as caught:
        open_store(f"postgresql://me:hush-hush@127.0.0.1:{unused_port}/state")
    assert "hush-hush" not in repr(caught.value) + str(caught.value.to_dict())
    assert caught.value.__cause__ is None


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_database_that_does_not_exist(postgres_server: str) -> None:
    head = postgres_server.partition("?")[0].rpartition("/")[0]
    with pytest.raises(StoreError, match="no_such_database does not exist"):
        open_store(f"{head}/no_such_database")


def test_a_server_that_only_reads(postgres_url: str) -> None:
    with pytest.raises(StoreError, match="is read-only"):
        open_store(f"{postgres_url}?options=-c%20default_transaction_read_only%3Don")


def test_a_server_without_the_right_to_make_tables(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url) as owner:
        owner.execute("create schema locked")
        owner.execute("grant usage on schema locked to pg_read_all_data")
    options = "-c%20search_path%3Dlocked%20-c%20role%3Dpg_read_all_data"
    with pytest.raises(StoreError, match="does not give this user the rights needed"):
        open_store(f"{postgres_url}?options={options}")


def test_a_connection_that_the_server_dropped_is_replaced(postgres_url: str) -> None:
    import psycopg

    with open_store(postgres_url) as store:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'tieout' and datname = current_database()"
            )
        with store.read() as connection:
            assert connection.execute(select(meta.c.name)).all() == [("installation",)]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("tieout.db", "not a database URL"),
        ("", "not a database URL"),
        ("mysql://root:hush@localhost/x", "cannot be 'mysql'"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("postgresql://u:hush@host:port/x", "not a database URL"),
    ],
)
def test_urls_that_are_none(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_store(url)
    assert "hush" not in str(caught.value)


def test_the_server_s_clock_is_shared(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(postgres_url) as store, store.read() as connection:
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert store.clock(connection) > 1.7e9
