"""Attachments: every file exactly once, whatever fails on the way and however often it is done again."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, refused, session
from tieout.errors import (
    AttachmentError,
    ConfigurationError,
    NotFoundError,
    OutcomeUnknownError,
    ReplyError,
    TieoutError,
)
from tieout.rest.attachments import Attached, attach, attached_files, container_id, remove_file
from tieout.rest.call import Reply, Request
from tieout.rest.desk import Desk
from tieout.rest.effects import NoAnswer
from tieout.rest.memory import ProcessMemory

FOLDERS, ATTACHMENTS, BILLS = "company-config/folder", "company-config/attachment", "accounts-payable/bill"


class Cabinet:
    """Bills, folders and attachments as REST reference 7.5 has them, with keys remembered as in 7.6. From its n-th
    request on it can refuse, fall silent, or lose its answers."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, dict[str, Any]]] = {FOLDERS: {}, ATTACHMENTS: {}, BILLS: {}}
        self.held[BILLS]["194"] = {"key": "194", "id": "194", "attachment": {"key": None, "id": None}}
        self.remembered: dict[str, Reply] = {}
        self.requests: list[tuple[str, str]] = []
        self.trouble: tuple[int, str] | None = None
        self.last = 0

    def __call__(self, request: Request) -> Reply:
        path = request.url.rpartition("/ia/api/v1")[2]
        key = request.headers.get("Idempotency-Key", "")
        if key not in self.remembered or not key:
            self.requests.append((request.method, path))
        begun, kind = self.trouble or (1_000_000, "")
        hit = len(self.requests) > begun
        if hit and kind == "refuses":
            return refused(422, "X-1", "not today")
        if hit and kind == "is silent":
            raise NoAnswer("silence", sent=True)
        reply = self.remembered.get(key) or self._answer(request.method, path, json.loads(request.body or b"null"))
        if key:
            self.remembered[key] = reply
        if hit:
            raise NoAnswer("silence", sent=True)
        return reply

    def _answer(self, method: str, path: str, body: Any) -> Reply:
        if path == "/services/core/query":
            wanted = body["filters"][0]["$eq"]["id"]
            rows = [{"key": r["key"]} for r in self.held[body["object"]].values() if r["id"] == wanted]
            return json_reply(200, json.dumps({"ia::result": rows, "ia::meta": {"totalCount": len(rows)}}))
        object, _, key = path.removeprefix("/objects/").partition("/")[2].partition("/")
        name = path.split("/")[2] + "/" + object
        if method == "GET":
            record = self.held[name].get(key)
            return json_reply(200, json.dumps({"ia::result": record})) if record else refused(404, "X-404")
        if method == "POST":
            return self._made(name, body)
        record = self.held[name][key]
        for item in body.pop("files", []):
            self._file(record, item)
        if "attachment" in body:
            (found,) = [r for r in self.held[ATTACHMENTS].values() if r["id"] == body["attachment"]["id"]]
            body["attachment"] = {"key": found["key"], "id": found["id"]}
        record.update(body)
        return self._reference(record)

    def _made(self, name: str, body: dict[str, Any]) -> Reply:
        if any(record["id"] == body["id"] for record in self.held[name].values()):
            return refused(422, "X-2", "Another record with the value already exists")
        if name == ATTACHMENTS:
            assert body["folder"]["id"] in [record["id"] for record in self.held[FOLDERS].values()]
        record = {**body, "key": self._next(), "files": []}
        self.held[name][record["key"]] = record
        for item in body.get("files", []):
            self._file(record, item)
        return self._reference(record)

    def _file(self, record: dict[str, Any], item: dict[str, Any]) -> None:
        if item.get("ia::operation") == "delete":
            record["files"] = [file for file in record["files"] if file["key"] != item["key"]]
        else:
            size = len(base64.b64decode(item["data"], validate=True))
            record["files"].append({**item, "key": self._next(), "size": size})

    def _next(self) -> str:
        self.last += 1
        return str(self.last)

    def _reference(self, record: dict[str, Any]) -> Reply:
        named = {"key": record["key"], "id": record["id"]}
        return json_reply(201, json.dumps({"ia::result": named}))

    @property
    def files(self) -> list[tuple[str, bytes]]:
        return [
            (file["name"], base64.b64decode(file["data"]))
            for record in self.held[ATTACHMENTS].values()
            for file in record["files"]
        ]


def perform(cabinet: Cabinet, exchange: Any) -> Any:
    world = World(*[cabinet] * 200)
    return world.run(exchange(Desk(session=session(world), memory=ProcessMemory())))


