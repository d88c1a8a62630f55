"""Files of attachments in a folder: which are fetched, what the table says of them, what is left alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tieout
from tieout import Intacct
from tieout.errors import ConfigurationError, StoreError, UnreachableError
from tieout.project import Project
from tieout.pull import PullReport, verify
from tieout.pull.files import A_COMMIT, MAX_FILE_NAME, safe_name
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.simulator import Simulator

Select = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Intacct]:
    with tieout.simulated(simulator=simulator) as client:
        yield client


def fetch(project: Project, client: Intacct, folder: str = "files") -> tuple[PullReport, PullReport]:
    """One pull of attachments -> the reports of their table and of their files."""
    (report,) = pull(project, objects=["attachments"], files=folder, source=Source(client, "demo"))
    return report, report.children[-1]


def attachment(client: Intacct, id: str, *files: tuple[str, bytes]) -> str:
    """A new attachment -> its key."""
    if not list(client.query("company-config/folder", fields=["key"], where="id = 'demo'")):
        client.create("company-config/folder", {"id": "demo"})
    entries = [{"name": name, "data": base64.b64encode(data).decode()} for name, data in files]
    return client.create("attachments", {"id": id, "name": id, "folder": {"id": "demo"}, "files": entries}).key


def on_disk(project: Project, folder: str = "files") -> dict[str, bytes]:
    root = project.root / folder
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_files_come_into_the_folder_and_the_table_says_which_is_where(
    client: Intacct, project: Project, select: Select
) -> None:
    key = attachment(client, "A1", ("invoice.pdf", b"one"), ("../../etc/pass wd", b"two" * 1000))
    _, files = fetch(project, client)
    found = on_disk(project)
    assert sorted(found.values()) == [b"one", b"two" * 1000]
    rows = select("SELECT attachment__key, name, size, sha256, path FROM attachment_file ORDER BY size")
    assert [row[:3] for row in rows] == [(key, "invoice.pdf", 3), (key, "../../etc/pass wd", 3000)]
    for *_, digest, path in rows:
        assert hashlib.sha256(found[path]).hexdigest() == digest
        assert path.startswith(f"{key}/")
        assert (project.root / "files" / path).stat().st_mode & 0o077 == 0
    assert (files.new, files.transactions, files.ties) == (2, 1, True)
    assert [(line.what, line.ties) for line in files.tie_out] == [("bytes fetched", True)]


def test_only_what_is_new_or_changed_is_fetched_again(client: Intacct, project: Project, simulator: Simulator) -> None:
    first, second = (attachment(client, f"A{n}", (f"{n}.txt", b"x" * n)) for n in (1, 2))
    simulator.clock.advance(3600)
    fetch(project, client)
    assert fetch(project, client)[1].transactions == 0
    path = next(iter((project.root / "files" / first).iterdir()))
    path.write_bytes(b"edited by hand")
    client.update("attachments", second, {"files": [{"name": "more.txt", "data": "bW9yZQ=="}]})
    _, files = fetch(project, client)
    assert (files.transactions, files.new, files.changed) == (1, 1, 1)
    assert path.read_bytes() == b"edited by hand"
    assert b"more" in on_disk(project).values()


def test_what_changed_just_before_a_pull_is_fetched_once_more_and_not_by_every_pull(
    client: Intacct, project: Project, simulator: Simulator
) -> None:
    simulator.clock.advance(3600)
    simulator.clock.freeze(simulator.clock.now())
    key = attachment(client, "A1", ("a.txt", b"a"))
    assert [fetch(project, client)[1].transactions for _ in range(3)] == [1, 0, 0]
    client.update("attachments", key, {"files": [{"name": "more.txt", "data": "bW9yZQ=="}]})  # under the same stamp
    assert fetch(project, client)[1].transactions == 0
    simulator.clock.advance(300)
    _, files = fetch(project, client)
    assert (files.transactions, files.new) == (1, 1)
    assert fetch(project, client)[1].transactions == 0


def test_files_and_attachments_that_are_gone_leave_the_table_and_stay_in_the_folder(
    client: Intacct, project: Project, simulator: Simulator, select: Select
) -> None:
    kept, removed = (attachment(client, f"A{n}", ("a.txt", b"a"), ("b.txt", b"b")) for n in (1, 2))
    fetch(project, client)
    simulator.clock.advance(3600)
    client.remove_file("attachments", kept, client.attached_files("attachments", kept)[0])
    client.delete("attachments", removed)
    pull(project, objects=["attachments"], full=True, source=Source(client, "demo"))
    _, files = fetch(project, client)
    assert select("SELECT attachment__key, name FROM attachment_file WHERE _tieout_deleted IS NULL") == [
        (kept, "b.txt")
    ]
    assert (files.deleted, files.missing) == (1, 2)
    assert len(on_disk(project)) == 4


def test_an_attachment_that_shows_up_late_under_an_old_stamp_is_fetched(
    client: Intacct, project: Project, simulator: Simulator
) -> None:
    attachment(client, "A1", ("a.txt", b"a"))
    simulator.clock.advance(3600)
    fetch(project, client)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("DELETE FROM attachment_file")  # as if it had not been there
    assert fetch(project, client)[1].transactions == 1
    assert fetch(project, client)[1].transactions == 0


def test_another_folder_gets_all_of_them(client: Intacct, project: Project) -> None:
    attachment(client, "A1", ("a.txt", b"a"))
    fetch(project, client)
    assert fetch(project, client, "elsewhere")[1].transactions == 1
    assert list(on_disk(project, "elsewhere").values()) == [b"a"]


def test_an_interrupted_run_goes_on_after_what_it_has(
    client: Intacct, project: Project, monkeypatch: pytest.MonkeyPatch, select: Select
) -> None:
    for n in range(A_COMMIT + 3):
        attachment(client, f"A{n}", ("a.txt", b"a"))
    real, asked = Intacct.attached_files, []

    def failing(self: Intacct, object: str, key: str | int) -> Any:
        asked.append(key)
        if len(asked) > A_COMMIT:
            raise UnreachableError("gone")
        return real(self, object, key)

    with monkeypatch.context() as broken:
        broken.setattr(Intacct, "attached_files", failing)
        with pytest.raises(UnreachableError):
            fetch(project, client)
    _, files = fetch(project, client)
    assert (files.resumed, files.transactions) == (True, 3)
    assert select("SELECT count(*) FROM attachment_file") == [(A_COMMIT + 3,)]
    assert len(on_disk(project)) == A_COMMIT + 3


def test_verify_counts_attachments_and_not_their_files(client: Intacct, project: Project) -> None:
    attachment(client, "A1", ("a.txt", b"a"), ("b.txt", b"b"))
    fetch(project, client)
    lines = verify(project, source=Source(client, "demo"))
    assert {(line.subject, line.ties) for line in lines} == {("company-config/attachment", True)}


def test_a_folder_that_cannot_be_written_is_named(client: Intacct, project: Project) -> None:
    attachment(client, "A1", ("a.txt", b"a"))
    (project.root / "files").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        fetch(project, client)


def test_files_of_what_has_none_are_refused(client: Intacct, project: Project) -> None:
    with pytest.raises(ConfigurationError, match="no attachments among what is pulled"):
        pull(project, objects=["vendors"], files="files", source=Source(client, "demo"))
    text = "[pull.v]\nobject = 'vendors'\nfiles = 'x'\n"
    section = Project(project.root, Path("tieout.toml"), text)
    with pytest.raises(ConfigurationError, match="has no files of its own"):
        pull(section, source=Source(client, "demo"))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_name_from_intacct_is_one_file_name(name: str) -> None:
    safe = safe_name(name)
    assert safe == Path(safe).name
    assert safe not in ("", ".", "..")
    assert not safe.startswith(".")
    assert len(safe.encode()) <= MAX_FILE_NAME
