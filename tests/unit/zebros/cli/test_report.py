"""`zebros report` waits for a report, prints it, saves it, and cancels it after Ctrl-C."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from zebros import cli
from zebros.cli import report, task_runs
from zebros.client.api import Client, StaticToken
from zebros.client.connection import Connection

RESULT = {
    "title": "Sales by region",
    "period": {"from": "2017-01-01", "to": "2017-12-31"},
    "columns": [
        {"key": "region", "title": "Region", "kind": "text"},
        {"key": "won", "title": "Won", "kind": "int"},
        {"key": "revenue", "title": "Revenue", "kind": "money"},
        {"key": "rate", "title": "Rate", "kind": "percent"},
    ],
    "rows": [
        {
            "region": "Central",
            "won": 1629,
            "revenue": {"minor_units": 334_629_300, "currency": "USD"},
            "rate": 0.6315,
        },
        {"region": "East", "won": 0, "revenue": None, "rate": None},
    ],
    "totals": [{"region": "Total", "won": 1629, "revenue": None, "rate": 0.07}],
    "notes": ["Win rate is won deals among all closed deals."],
}


class Reports:
    """An API that makes one report in a few polls."""

    def __init__(self, *statuses: str, **result: Any) -> None:
        self.statuses, self.result = list(statuses), result
        self.asked: list[tuple[str, str, Any]] = []
        self.on_poll: Callable[[], None] = lambda: None

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        if request.url.path == "/reports":
            return httpx.Response(202, json={"id": "R1", "status": "pending"})
        if request.url.path.endswith("/cancel"):
            return httpx.Response(200, json={"id": "R1", "status": "cancelled"})
        self.on_poll()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        run = {"id": "R1", "status": status, "progress": 40}
        if status == "completed":
            run |= {"progress": 100, "download_url": "https://files.test/r"}
        return httpx.Response(200, json=run | self.result)


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Reports]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(task_runs, "_FIRST_POLL_S", 0.0)

    def start(*statuses: str, file: bytes = b"", **result: Any) -> Reports:
        made = Reports(*statuses, **result)

        def client(_self: Connection, **_: Any) -> Client:
            return Client(
                "http://crm.test", StaticToken("t"), transport=httpx.MockTransport(made.handle)
            )

        def download(_self: Client, url: str, target: Path, **_: Any) -> int:
            assert url == "https://files.test/r"
            return target.write_bytes(file)

        monkeypatch.setattr(Connection, "client", client)
        monkeypatch.setattr(Client, "download", download)
        return made

    return start


def test_a_report_is_requested_and_printed(
    crm: Callable[..., Reports], capsys: pytest.CaptureFixture[str]
) -> None:
    made = crm("pending", "processing", "completed", file=json.dumps(RESULT).encode())
    words = ["report", "win_rate", "--by", "region", "--from", "2017-01-01", "--to", "2017-12-31"]
    assert cli.main(words) == 0
    assert made.asked[0][2] == {
        "report": "win_rate",
        "by": "region",
        "from": "2017-01-01",
        "to": "2017-12-31",
        "format": "json",
    }
    caught = capsys.readouterr()
    assert "Sales by region, 2017-01-01 to 2017-12-31" in caught.out
    assert caught.out.splitlines()[-3:] == [
        "Central  1,629  3,346,293.00  63.15 %",
        "East         0                       ",
        "Total    1,629                 7.00 %",
    ]
    assert "Win rate is won deals" in caught.err


def test_a_named_period_and_a_zone_are_sent_as_they_are(crm: Callable[..., Reports]) -> None:
    made = crm("completed", file=json.dumps(RESULT).encode())
    zone = ("--time-zone", "Asia/Kathmandu")
    assert cli.main(["report", "win_rate", "--period", "last_month", *zone]) == 0
    (_, _, body), *_ = made.asked
    assert body == {
        "report": "win_rate",
        "period": "last_month",
        "time_zone": "Asia/Kathmandu",
        "format": "json",
    }


def test_with_json_the_content_of_the_report_is_printed(
    crm: Callable[..., Reports], capsys: pytest.CaptureFixture[str]
) -> None:
    crm("completed", file=json.dumps(RESULT).encode())
    assert cli.main(["--json", "report", "win_rate"]) == 0
    assert json.loads(capsys.readouterr().out) == RESULT


def test_the_format_is_that_of_the_files_ending(
    crm: Callable[..., Reports], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = crm("completed", file=b"%PDF-1.7")
    assert cli.main(["report", "win_rate", "-o", "win.pdf"]) == 0
    assert made.asked[0][2]["format"] == "pdf"
    assert (tmp_path / "win.pdf").read_bytes() == b"%PDF-1.7"
    assert capsys.readouterr().out.startswith("win.pdf (8 bytes, ")


def test_a_csv_report_is_printed_as_a_table(
    crm: Callable[..., Reports], capsys: pytest.CaptureFixture[str]
) -> None:
    crm("completed", file="\ufeffregion,won\nCentral,1629\n".encode())
    assert cli.main(["report", "win_rate", "--format", "csv"]) == 0
    assert capsys.readouterr().out.split() == ["region", "won", "Central", "1629"]


def test_an_empty_report_is_printed(
    crm: Callable[..., Reports], capsys: pytest.CaptureFixture[str]
) -> None:
    crm("completed", file=json.dumps(RESULT | {"rows": []}).encode())
    assert cli.main(["report", "win_rate"]) == 0
    assert "the report is empty" in capsys.readouterr().err


def test_a_failed_report_has_a_reason_and_a_trace(
    crm: Callable[..., Reports], capsys: pytest.CaptureFixture[str]
) -> None:
    crm("failed", reason="the period ends before it begins.")
    assert cli.main(["report", "win_rate"]) == 1
    err = capsys.readouterr().err
    assert "Report R1 failed: the period ends before it begins.\n" in err
    assert "zebros events trace report/R1" in err


def test_ctrl_c_cancels_the_report(
    crm: Callable[..., Reports], capsys: pytest.CaptureFixture[str]
) -> None:
    made = crm("processing")

    def press() -> None:
        raise KeyboardInterrupt

    made.on_poll = press
    assert cli.main(["report", "win_rate"]) == 130
    assert ("POST", "/reports/R1/cancel", None) in made.asked
    assert capsys.readouterr().err.endswith("zebros: Report R1 was cancelled.\n")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.6315, "percent", "63.15 %"),
        (1.0, "percent", "100.00 %"),
        (0.2999, "percent", "29.99 %"),
        ({"minor_units": 1250, "currency": "JPY"}, "money", "1,250"),
        ({"minor_units": -1250, "currency": "USD"}, "money", "-12.50"),
        ({"minor_units": 2**60, "currency": "USD"}, "money", "11,529,215,046,068,469.76"),
        (12345, "int", "12,345"),
        (None, "money", ""),
        ("2017-03", "text", "2017-03"),
    ],
)
def test_values_are_printed_exactly(value: object, kind: str, text: str) -> None:
    assert report.format_value(value, kind) == text
