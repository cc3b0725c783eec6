"""Values as people's files have them: rows are loaded, and what is left out is reported."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.component.zebros import in_process
from zebros import cli
from zebros.client.connection import Connection

CONTACTS = """\
ignore = ["Company"]
country = "US"
[skip]
State = "Deleted"
[fields]
"external_ids.crm" = "Id"
first_name = "First"
last_name = "Last"
emails = { column = "Mail", on_error = "drop value" }
phones = { column = ["Mobile", "Phone"], on_error = "drop value" }
account_id = { column = "Company", by = "name", on_error = "drop value" }
"""
HEADER = "Id,First,Last,Mail,Mobile,Phone,Company,State\n"


@pytest.fixture(autouse=True)
def crm(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Connection, "client", lambda _self, **_: in_process.client())
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    in_process.create_tables(cloud, monkeypatch)
    (tmp_path / "m.toml").write_text(CONTACTS, encoding="utf-8")
    return tmp_path


def load(capsys: pytest.CaptureFixture[str], kind: str, *more: str) -> tuple[int, dict[str, Any]]:
    """The outcome of a load, which a dry run has foretold."""
    words = ["load", kind, "f.csv", "--map", "m.toml", "--json", *more]
    dry_code = cli.main([*words, "--dry-run"])
    dry = json.loads(capsys.readouterr().out)
    code = cli.main(words)
    figures = json.loads(capsys.readouterr().out)
    assert dry_code == code
    for name in ("created", "updated", "skipped", "rejected", "incomplete", "rejects"):
        assert dry[name] == figures[name], name
    return code, figures


def contacts(*lines: str) -> None:
    Path("f.csv").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")


def stored(kind: str) -> dict[str, dict[str, Any]]:
    with in_process.client() as client:
        return {one["external_ids"]["crm"]: one for one in client.items(f"/{kind}")}


def test_a_wrong_value_is_left_out_and_reported_and_its_row_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    contacts(
        "1,Ann,Lee,ann@x.example;ben@,,,,",
        "2,Ben,Lee,ben@,ask,,,",
        "3,Cy,Lee,,1.41556E+10,,Nowhere,",
        "4,Di,Lee,di@x.example,,+1 415-555-0100 x12,,",
        "5,Ed,Lee,,(415) 555-0101,,,",
    )
    code, figures = load(capsys, "contacts")
    assert (code, figures["created"], figures["rejected"], figures["incomplete"]) == (3, 5, 0, 4)
    found = stored("contacts")
    assert found["1"]["emails"] == ["ann@x.example"]
    assert "emails" not in found["2"]
    assert found["5"]["phones"] == ["+14155550101"]
    assert found["4"]["phones"] == ["+14155550100"]
    reasons = {one["row"]: one["reason"] for one in figures["rejects"]}
    assert reasons[2].startswith("emails.1: 'ben@' is not a plain e-mail address")
    assert "phones: 'ask' is not a telephone number" in reasons[3]
    assert "emails.0: 'ben@' is not" in reasons[3]
    assert "phones: '1.41556E+10' was rounded by a spreadsheet" in reasons[4]
    assert "account_id: no account has the name 'Nowhere'" in reasons[4]
    assert "extension 12" in reasons[5]
    assert all(reason.endswith("the row is loaded without it") for reason in reasons.values())
    lines = Path("f.csv.rejects.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5


def test_a_contact_needs_only_one_of_name_address_and_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    contacts("1,Prince,,,,,,", "2,,,no@x.example,,,,", "3,,,,,+14155550100,,", "4,,,,,,,")
    code, figures = load(capsys, "contacts")
    assert (code, figures["created"], figures["rejected"]) == (3, 3, 1)
    found = stored("contacts")
    assert {key: one["last_name"] for key, one in found.items()} == {
        "1": "Prince",
        "2": "no@x.example",
        "3": "+14155550100",
    }
    assert "first_name" not in found["1"]
    assert figures["named_by_another_field"] == {"first_name": 1, "emails": 1, "phones": 1}
    (reject,) = figures["rejects"]
    assert reject["reason"] == "last_name: it is missing, and so are names, e-mails and phones"


def test_without_a_map_a_contact_may_have_only_an_address(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    (crm / "g.csv").write_text("external_ids.crm,emails,phones\n1,a@x.example,(415) 555-0101\n")
    code = cli.main(["load", "contacts", "g.csv", "--country", "US", "--json"])
    assert (code, json.loads(capsys.readouterr().out)["created"]) == (0, 1)
    found = stored("contacts")["1"]
    assert (found["last_name"], found["phones"]) == ("a@x.example", ["+14155550101"])
    code = cli.main(["load", "contacts", "g.csv", "--country", "Mars", "--json"])
    assert (code, "is not an ISO 3166 country code" in capsys.readouterr().err) == (65, True)


def test_rows_can_be_skipped_by_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    contacts("1,Ann,Lee,,,,,Deleted", "2,Ben,Lee,,,,,")
    code, figures = load(capsys, "contacts")
    assert (code, figures["created"], figures["skipped"]) == (0, 1, 1)
    assert stored("contacts").keys() == {"2"}


def test_accounts_are_linked_by_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    with in_process.client() as client:
        acme = client.post("/accounts", {"name": "Acme Inc"})["id"]
        for _ in range(2):
            client.post("/accounts", {"name": "Twice"})
        client.post("/accounts", {"name": "Acme Incorporated"})
    contacts("1,Ann,Lee,,,,acme  inc,", "2,Ben,Lee,,,,Twice,")
    code, figures = load(capsys, "contacts")
    assert (code, figures["created"], figures["incomplete"]) == (3, 2, 1)
    assert stored("contacts")["1"]["account_id"] == acme
    (reject,) = figures["rejects"]
    assert "2 accounts have the name 'Twice'; refer to it by an external id" in reject["reason"]


def test_external_ids_that_are_addresses_are_matched_without_their_case(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    text = '[fields]\nlast_name = "n"\n"external_ids.crm" = "m"\nemails = "m"\n'
    (crm / "m.toml").write_text(text, encoding="utf-8")
    (crm / "f.csv").write_text("n,m\nLee,Ann@X.example\nLi,ANN@x.example\n", encoding="utf-8")
    code, figures = load(capsys, "contacts")
    assert (code, figures["created"], figures["rejected"]) == (3, 1, 1)
    assert stored("contacts").keys() == {"ann@x.example"}


def test_rows_without_any_id_are_recognised_by_their_content(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    text = 'without_id = "by content"\n[fields]\nlast_name = "n"\nemails = "m"\n'
    (crm / "m.toml").write_text(text, encoding="utf-8")
    (crm / "f.csv").write_text("n,m\nLee,a@x.example\nLi,b@x.example\n", encoding="utf-8")
    assert load(capsys, "contacts")[1]["created"] == 2
    _, again = load(capsys, "contacts")
    assert (again["created"], again["unchanged"]) == (0, 2)


def test_ids_and_errors_of_spreadsheets_are_no_values(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    text = '[fields]\nname = "n"\n"external_ids.crm" = "i"\nwebsite = "w"\nsector = "s"\n'
    (crm / "m.toml").write_text(text, encoding="utf-8")
    lines = "1,A,www.a.example,x\n1.23457E+15,B,,x\n3,C,,#N/A\n"
    (crm / "f.csv").write_text("i,n,w,s\n" + lines, encoding="utf-8")
    code, figures = load(capsys, "accounts")
    assert (code, figures["created"], figures["rejected"]) == (3, 1, 2)
    assert stored("accounts")["1"]["website"] == "https://www.a.example"
    reasons = [one["reason"] for one in figures["rejects"]]
    assert "was rounded by a spreadsheet" in reasons[0]
    assert reasons[1] == "sector: '#N/A' is an error of a spreadsheet, not a value"


def test_the_map_then_the_option_then_the_tenant_gives_the_country_of_numbers(
    capsys: pytest.CaptureFixture[str], crm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = '[fields]\nlast_name = "n"\n"external_ids.crm" = "i"\nphones = "p"\n'
    (crm / "f.csv").write_text("i,n,p\n1,A,01761 234567\n", encoding="utf-8")
    german = "country = 'DE'\n"
    cases = [  # the tenant's, the map, the option, the number
        ("GB", "", (), "+441761234567"),
        ("GB", german, (), "+491761234567"),
        ("GB", "", ("--country", "DE"), "+491761234567"),
        ("GB", german, ("--country", "GB"), "+491761234567"),
    ]
    for tenants, line, option, number in cases:
        monkeypatch.setitem(in_process.CLAIMS, "country", tenants)
        (crm / "m.toml").write_text(line + fields, encoding="utf-8")
        assert load(capsys, "contacts", *option, "--fresh")[0] == 0
        assert stored("contacts")["1"]["phones"] == [number]


def test_numbers_of_the_tenants_country_are_read_as_others_are(
    capsys: pytest.CaptureFixture[str], crm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(in_process.CLAIMS, "country", "DE")
    (crm / "m.toml").write_text(
        '[fields]\nlast_name = "n"\n"external_ids.crm" = "i"\n'
        'phones = { column = "p", on_error = "drop value" }\n',
        encoding="utf-8",
    )
    (crm / "f.csv").write_text(
        "i,n,p\n"
        "1,A,030 901820; Tel. (030) 90 18-21\n"
        "2,B,030 901820 ext. 5\n"
        "3,C,030 901820 / 12\n"
        "4,D,12; 030 901820\n"
        "5,E,'030/901820\n",
        encoding="utf-8",
    )
    code, figures = load(capsys, "contacts")
    assert (code, figures["created"], figures["rejected"]) == (3, 5, 0)
    found = {key: one.get("phones") for key, one in stored("contacts").items()}
    assert found["1"] == ["+4930901820", "+4930901821"]
    assert found["2"] == found["4"] == found["5"] == ["+4930901820"]
    reasons = {one["row"]: one["reason"] for one in figures["rejects"]}
    assert "extension 5" in reasons[3]
    assert "neither is it a number of DE" in reasons[5]


def test_without_any_country_a_number_is_rejected_with_what_to_do(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    fields = '[fields]\nlast_name = "n"\n"external_ids.crm" = "i"\nphones = "p"\n'
    (crm / "m.toml").write_text(fields, encoding="utf-8")
    (crm / "f.csv").write_text("i,n,p\n1,A,030 901820\n", encoding="utf-8")
    code, figures = load(capsys, "contacts")
    assert (code, figures["rejected"]) == (3, 1)
    assert "the tenant has no country" in figures["rejects"][0]["reason"]


def test_an_account_has_a_number_of_the_tenants_country(
    capsys: pytest.CaptureFixture[str], crm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(in_process.CLAIMS, "country", "DE")
    fields = '[fields]\nname = "n"\n"external_ids.crm" = "i"\nphone = "p"\n'
    (crm / "m.toml").write_text(fields, encoding="utf-8")
    (crm / "f.csv").write_text("i,n,p\n1,A,030 901820\n", encoding="utf-8")
    assert load(capsys, "accounts")[0] == 0
    assert stored("accounts")["1"]["phone"] == "+4930901820"


def test_deals_are_loaded_into_the_default_pipeline_as_it_is_now(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    with in_process.client() as client:
        stages = client.get("/pipelines/default")["stages"]
        stages[0] |= {"key": "talk", "name": "Talk"}
        patch = {"name": "Direct", "stages": stages}
        client.request("PATCH", "/pipelines/default", body=patch, headers={"If-Match": '"1"'})
    text = """
[pipeline]
name = "Direct"
stages = [
  { key = "talk", name = "Talk", probability = 10, kind = "open", forecast_category = "pipeline" },
]
[fields]
name = "n"
"external_ids.crm" = "i"
stage = "s"
"""
    (crm / "m.toml").write_text(text, encoding="utf-8")
    (crm / "f.csv").write_text("i,n,s\n1,A,talk\n2,B,lead\n", encoding="utf-8")
    code, figures = load(capsys, "opportunities")
    assert (code, figures["created"], figures["rejected"]) == (3, 1, 1)
    deal = stored("opportunities")["1"]
    assert (deal["pipeline_id"], deal["stage"], deal["stage_name"]) == ("default", "talk", "Talk")
