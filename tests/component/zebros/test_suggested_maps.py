"""A suggested map loads each of the five exports after small edits.

The files have the headers that HubSpot, Salesforce, Pipedrive and Google write.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.component.zebros import in_process
from zebros import cli
from zebros.client.connection import Connection

SHARED = os.environ.get("ZEBROS_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data")
EXPORTS = Path(SHARED) / "exports"
pytestmark = pytest.mark.skipif(not EXPORTS.is_dir(), reason="the exports are not there")

COUNTRY = ('# country = "US" ', 'country = "US" ')
EDITS = {
    "salesforce-accounts": [COUNTRY],
    "salesforce-opportunities": [],
    "hubspot-contacts": [COUNTRY],
    "pipedrive-deals": [],
    "google-contacts": [('# country = "US" ', 'country = "GB" ')],
}
"""What somebody changes in the suggested map of each export."""
LOADED = {  # records, created, skipped, rejected, incomplete
    "salesforce-accounts": ("accounts", 4, 1, 0, 0),
    "salesforce-opportunities": ("opportunities", 6, 0, 0, 5),
    "hubspot-contacts": ("contacts", 8, 0, 0, 5),
    "pipedrive-deals": ("opportunities", 4, 1, 0, 3),
    "google-contacts": ("contacts", 4, 0, 0, 2),
}


@pytest.fixture(autouse=True)
def crm(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Connection, "client", lambda _self, **_: in_process.client())
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    in_process.create_tables(cloud, monkeypatch)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = cli.main(["load", "--json", *words])
    caught = capsys.readouterr()
    return code, json.loads(caught.out) if caught.out else {"message": caught.err}


def loaded(capsys: pytest.CaptureFixture[str], name: str) -> dict[str, Any]:
    """Load an export by its suggested map; its dry run has the same outcome."""
    file = str(EXPORTS / f"{name}.csv")
    _, suggested = run(capsys, "--suggest-map", file)
    text = suggested["map"]
    for before, after in EDITS[name]:
        assert before in text
        text = text.replace(before, after)
    Path("map.toml").write_text(text, encoding="utf-8")
    words = (suggested["record"], file, "--map", "map.toml", "--rejects", "rejects.csv")
    dry_code, dry = run(capsys, *words, "--dry-run")
    code, figures = run(capsys, *words)
    assert "created" in figures, figures
    assert (dry_code, dry.get("rejects")) == (code, figures.get("rejects"))
    names = ("created", "updated", "unchanged", "skipped", "rejected", "incomplete")
    assert [dry[one] for one in names] == [figures[one] for one in names]
    return {"record": suggested["record"], **figures}


@pytest.mark.parametrize("name", EDITS)
def test_the_suggested_map_loads_an_export_after_small_edits(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    figures = loaded(capsys, name)
    names = ("record", "created", "skipped", "rejected", "incomplete")
    assert tuple(figures[one] for one in names) == LOADED[name], figures["rejects"]


def test_accounts_first_then_what_refers_to_them(capsys: pytest.CaptureFixture[str]) -> None:
    loaded(capsys, "salesforce-accounts")
    figures = loaded(capsys, "salesforce-opportunities")
    assert (figures["created"], figures["incomplete"]) == (6, 1)
    (reject,) = figures["rejects"]
    assert "no account has the external id salesforce:001A0000DOESNOTEX" in reject["reason"]
    with in_process.client() as client:
        accounts = {one["external_ids"]["salesforce"]: one for one in client.items("/accounts")}
        deals = {one["name"]: one for one in client.items("/opportunities")}
    corp = accounts["001A000001LXqhbIAD"]
    assert corp["annual_revenue"]["minor_units"] == 560_000_000_000
    assert accounts["001A000001LXqhZIAT"]["parent_account_id"] == corp["id"]
    assert accounts["001A000001LXqhZIAT"]["country"] == "GB"
    assert accounts["001A000001LXqhcIAD"]["phone"] == "+13362227000"
    assert accounts["001A000001LXqhYIAT"]["website"] == "https://www.genepoint.com"
    won, lost = deals["GenePoint SLA"], deals["United Oil Refinery Generators"]
    assert (won["status"], won["closed_on"]) == ("won", "2025-07-16")
    assert (lost["status"], lost["lost_reason"]) == ("lost", "Not recorded")
    assert lost["description"] == 'Line one\nLine two with "quotes"'
    assert deals["Orphan deal"]["amount"] == {"minor_units": -15050, "currency": "USD"}


def test_a_contact_of_several_companies_is_linked_to_the_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with in_process.client() as client:
        umbra = client.post("/accounts", {"name": "Umbra", "external_ids": {"hubspot": "9001"}})
    figures = loaded(capsys, "hubspot-contacts")
    reasons = {one["row"]: one["reason"] for one in figures["rejects"]}
    assert "account_id: the field has one record, so not 9002" in reasons[6]
    with in_process.client() as client:
        (contact,) = client.get("/contacts", external_id="hubspot:105")["items"]
    assert contact["account_id"] == umbra["id"]
    assert contact["emails"] == ["nuria+crm@example.com", "nuria.odena@example.org"]


def test_a_record_type_may_be_named_and_must_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(EXPORTS / "hubspot-contacts.csv")
    assert run(capsys, "accounts", file, "--suggest-map")[1]["record"] == "accounts"
    code, figures = run(capsys, "reports", file, "--suggest-map")
    assert (code, "cannot be loaded" in str(figures)) == (65, True)
    assert run(capsys, "accounts")[0] == 65


def test_columns_named_as_fields_of_the_crm_are_those_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that loads without a map gets one that loads the same."""
    Path("own.csv").write_text(
        "external_ids.erp,name,custom_fields.size,id\n7,Umbra,small,a1\n", encoding="utf-8"
    )
    _, suggested = run(capsys, "--suggest-map", "own.csv")
    Path("map.toml").write_text(suggested["map"], encoding="utf-8")
    _, figures = run(capsys, "accounts", "own.csv", "--map", "map.toml")
    assert figures["created"] == 1
    [account] = in_process.client().get("/accounts?external_id=erp:7")["items"]
    assert account["external_ids"] == {"erp": "7"}
    assert account["custom_fields"] == {"size": "small"}