def put(cabinet: Cabinet, files: Any, **options: Any) -> Attached:
    return perform(cabinet, lambda desk: attach(desk, "bills", "194", files, **({"folder": "Receipts"} | options)))


ONE, TWO = ("a.pdf", b"first"), ("b.pdf", b"second\x00\xff")


def test_the_first_file_makes_the_attachment_and_the_others_follow_one_by_one() -> None:
    cabinet = Cabinet()
    done = put(cabinet, [ONE, TWO])
    assert cabinet.requests == [
        ("GET", "/objects/accounts-payable/bill/194"),
        ("POST", "/services/core/query"),
        ("POST", "/services/core/query"),
        ("POST", "/objects/company-config/folder"),
        ("POST", "/objects/company-config/attachment"),
        ("PATCH", f"/objects/company-config/attachment/{done.key}"),
        ("PATCH", "/objects/accounts-payable/bill/194"),
    ]
    assert cabinet.files == [ONE, TWO]
    assert cabinet.held[BILLS]["194"]["attachment"] == {"key": done.key, "id": "ap-bill-194"}
    assert (done.id, done.added, done.present) == ("ap-bill-194", ("a.pdf", "b.pdf"), ())
    assert cabinet.held[ATTACHMENTS][done.key]["folder"] == {"id": "Receipts"}


def test_a_second_time_adds_only_what_is_new_and_makes_no_second_folder() -> None:
    cabinet = Cabinet()
    put(cabinet, [ONE])
    done = put(cabinet, [ONE, TWO, ("a.pdf", b"another file of the same name")])
    assert (done.added, done.present) == (("b.pdf", "a.pdf"), ("a.pdf",))
    assert cabinet.files == [ONE, TWO, ("a.pdf", b"another file of the same name")]
    assert len(cabinet.held[FOLDERS]) == len(cabinet.held[ATTACHMENTS]) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "ü.txt"]), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
    ),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["refuses", "is silent", "loses answers"])), max_size=3),
)
def test_however_often_it_stops_and_is_done_again_every_file_is_there_once(
    files: list[tuple[str, bytes]], troubles: list[tuple[int, str]]
) -> None:
    cabinet = Cabinet()
    for begun, kind in troubles:
        cabinet.requests.clear()
        cabinet.trouble = (begun, kind)
        stopped: AttachmentError | None = None
        try:
            put(cabinet, files)
        except AttachmentError as error:
            stopped = error
        except TieoutError:
            pass
        if stopped is not None:
            assert set(stopped.added) <= {name for name, _ in cabinet.files}
            assert stopped.key is None or stopped.key in cabinet.held[ATTACHMENTS]
            assert stopped.__cause__ is stopped.cause
    cabinet.trouble = None
    done = put(cabinet, files)
    assert sorted(cabinet.files) == sorted(set(files))
    assert cabinet.held[BILLS]["194"]["attachment"]["key"] == done.key
    assert len(cabinet.held[FOLDERS]) == len(cabinet.held[ATTACHMENTS]) == 1


def test_a_failure_on_the_way_says_what_is_there_and_what_is_missing() -> None:
    cabinet = Cabinet()
    cabinet.trouble = (5, "refuses")
    with pytest.raises(AttachmentError) as caught:
        put(cabinet, [ONE, TWO, ("c.pdf", b"3")])
    error = caught.value
    assert (error.id, error.added, error.missing) == ("ap-bill-194", ("a.pdf",), ("b.pdf", "c.pdf"))
    assert error.key in cabinet.held[ATTACHMENTS]
    assert "holds a.pdf" in error.advice
    cabinet = Cabinet()
    cabinet.trouble = (4, "loses answers")
    with pytest.raises(AttachmentError) as caught:
        put(cabinet, [ONE])
    assert isinstance(caught.value.cause, OutcomeUnknownError)
    assert caught.value.key is None


def test_a_folder_that_somebody_made_in_the_meantime_is_used() -> None:
    cabinet = Cabinet()
    cabinet.held[FOLDERS]["1"] = {"key": "1", "id": "Receipts"}
    looked = []
    answer = cabinet._answer

    def late(method: str, path: str, body: Any) -> Reply:
        if path.endswith("query") and body["object"] == FOLDERS and not looked:
            looked.append(path)
            return json_reply(200, '{"ia::result":[],"ia::meta":{"totalCount":0}}')
        return answer(method, path, body)

    cabinet._answer = late  # type: ignore[method-assign]  # another program makes the folder after the look
    put(cabinet, [ONE])
    assert cabinet.files == [ONE]
    assert list(cabinet.held[FOLDERS]) == ["1"]


