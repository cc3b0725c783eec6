"""`zebros people reassign` gives everything of a person to another one, and says what failed."""

import json
from typing import Any

import httpx
import pytest

from zebros import cli
from zebros.client.api import Client, StaticToken
from zebros.client.connection import Connection

FAILED = {"index": 0, "id": "x", "status": 412, "problem": {"detail": "changed meanwhile"}}


class Records:
    """An API with some records of each type, of which one call gives away two."""

    def __init__(self, failing: str = "") -> None:
        self.left = {"/accounts": 5, "/contacts": 0, "/opportunities": 2, "/tasks": 1}
        self.failing = failing
        self.asked: list[dict[str, Any]] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.asked.append(body)
        path = request.url.path.removesuffix("/reassign")
        given = min(2, self.left[path])
        self.left[path] -= given
        results = [{"index": n, "id": str(n), "status": 200} for n in range(given)]
        results += [FAILED] if path == self.failing else []
        more = {"next_cursor": "c"} if self.left[path] else {}
        return httpx.Response(207, json={"results": results, **more})


def run(
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: str,
    more: tuple[str, ...] = (),
) -> tuple[int, str, str]:
    client = Client(
        "http://crm.test", StaticToken("t"), transport=httpx.MockTransport(records.handle)
    )
    monkeypatch.setattr(Connection, "client", lambda _, **__: client)
    code = cli.app.main([*words[:-2], "people", "reassign", *words[-2:], *more])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_every_page_of_every_type_is_given_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = Records()
    code, out, _ = run(records, monkeypatch, capsys, "ann", "bob")
    assert (code, out) == (0, "Reassigned: 5 accounts, 0 contacts, 2 opportunities, 1 tasks.\n")
    assert set(records.left.values()) == {0}
    assert records.asked[0] == {"from_id": "ann", "to_id": "bob", "limit": 100}
    cursors = [one.get("cursor") for one in records.asked]
    assert cursors == [None, "c", "c", None, None, None], "each type begins at its first page"


def test_the_team_of_the_records_is_sent_when_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = Records()
    code, _, _ = run(records, monkeypatch, capsys, "ann", "bob", more=("--team", "east"))
    assert code == 0
    assert {one["team_id"] for one in records.asked} == {"east"}


def test_what_failed_is_said_and_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(Records("/tasks"), monkeypatch, capsys, "--json", "ann", "bob")
    assert code == 1
    assert json.loads(out) == {
        "reassigned": {"accounts": 5, "contacts": 0, "opportunities": 2, "tasks": 1},
        "failed": {"tasks": [FAILED]},
    }
    assert "1 records were not reassigned" in err
    code, _, err = run(Records("/tasks"), monkeypatch, capsys, "ann", "bob")
    assert (code, "/tasks/x: changed meanwhile" in err) == (1, True)
