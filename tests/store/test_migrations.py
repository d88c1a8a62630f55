"""State databases of earlier versions are brought up to date with what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from tieout.store import migrations, open_store
from tieout.store.access_tables import audit, connections, grants, owners, tokens
from tieout.store.engine import upgrade

GRANT = {
    "id": "g1", "environment": "production", "company": "Acme", "user_id": "ws", "client_id": "c",
    "base_url": "https://api.intacct.com/ia/api/v1", "kind": "client_credentials", "client_secret_sealed": b"s1",
    "created_at": "2026-01-01T00:00:00+00:00",
}  # fmt: skip
CONNECTION = {
    "id": "c1", "name": "us", "environment": "production", "company": "Acme", "user_id": "ws", "entity": "E110",
    "base_url": GRANT["base_url"], "simulator": False, "grant_id": "g1", "created_at": "2026-01-02T00:00:00+00:00",
}  # fmt: skip
TOKEN = {"grant_id": "g1", "level": "E110", "access_token_sealed": b"t1", "expires_at": 5.0, "version": 3}


@pytest.fixture
def template() -> str:
    """PostgreSQL databases begin without tables here: making them is what is tested."""
    return "template0"


def old_database(url: str, *rows: tuple[str, dict[str, object]]) -> None:
    """As it was before owners: schema 0005."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        upgrade(connection, "0005")
        for table, row in rows:
            names = ", ".join(row)
            connection.execute(text(f"insert into {table} ({names}) values ({', '.join(':' + n for n in row)})"), row)
    engine.dispose()


def test_connections_of_an_earlier_version_keep_everything(state_url: str) -> None:
    simulator = {"environment": "simulator", "base_url": "http://127.0.0.1:8765/ia/api/v1", "id": "g2"}
    refreshed = {"id": "g3", "user_id": "jane", "kind": "refresh_token", "refresh_token_sealed": b"r"}
    old_database(
        state_url,
        ("grants", GRANT),
        ("grants", GRANT | simulator),
        ("grants", GRANT | refreshed),
        ("tokens", TOKEN),
        ("connections", CONNECTION),
        ("connections", CONNECTION | {"id": "c2", "name": "demo", "grant_id": "g2", "environment": "simulator"}),
    )
    with open_store(state_url) as store, store.read() as connection:
        kept = {row.id: row for row in connection.execute(select(grants))}
        assert [kept[id].place for id in ("g1", "g2", "g3")] == ["", simulator["base_url"], ""]
        assert kept["g1"].client_secret_sealed == b"s1"
        assert (kept["g3"].kind, kept["g3"].refresh_token_sealed) == ("authorization_code", b"r")
        assert {(row.state, row.owner, row.company_key) for row in kept.values()} == {("active", "default", "acme")}
        assert tuple(connection.execute(select(tokens)).one()) == ("g1", "E110", b"t1", 5.0, None, 3)
        found = {row.id: row for row in connection.execute(select(connections))}
        assert (found["c1"].grant_id, found["c1"].entity, found["c1"].level) == ("g1", "E110", "")
        assert {(row.state, row.owner) for row in found.values()} == {("connected", "default")}


def test_grants_that_would_now_be_one_are_kept_apart(state_url: str) -> None:
    """The same user at a second address, and the same company in other letters: nobody loses a connection."""
    old_database(
        state_url,
        ("grants", GRANT),
        ("grants", GRANT | {"id": "g2", "base_url": "https://proxy.example/ia/api/v1"}),
        ("grants", GRANT | {"id": "g3", "company": "ACME"}),
    )
    with open_store(state_url) as store, store.read() as connection:
        assert len(set(connection.execute(select(grants.c.place)).scalars())) == 3


def living(**changed: object) -> dict[str, object]:
    row = GRANT | {
        "owner": "default", "company_key": "acme", "place": "", "version": 1, "state": "active", "reason": "",
        "error": "", "failures": 0, "granted_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return {name: value for name, value in row.items() if name != "created_at"} | changed


def test_a_second_living_grant_of_a_user_is_impossible_whoever_owns_it(state_url: str) -> None:
    with open_store(state_url) as store:
        with store.begin() as connection:
            connection.execute(owners.insert(), {"id": "other", "created_at": "2026-01-01T00:00:00+00:00"})
            connection.execute(grants.insert(), living(id="dead", state="dead"))
            connection.execute(grants.insert(), living())
        with pytest.raises(IntegrityError), store.begin() as connection:
            connection.execute(grants.insert(), living(id="g2", owner="other"))


@pytest.mark.parametrize("change", ["update audit set actor = 'x'", "delete from audit"])
def test_the_audit_log_cannot_be_changed(state_url: str, change: str) -> None:
    row = {"seq": 1, "time": "t", "owner": "o", "actor": "a", "what": "w", "subjects": "{}", "facts": "{}"}
    with open_store(state_url) as store:
        with store.begin() as connection:
            connection.execute(audit.insert(), row | {"previous": "", "hash": "h"})
        with pytest.raises(DatabaseError, match="append-only"), store.begin() as connection:
            connection.execute(text(change))
        with store.read() as connection:
            assert connection.execute(select(audit.c.actor)).scalars().all() == ["a"]


def test_an_old_file_opens(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}"
    old_database(url)
    with open_store(url) as store, store.read() as connection:
        assert connection.execute(select(owners.c.id)).scalars().all() == ["default"]


def test_a_new_file_is_what_the_migrations_make(tmp_path: Path) -> None:
    """scripts/build_snapshot.py writes anew what this compares."""

    def made(connection: Connection) -> tuple[set[Any], dict[str, int]]:
        sql = set(connection.execute(text("select type, name, tbl_name, sql from sqlite_master")).all())
        tables = [row.name for row in sql if row.type == "table"]
        return sql, {name: connection.execute(text(f"select count(*) from {name}")).scalar_one() for name in tables}

    results = []
    for steps in (migrations.lay_down, lambda connection: upgrade(connection, str(results[0][1]))):
        engine = create_engine("sqlite://")
        with engine.connect() as connection:
            reached = steps(connection)
            results.append((made(connection), reached))
        engine.dispose()
    assert results[0][0] == results[1][0]
    assert results[0][1] == migrations.known()[-1], "a migration is newer: run scripts/build_snapshot.py"