def test_a_record_that_is_not_there_leaves_nothing_behind() -> None:
    cabinet = Cabinet()
    with pytest.raises(NotFoundError):
        perform(cabinet, lambda desk: attach(desk, "bills", "195", [ONE], folder="Receipts"))
    assert not cabinet.files
    assert not cabinet.held[FOLDERS]


def test_files_come_back_and_one_can_be_taken_away() -> None:
    cabinet = Cabinet()
    done = put(cabinet, [ONE, TWO])
    found = perform(cabinet, lambda desk: attached_files(desk, "bills", "194"))
    assert [(file.name, file.data, file.size) for file in found] == [("a.pdf", b"first", 5), ("b.pdf", TWO[1], 8)]
    assert "first" not in repr(found)
    perform(cabinet, lambda desk: remove_file(desk, "bills", 194, found[0]))
    assert cabinet.files == [TWO]
    perform(cabinet, lambda desk: remove_file(desk, "attachments", done.key, found[1].key))
    assert cabinet.files == []


def test_a_record_without_files_has_none() -> None:
    cabinet = Cabinet()
    assert perform(cabinet, lambda desk: attached_files(desk, "bills", "194")) == []
    with pytest.raises(ConfigurationError, match="no files"):
        perform(cabinet, lambda desk: remove_file(desk, "bills", "194", "7"))


def test_paths_are_read_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "résumé 1.txt").write_bytes(b"\x00\x01")
    cabinet = Cabinet()
    put(cabinet, [tmp_path / "résumé 1.txt", str(tmp_path / "résumé 1.txt")])
    assert cabinet.files == [("résumé 1.txt", b"\x00\x01")]


def odd_files(tmp_path: Path) -> list[Any]:
    (tmp_path / "empty").write_bytes(b"")
    odd: list[Any] = [[], ["no/such/file"], [tmp_path], [tmp_path / "empty"], [b"bytes"], [("a", "text")], [7], "a.pdf"]
    odd += [[("", b"x")], [("a/b", b"x")], [("a\nb", b"x")], [("\udcff", b"x")], ["a\0b"], ("a.pdf", b"x"), None]
    return odd


def test_what_cannot_be_attached_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    for odd in odd_files(tmp_path):
        cabinet = Cabinet()
        with pytest.raises(ConfigurationError):
            put(cabinet, odd)
        assert not cabinet.requests


def test_a_name_that_is_not_unicode_says_how_to_give_the_file(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    try:
        with open(path, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    with pytest.raises(ConfigurationError, match="not Unicode") as caught:
        put(Cabinet(), [os.fsdecode(path)])
    str(caught.value).encode()


def test_objects_that_take_no_files_say_so() -> None:
    cabinet = Cabinet()
    with pytest.raises(ConfigurationError, match="attached to a record"):
        perform(cabinet, lambda desk: attach(desk, "attachments", "7", [ONE], folder="Receipts"))
    cabinet.held["company-config/department"] = {"1": {"key": "1"}}
    with pytest.raises(ConfigurationError, match="takes no attachment"):
        perform(cabinet, lambda desk: attach(desk, "departments", "1", [ONE], folder="Receipts"))


@pytest.mark.parametrize(
    "files", ['"text"', '[{"name":"a"}]', '["a"]', '[{"key":"1","name":"a","data":"%%"}]', '[{"key":"1","data":"YQ"}]']
)
def test_an_attachment_of_another_shape_is_a_typed_error(files: str) -> None:
    world = World(json_reply(200, f'{{"ia::result":{{"key":"7","files":{files}}}}}'))
    with pytest.raises(ReplyError):
        world.run(attached_files(Desk(session=session(world), memory=ProcessMemory()), "attachments", "7"))


def test_files_whose_content_is_not_sent_are_known_by_size() -> None:
    item = {"key": "1", "name": "a.pdf", "size": "5", "data": None}
    world = World(json_reply(200, json.dumps({"ia::result": {"key": "7", "files": [item]}})))
    (file,) = world.run(attached_files(Desk(session=session(world), memory=ProcessMemory()), "attachments", "7"))
    assert (file.size, file.data) == (5, None)


def test_the_same_record_always_gets_the_same_id() -> None:
    assert container_id(BILLS, "194") == "ap-bill-194"
    assert container_id("accounts-receivable/payment", "5") != container_id("accounts-payable/payment", "5")
    assert container_id("order-entry/document::Sales Invoice", "9") == "oe-document-9"
    assert container_id("time/timesheet", "9") == "time-timesheet-9"
