"""`zebros cost` prints what a phase costs, and a sentence for each kind of wrong input."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from zebros import cli
from zebros.costs.prices import FILE as PRICES
from zebros.costs.usage import FILE as USAGE


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(["cost", *words])
    caught = capsys.readouterr()
    assert "Traceback" not in caught.err + caught.out
    return code, caught.out, caught.err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run(capsys, "--json", *words)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_a_bill_is_a_table_with_everything_that_it_rests_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = run(capsys, "--phase", "growth")
    assert (code, err) == (0, "")
    assert "growth, primary region, 100 users: USD a month" in out
    bill = document(capsys, "--phase", "growth")
    total = f"{bill['total'] / 100:,.2f}"
    assert f"Total: {total} USD a month." in out
    assert f"Twelve months: {sum(bill['projection']) / 100:,.2f} USD;" in out
    assert f"the last month is {bill['projection'][-1] / 100:,.2f}." in out
    for line in bill["lines"]:
        assert line["price"]["text"] in out
        assert line["price"]["unit"] in out
        assert f"{line['amount'] / 100:,.2f}" in out
    for one in bill["assumptions"]:
        assert one["why"] in out
    for text in bill["exclusions"]:
        assert f"- {text}" in out
    for one in bill["comparisons"]:
        assert one["subject"] in out
        assert one["note"] in out
    assert f"of {bill['prices']['oldest']} to {bill['prices']['newest']}" in out


def test_a_bill_as_json_has_cents_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    bill = document(capsys, "--phase", "growth")
    assert (bill["phase"], bill["role"], bill["users"]) == ("growth", "primary", 100)
    assert bill["currency"] == "USD"
    assert bill["total"] == sum(line["amount"] for line in bill["lines"])
    assert bill["total"] == sum(bill["parts"].values())
    (requests,) = (one for one in bill["lines"] if one["item"] == "api_gateway.rest_requests")
    assert requests["resources"] == ["Api"]
    assert requests["price"]["source"] == "infracost, api_gateway_rest_api_test.golden"
    assert (requests["price"]["date"], requests["price"]["usd"]) == ("2024-07-01", "3.50")
    assert requests["price"]["per"] == 1_000_000
    assert requests["quantity"] * 3.5 / 1e4 == pytest.approx(requests["amount"], abs=0.5)
    assert len(bill["projection"]) == 12
    tables = [one for one in bill["comparisons"] if one["subject"] == "CustomersTable"]
    assert set(tables[0]["options"]) == {"on demand", "provisioned"}
    assert tables[0]["cheapest"] in tables[0]["options"]
    assert tables[0]["current"] in tables[0]["options"]


def test_users_change_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    few, many = (document(capsys, "--phase", "growth", "--users", n) for n in ("50", "250"))
    assert (few["users"], many["users"]) == (50, 250)
    assert few["total"] < many["total"]


def test_parameters_change_the_system(capsys: pytest.CaptureFixture[str]) -> None:
    bill = document(capsys, "--phase", "mvp", "--set", "WorkerImage=")
    assert "Fargate" not in bill["parts"]
    assert "Fargate" in document(capsys, "--phase", "mvp")["parts"]


def test_prices_and_load_may_be_your_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    text = PRICES.read_text(encoding="utf-8")
    old = 'part = "API Gateway", usd = 3.50'
    mine.write_text(text.replace(old, 'part = "API Gateway", usd = 7.00'), encoding="utf-8")
    ours, theirs = (
        document(capsys, "--phase", "growth", *words) for words in ((), ("--prices", str(mine)))
    )
    assert theirs["total"] > ours["total"]
    load = tmp_path / "load.toml"
    text = USAGE.read_text(encoding="utf-8")
    load.write_text(text.replace("growth = 100\n", "growth = 77\n"), encoding="utf-8")
    assert document(capsys, "--phase", "growth", "--usage", str(load))["users"] == 77


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--phase", "big"], 65, "There is no phase 'big'; there are mvp, startup, growth, ente"),
        (["--phase", "growth", "--role", "x"], 65, "There is no region role 'x'; there are prima"),
        (["--phase", "growth", "--users", "0"], 65, "The number of users must be above 0, not 0."),
        (["--phase", "growth", "--users", "-3"], 65, "must be above 0, not -3."),
        (["--phase", "growth", "--users", "many"], 2, "'--users': must be a valid integer"),
        (["--phase", "growth", "--set", "X"], 65, "--set X is not NAME=VALUE."),
        (["--phase", "growth", "--set", "=1"], 65, " is not NAME=VALUE."),
        (["--phase", "growth", "--set", "Size=1"], 65, "has no parameter Size; it has "),
        (["--phase", "growth", "--prices", "none.toml"], 65, "none.toml cannot be read: No such"),
        (["--phase", "growth", "--template", "no.yaml"], 69, "There is no template no.yaml."),
        ([], 2, "Missing option '--phase'."),
    ],
)
def test_wrong_input_is_a_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    got, out, err = run(capsys, *words)
    assert (got, out) == (code, "")
    assert err.startswith("zebros: ")
    assert message in err


def test_a_price_file_with_a_missing_item_names_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines = PRICES.read_text(encoding="utf-8").splitlines(keepends=True)
    mine = tmp_path / "mine.toml"
    kept = [line for line in lines if not line.startswith('"lambda.requests"')]
    mine.write_text("".join(kept), encoding="utf-8")
    code, out, err = run(capsys, "--phase", "growth", "--prices", str(mine))
    assert (code, out) == (65, "")
    assert err.startswith("zebros: mine.toml has no price for lambda.requests.\n")


def test_a_load_of_zero_is_rejected_by_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load = tmp_path / "load.toml"
    text = USAGE.read_text(encoding="utf-8")
    load.write_text(text.replace("growth = 100\n", "growth = 0\n"), encoding="utf-8")
    code, _, err = run(capsys, "--phase", "growth", "--usage", str(load))
    assert code == 65
    assert "load.toml: users must be above 0, not 0." in err


def test_without_the_packages_of_a_checkout_the_message_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zebros.cloudformation", None)
    code, out, err = run(capsys, "--phase", "growth")
    assert (code, out) == (69, "")
    assert "cannot be read without the package zebros.cloudformation." in err
    assert "after `make env`" in err
