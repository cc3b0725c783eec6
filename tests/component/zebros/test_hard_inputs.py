"""Files that went wrong once: none is loaded with a value that differs from the file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.component.zebros import in_process
from zebros import cli
from zebros.client.connection import Connection

SHARED = os.environ.get("ZEBROS_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data")
INPUTS = Path(SHARED) / "hard-inputs"
pytestmark = pytest.mark.skipif(not INPUTS.is_dir(), reason="the hard inputs are not there")

MONEY = """\
[fields]
name = "name"
"external_ids.crm" = "id"
price = { column = "amt", currency = "EUR", on_error = "drop value" }
[columns.amt]
values = { "$1,234.50" = "1234.50" }
"""
CENTS = {
    **dict.fromkeys(("m1", "m2", "m3", "m4", "m5", "m9", "m10", "m11", "m13", "m17"), 123_450),
    **dict.fromkeys(("m6", "m7", "m8"), -123_450),
    "m12": 123_400,
    "m14": 0,
    "m18": -10_000,
}
"""The amounts of money.csv; m15 has two readings, and m16 is too large."""


@pytest.fixture(autouse=True)
def crm(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Connection, "client", lambda _self, **_: in_process.client())
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    in_process.create_tables(cloud, monkeypatch)
    return tmp_path


def load(capsys: pytest.CaptureFixture[str], kind: str, file: str, *more: str) -> Any:
    words = ["load", kind, str(INPUTS / file), "--rejects", "rejects.csv", "--json", *more]
    code = cli.main(words)
    caught = capsys.readouterr()
    return code, json.loads(caught.out) if caught.out else {"message": caught.err}


def names(kind: str = "accounts") -> list[str]:
    with in_process.client() as client:
        return sorted(one["name"] for one in client.items(f"/{kind}"))


def test_a_greek_file_is_loaded_when_somebody_chooses_its_encoding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, result = load(capsys, "accounts", "a_greek_cp1253.csv")
    assert (code, names()) == (65, [])
    assert "Αφοί Παπαδόπουλοι" in result["message"]
    code, _ = load(capsys, "accounts", "a_greek_cp1253.csv", "--encoding", "cp1253")
    assert (code, [name[:17] for name in names()]) == (0, ["Αφοί Παπαδόπουλοι"])


def test_utf_16_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = load(capsys, "accounts", "a_utf16.csv")
    assert (code, names()) == (0, ["Zażółć gęślą"])


def test_a_cut_line_and_a_broken_byte_reject_their_own_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, result = load(capsys, "accounts", "a_cut_utf8.csv")
    assert (code, result["created"], result["rejected"]) == (3, 2, 1)
    assert names() == ["Good Ltd", "Émile SA"]
    code, result = load(capsys, "accounts", "b_one_bad_byte.csv")
    assert (code, result["created"], result["rejected"]) == (3, 299, 1)
    assert sum(name.startswith("Société Générale № ") for name in names()) == 299


def test_a_number_that_a_spreadsheet_has_rounded_is_no_telephone_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, result = load(capsys, "accounts", "c_excelphone.csv")
    assert (code, result["created"], names()) == (3, 0, [])
    assert "was rounded by a spreadsheet" in result["rejects"][0]["reason"]


def test_amounts_are_those_of_the_file_or_reported(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    text = 'ignore = ["d"]\n' + MONEY
    (crm / "m.toml").write_text(text, encoding="utf-8")
    code, result = load(capsys, "products", "money.csv", "--map", "m.toml")
    assert (code, result["created"], result["incomplete"]) == (3, 18, 2)
    with in_process.client() as client:
        prices = {
            one["external_ids"]["crm"]: one["price"]["minor_units"]
            for one in client.items("/products")
            if "price" in one
        }
    assert prices == CENTS
    reasons = {one["row"]: one["reason"] for one in result["rejects"]}
    assert "'12,345' is 12345 or 12.345" in reasons[16]
    assert "too large" in reasons[17]
