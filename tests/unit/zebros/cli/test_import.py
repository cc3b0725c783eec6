"""`zebros import` uploads a file, waits for its import, and saves the rejected lines."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from zebros import cli
from zebros.cli import task_runs
from zebros.client.api import Client, StaticToken
from zebros.client.connection import Connection

LINES = b'{"name": "Acme", "external_ids": {"erp": "1"}}\n{"name": ""}\n'
PROBLEM = {
    "type": "urn:zebros:problem:validation",
    "title": "Validation failed",
    "status": 422,
    "detail": "1 field is not valid.",
    "errors": [{"field": "name", "message": "must have 1 to 200 characters"}],
}
REJECTED = json.dumps({"line": 2, "problem": PROBLEM, "record": {"name": ""}}).encode() + b"\n"


class Imports:
    """An API that imports one file in a few polls, and a store of files."""

    def __init__(self, *statuses: str, rejected: int = 0, **result: Any) -> None:
        self.statuses, self.rejected, self.result = list(statuses), rejected, result
        self.asked: list[tuple[str, str, Any]] = []
        self.uploaded: list[tuple[bytes, httpx.Headers]] = []
        self.on_poll: Callable[[], None] = lambda: None

    def api(self, request: httpx.Request) -> httpx.Response:
        body: Any = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        if request.url.path == "/imports/uploads":
            headers = {"Content-Length": str(body["size_bytes"])}
            upload = {"upload_id": "U1", "url": "https://files.test/u", "headers": headers}
            return httpx.Response(201, json=upload)
        if request.url.path == "/imports":
            return httpx.Response(202, json={"id": "I1", "status": "pending"})
        if request.url.path.endswith("/cancel"):
            return httpx.Response(200, json={"id": "I1", "status": "cancelled"})
        self.on_poll()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        run = {"id": "I1", "status": status, "progress": 40, "parameters": {"dry_run": False}}
        if status == "completed":
            counts = {"lines": 1200, "created": 1000, "updated": 150, "unchanged": 50}
            run |= {"outcome": counts | {"rejected": self.rejected}}
            run |= {"rejected_url": "https://files.test/r"} if self.rejected else {}
        return httpx.Response(200, json=run | self.result)

    def put(self, url: str, *, content: Any, headers: dict[str, str], **_: Any) -> httpx.Response:
        assert url == "https://files.test/u"
        self.uploaded.append((b"".join(content), httpx.Headers(headers)))
        return httpx.Response(200)

    def download(self, _client: Client, url: str, target: Path) -> int:
        assert url == "https://files.test/r"
        return target.write_bytes(REJECTED)


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Imports]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(task_runs, "_FIRST_POLL_S", 0.0)
    (tmp_path / "a.jsonl").write_bytes(LINES)

    def start(*statuses: str, **options: Any) -> Imports:
        made = Imports(*statuses, **options)

        def client(_self: Connection, **_: Any) -> Client:
            transport = httpx.MockTransport(made.api)
            return Client("http://crm.test", StaticToken("t"), transport=transport)

        monkeypatch.setattr(Connection, "client", client)
        monkeypatch.setattr(httpx, "put", made.put)
        monkeypatch.setattr(Client, "download", lambda *words: made.download(*words))
        return made

    return start


def test_a_file_is_uploaded_and_imported(
    crm: Callable[..., Imports], capsys: pytest.CaptureFixture[str]
) -> None:
    made = crm("pending", "processing", "completed")
    assert cli.main(["import", "accounts", "a.jsonl"]) == 0
    assert made.uploaded == [(LINES, httpx.Headers({"Content-Length": str(len(LINES))}))]
    assert "Authorization" not in made.uploaded[0][1], "the link needs no token"
    assert [one for one in made.asked if one[0] == "POST"] == [
        ("POST", "/imports/uploads", {"size_bytes": len(LINES)}),
        ("POST", "/imports", {"upload_id": "U1", "record_type": "accounts"}),
    ]
    caught = capsys.readouterr()
    assert caught.out.splitlines()[1].split() == ["1,200", "1,000", "150", "50", "0"]
    assert "Import I1, " in caught.err


def test_options_are_sent_and_a_compressed_file_as_it_is(crm: Callable[..., Imports]) -> None:
    made = crm("completed")
    Path("c.jsonl.gz").write_bytes(packed := gzip.compress(LINES))
    assert cli.main(["import", "contacts", "c.jsonl.gz", "--match-by", "email", "--dry-run"]) == 0
    assert made.uploaded[0][0] == packed
    assert made.asked[1][2] == {
        "upload_id": "U1",
        "record_type": "contacts",
        "match_by": "email",
        "dry_run": True,
    }


def test_rejected_lines_are_saved_and_listed(
    crm: Callable[..., Imports], capsys: pytest.CaptureFixture[str]
) -> None:
    crm("completed", rejected=1)
    assert cli.main(["import", "accounts", "a.jsonl"]) == 3
    assert Path("a.jsonl.rejected.jsonl").read_bytes() == REJECTED
    caught = capsys.readouterr()
    assert caught.out.splitlines()[-1].split(maxsplit=1) == [
        "2",
        "name: must have 1 to 200 characters",
    ]
    assert "1 line is in a.jsonl.rejected.jsonl with the reason." in caught.err
    assert cli.main(["--json", "import", "accounts", "a.jsonl", "--rejects", "r.jsonl"]) == 3
    assert json.loads(capsys.readouterr().out)["rejected_file"] == "r.jsonl"
    assert Path("r.jsonl").read_bytes() == REJECTED


def test_with_detach_only_the_id_is_printed(
    crm: Callable[..., Imports], capsys: pytest.CaptureFixture[str]
) -> None:
    made = crm("processing")
    assert cli.main(["import", "accounts", "a.jsonl", "--detach"]) == 0
    caught = capsys.readouterr()
    assert caught.out == "I1\n"
    assert "`zebros api GET /imports/I1` shows its progress." in caught.err
    assert [path for _, path, _ in made.asked] == ["/imports/uploads", "/imports"]


def test_a_failed_import_has_a_reason_and_a_trace(
    crm: Callable[..., Imports], capsys: pytest.CaptureFixture[str]
) -> None:
    crm("failed", reason="The file is gone.")
    assert cli.main(["import", "accounts", "a.jsonl"]) == 1
    caught = capsys.readouterr().err
    assert "Import I1 failed: The file is gone.\n" in caught
    assert "zebros events trace import/I1" in caught


def test_ctrl_c_cancels_the_import(
    crm: Callable[..., Imports], capsys: pytest.CaptureFixture[str]
) -> None:
    made = crm("processing")

    def press() -> None:
        raise KeyboardInterrupt

    made.on_poll = press
    assert cli.main(["import", "accounts", "a.jsonl"]) == 130
    assert ("POST", "/imports/I1/cancel", None) in made.asked
    assert capsys.readouterr().err.endswith("zebros: Import I1 was cancelled.\n")


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (None, "accounts none.jsonl", "none.jsonl cannot be read: No such file or directory."),
        (None, "people a.jsonl", "people cannot be imported."),
        (b"", "accounts b.jsonl", "b.jsonl has no line with a record."),
        (b"\n \n", "accounts b.jsonl", "b.jsonl has no line with a record."),
        (b"name,kind\nA,b\n", "accounts b.jsonl", "does not have a JSON object on each line."),
        (b'[{"name": "A"}]', "accounts b.jsonl", "does not have a JSON object on each line."),
        (
            gzip.compress(b"a,b\n", mtime=0),
            "accounts b.jsonl",
            "does not have a JSON object on each line.",
        ),
        (
            gzip.compress(LINES, mtime=0)[:20],
            "accounts b.jsonl",
            "b.jsonl cannot be read: Compressed file",
        ),
        (None, "accounts a.jsonl --rejects a.jsonl", "a.jsonl would be overwritten"),
    ],
)
def test_wrong_input_is_rejected_before_anything_is_sent(
    crm: Callable[..., Imports],
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    words: str,
    message: str,
) -> None:
    made = crm("completed")
    if content is not None:
        Path("b.jsonl").write_bytes(content)
    assert cli.main(["import", *words.split()]) == 65
    assert message in capsys.readouterr().err
    assert (made.asked, made.uploaded) == ([], [])


def test_a_file_may_begin_with_blank_lines_and_a_byte_order_mark(
    crm: Callable[..., Imports],
) -> None:
    crm("completed")
    for content in (b"\n\n" + LINES, b"\xef\xbb\xbf" + LINES):
        Path("b.jsonl").write_bytes(content)
        assert cli.main(["import", "accounts", "b.jsonl"]) == 0
