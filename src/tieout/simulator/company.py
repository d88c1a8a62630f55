"""One simulated company: its data, its models, its users and its clock, behind one lock.

Everything the shell may ask of it is here. Knows no HTTP, tokens, batches or idempotency.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.catalogue import load as documented_model
from tieout.catalogue import names
from tieout.catalogue.index import documented
from tieout.catalogue.model import Model
from tieout.simulator import audit_history, census, functions, moves, permissions, visibility
from tieout.simulator.behaviour import Settings
from tieout.simulator.clock import Clock
from tieout.simulator.identity import DEMO_PASSWORD, EntityRef, Status, User, Who
from tieout.simulator.loading import Loader
from tieout.simulator.moves import Mover
from tieout.simulator.payload import object_name
from tieout.simulator.records import Reader
from tieout.simulator.refusal import Refusal
from tieout.simulator.select import QueryAnswer, Selector
from tieout.simulator.tables import Tables, path_of
from tieout.simulator.values import KEY
from tieout.simulator.writing import USER, Writer

if TYPE_CHECKING:
    from tieout.simulator.reports import Made

__all__ = ["Company", "QueryAnswer", "User", "Who"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS "ia::model" (object TEXT PRIMARY KEY, definition BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS "ia::user" (id TEXT PRIMARY KEY, definition BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS "ia::fact" (object TEXT, path TEXT, fact TEXT, PRIMARY KEY (object, path, fact));
CREATE TABLE IF NOT EXISTS "ia::key" (object TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS "ia::memory" (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""


class Company:
    """A company in memory, or in a file (SQLite, WAL, mode 0600) that survives restarts. Threads may share it.

    sqlite3.Error when the file cannot be opened, is no database, or another process has it open."""

    def __init__(
        self, name: str, path: Path | None = None, clock: Clock | None = None, settings: Settings | None = None
    ) -> None:
        self.name = name
        self.settings = Settings(parent=settings)
        """What this company chose; what it did not choose is the server's."""
        self.path = path
        self.clock = clock if clock is not None else Clock()
        self._lock = threading.RLock()
        self._depth = 0
        self._models: dict[str, Model] = {}
        self._users: dict[str, User] = {}
        self.reports: dict[str, Made] = {}
        """What was run in the report service, by id: kept apart from the records."""
        self._db = _connect(path)
        functions.register(self._db)
        self._furnish()

    def _furnish(self) -> None:
        """Everything that is known of the database, anew."""
        self._recollect()
        self._tables = Tables(self._db, self.find_model)
        self._tables.now = self.clock.now
        self._tables.today = lambda: self.clock.now().date().isoformat()
        self._selector = Selector(self._tables, self.find_model, self.settings)
        self._reader = Reader(self._tables, self.find_model)
        self._writer = Writer(self._db, self._tables, self.find_model, self.clock, self.settings)
        self._mover = Mover(self._writer, self.settings)

    def _recollect(self) -> None:
        """Read the models and users that the database holds."""
        models = [
            msgspec.json.decode(row[0], type=Model) for row in self._db.execute('SELECT definition FROM "ia::model"')
        ]
        users = [
            msgspec.json.decode(row[0], type=User) for row in self._db.execute('SELECT definition FROM "ia::user"')
        ]
        self._models = {model.name: model for model in models}
        self._users = {user.id: user for user in users}

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def contents(self) -> bytes:
        """All of it, as an SQLite database; `replace` takes it."""
        with self._lock:
            data = self._db.serialize()
        return data[:18] + b"\x01\x01" + data[20:]  # not marked as WAL: that would need a file to be opened

    def replace(self, contents: bytes) -> None:
        """Another company's contents, or this one's of another time, in place of all that is here."""
        with self._lock, contextlib.closing(sqlite3.connect(":memory:")) as other:
            other.deserialize(contents)
            other.backup(self._db)
            self._furnish()

    @contextmanager
    def atomically(self) -> Iterator[None]:
        """A savepoint: what happens inside is undone when it raises. Nests; holds the company's lock meanwhile."""
        with self._lock:
            name = f"s{self._depth}"
            self._db.execute(f"SAVEPOINT {name}")
            self._depth += 1
            before = self._tables.undoable
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk ends the whole transaction by itself
                    self._db.execute(f"ROLLBACK TO {name}")
                    self._db.execute(f"RELEASE {name}")
                if self._tables.undone(before):
                    self._recollect()
                raise
            else:
                self._db.execute(f"RELEASE {name}")
            finally:
                self._depth -= 1

    # ---- models -----------------------------------------------------------------------------------------------

    def find_model(self, object: str) -> Model | None:
        """The company's own model, else the documented one, else None."""
        own = self._models.get(object)
        if own is not None:
            return own
        return documented_model(object) if documented(object) in _names() else None

    def model(self, object: str) -> Model:
        """Refusal for a name that is no object here."""
        found = self.find_model(object)
        if found is None:
            raise Refusal.unknown_object(object)
        return found

    def set_model(self, model: Model) -> None:
        """The company's own definition of an object, such as a recorded one; goes before the catalogue's.

        What a create must hold is kept from the catalogue, as a live model cannot tell (REST reference 9.2)."""
        with self.atomically():
            before = self.find_model(model.name)
            if not model.required and before is not None and before.required:
                model = msgspec.structs.replace(model, required=before.required)
            self._models[model.name] = model
            self._db.execute(
                'INSERT OR REPLACE INTO "ia::model" VALUES (?, ?)', (model.name, msgspec.json.encode(model))
            )
            self._tables.undoable += 1
            self._tables.remodel(model.name, before)

    def own_models(self) -> tuple[str, ...]:
        """Names of the objects whose model is the company's own."""
        return tuple(sorted(self._models))

    def objects_in_use(self) -> tuple[str, ...]:
        """Names of the objects that have a table, sorted."""
        with self._lock:
            return self._tables.objects()

    # ---- users ------------------------------------------------------------------------------------------------

    @property
    def users(self) -> Mapping[str, User]:
        """Everyone who can sign in, by user id."""
        return self._users

    def add_user(
        self,
        user_id: str,
        *,
        entities: tuple[str, ...] | None = None,
        password: str = DEMO_PASSWORD,
        admin: bool = False,
    ) -> User:
        """A user who can sign in; `entities` are the ids that it may enter, None for all. The record
        `company-config/user` is made unless one with the id is there."""
        with self.atomically():
            table = self._tables.get(USER)
            sql = f"SELECT {table.columns['key'].sql} FROM {table.sql} WHERE {table.columns['id'].sql} = ?"
            rows = self._tables.rows(sql, [user_id])
            if not rows:
                Loader(self._db, self._tables).load(USER, [{"id": user_id, "userName": user_id, "status": "active"}])
                rows = self._tables.rows(sql, [user_id])
            user = User(key=str(rows[0][0]), id=user_id, password=password, entities=entities, admin=admin)
            self.set_user(user)
            return user

    def set_user(self, user: User) -> None:
        """Put a user who is there in the place of itself, with other rights."""
        with self.atomically():
            self._users[user.id] = user
            self._tables.undoable += 1
            self._db.execute('INSERT OR REPLACE INTO "ia::user" VALUES (?, ?)', (user.id, msgspec.json.encode(user)))

    def user_status(self, user_id: str) -> str:
        """`status` of the user's record, `active` where it has none: only an active user signs in."""
        with self._lock:
            table = self._tables.get(USER)
            status, id_ = (table.columns[path].sql for path in ("status", "id"))
            rows = self._tables.rows(f"SELECT {status} FROM {table.sql} WHERE {id_} = ?", [user_id])
        return str(rows[0][0]) if rows and rows[0][0] else "active"

    def set_user_status(self, user_id: str, status: Status) -> None:
        """As an administrator does it on the user's page; the record's own rules are not asked."""
        with self.atomically():
            table = self._tables.get(USER)
            column, id_ = (table.columns[path].sql for path in ("status", "id"))
            self._db.execute(f"UPDATE {table.sql} SET {column} = ? WHERE {id_} = ?", (status, user_id))
            self._tables.changed(USER)

    def who(self, user_id: str, entity_id: str | None = None) -> Who:
        """The identity of a request. For an entity that is not there or not the user's Refusal 403, or someone who may
        do nothing, as the switch `foreign_entity` says; KeyError for a user who is not there."""
        user = self._users[user_id]
        entity = None
        if entity_id:
            entity = self.entity(entity_id)
            if entity is None or (user.entities is not None and entity_id not in user.entities):
                without = self.settings.word("foreign_entity")
                if without == "forbidden":
                    raise Refusal.forbidden_entity(user_id, entity_id)
                return Who(user_key=user.key, user_id=user.id, permissions={}, without=without)
        return Who(
            user_key=user.key,
            user_id=user.id,
            entity=entity,
            allowed_entities=user.entities,
            permissions=user.permissions,
            without=self.settings.word("no_permission"),
        )

    def entity(self, entity_id: str) -> EntityRef | None:
        """The location entity with this id."""
        with self._lock:
            table = self._tables.existing(visibility.ENTITY)
            if table is None:
                return None
            columns = ", ".join(table.columns[path].sql for path in ("key", "id", "name"))
            sql = f"SELECT {columns} FROM {table.sql} WHERE {table.columns['id'].sql} = ?"
            rows = self._tables.rows(sql, [entity_id])
        return EntityRef(key=str(rows[0][0]), id=rows[0][1], name=rows[0][2]) if rows else None

    # ---- reading ----------------------------------------------------------------------------------------------

    def query(self, payload: object, who: Who) -> QueryAnswer:
        """One page of the query service (REST reference 5)."""
        return self._page(payload, who, "query")

    def _page(self, payload: object, who: Who, operation: str) -> QueryAnswer:
        object = object_name(payload)
        if object == audit_history.OBJECT and self.settings.word("audit_history") == "forbidden":
            raise Refusal.forbidden_operation(who.user_id, operation, object)
        hidden = permissions.hides(who, object, operation)
        with self._lock:
            answer = self._selector.query(payload, who, self.clock.now().date())
        return msgspec.structs.replace(answer, rows=[], total=0) if hidden else answer

    def list(self, object: str, who: Who, start: int = 1, size: int = 100) -> QueryAnswer:
        """References only: key, id and href (REST reference 4.1)."""
        fields = [name for name in ("key", "id") if name in self.model(object).fields]
        answer = self._page({"object": object, "fields": fields, "start": start, "size": size}, who, "list")
        for row in answer.rows:
            row["href"] = f"/objects/{path_of(object)}/{row['key']}"
        return answer

    def has(self, object: str, key: str) -> bool:
        """Whether there is a record, whoever may see it."""
        with self._lock:
            table = self._tables.get(object)
            sql = f"SELECT 1 FROM {table.sql} WHERE {table.columns['key'].sql} = ?"
            return bool(self._tables.rows(sql, [KEY.encoder()(key)]))

    def read(self, object: str, key: str, who: Who) -> dict[str, Any]:
        """The full record with its lines; Refusal 404. At top level private records can be read by key (INFERRED)."""
        with self._lock:
            self.model(object)
            table = self._tables.get(object)
            where, values = f"t.{table.columns['key'].sql} = ?", [KEY.encoder()(key)]
            seen = visibility.condition(self._tables, table, who, private=True)
            if seen is not None:
                where, values = f"{where} AND {seen[0]}", values + seen[1]
            found = self._reader.records(table, where, values)
        if not found or permissions.hides(who, object, "read"):
            raise Refusal.not_found(object, key)
        return found[0]

    # ---- writing ----------------------------------------------------------------------------------------------

    def create(self, object: str, body: Mapping[str, Any], who: Who) -> dict[str, str]:
        """`key`, `id` and `href` of the new record; Refusal 400 or 422 (REST reference 4.4)."""
        with self.atomically():
            self.model(object)
            permissions.hides(who, object, "create")
            return self._writer.create(object, body, who)

    def update(self, object: str, key: str, changes: Mapping[str, Any], who: Who) -> dict[str, str]:
        """What is not named stays, null clears; lines as in REST reference 4.5. Refusal 400, 404 or 422."""
        with self.atomically():
            self.model(object)
            permissions.hides(who, object, "update")
            return self._writer.update(object, key, changes, who)

    def delete(self, object: str, key: str, who: Who) -> None:
        """With its lines; Refusal 404."""
        with self.atomically():
            self.model(object)
            permissions.hides(who, object, "delete")
            written = self.settings.word("audit_history") == "written" and self.has(object, key)
            id = str(self.read(object, key, who).get("id") or key) if written else ""
            self._writer.delete(object, key, who)
            if written:
                entry = audit_history.deletion(object, id, who.user_id, self.clock.now())
                Loader(self._db, self._tables).load(audit_history.OBJECT, [entry])

    def has_action(self, object: str, word: str) -> bool:
        """Whether Sage documents this workflow action."""
        return moves.documented(object, word, self.find_model(object))

    def act(self, object: str, word: str, body: Mapping[str, Any], who: Who) -> dict[str, Any]:
        """Carry out a workflow action: `key`, `id`, `href`, `state` (REST reference 4.8). Refusal 400, 404 or 422."""
        with self.atomically():
            permissions.hides(who, object, "update")
            return self._mover.act(object, word, body, who)

    def next_number(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The next value of a document sequence, `{id | key[, fiscalYear]}`. Refusal 400, 404 or 422."""
        with self.atomically():
            return self._writer.sequences.generate(asked)

    def load(self, object: str, records: Iterable[Mapping[str, Any]]) -> int:
        """Trusted bulk insert of nested records; returns how many. Nothing is checked but the names (ValueError).

        Keys are given or assigned, fields not given are null, lists of owned objects become rows of their own.
        A record with a key that is there already takes its place. Values come back exactly as they are given here."""
        with self.atomically():
            self.model(object)
            return Loader(self._db, self._tables).load(object, records)

    # ---- memory -----------------------------------------------------------------------------------------------

    def recall(self, name: str) -> bytes | None:
        """A small thing that the shell keeps with the company, such as its signing key."""
        with self._lock:
            row = self._db.execute('SELECT value FROM "ia::memory" WHERE name = ?', (name,)).fetchone()
        return bytes(row[0]) if row else None

    def recall_all(self, prefix: str) -> tuple[bytes, ...]:
        """Everything remembered under names that begin so."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        with self._lock:
            sql = 'SELECT value FROM "ia::memory" WHERE name >= ? AND name < ? ORDER BY name'
            return tuple(bytes(row[0]) for row in self._db.execute(sql, (prefix, end)))

    def remember(self, name: str, value: bytes) -> None:
        with self.atomically():
            self._db.execute('INSERT OR REPLACE INTO "ia::memory" VALUES (?, ?)', (name, value))


def _connect(path: Path | None) -> sqlite3.Connection:
    """Memory, or a file that this process has to itself: keys, counts and facts are kept in memory beside it."""
    if path is not None:
        path.touch(mode=0o600)
    db = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=1,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        if path is not None:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and "ia::memory" not in tables:
                raise sqlite3.DatabaseError("it holds other tables")
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
        db.execute("PRAGMA recursive_triggers=ON")  # else a replaced row would not be taken off the census
        db.executescript(_SCHEMA + census.SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


@cache
def _names() -> frozenset[str]:
    return frozenset(names())
