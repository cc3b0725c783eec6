"""`zebros load` with the handlers of the API: loaded rows, rejected rows, messages."""

import csv
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.component.zebros import in_process
from zebros import cli
from zebros.client.connection import Connection

MAPS = Path(__file__).parents[2] / "flows" / "maps"
SHARED = os.environ.get("ZEBROS_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data")
DATA = Path(SHARED) / "crm-sales-opportunities"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not there")

PRODUCTS = "product,series,sales_price\nGTX Basic,GTX,550\nGTX Pro,GTX,4821\n"
TEAMS = "sales_agent,manager,regional_office\nAnn Lee,Cleo Marsh,East\n"
OPPORTUNITIES = """\
opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value
W1,Ann Lee,GTXPro,,Won,2016-10-20,2017-03-01,4514
L1,Ann Lee,GTX Basic,,Lost,2016-10-25,2017-03-11,0
E1,Ann Lee,GTX Basic,,Engaging,2016-11-01,,
P1,Ann Lee,GTX Basic,,Prospecting,,,
X1,Ann Lee,GTX 9000,,Engaging,2016-11-01,,
X2,Nobody,GTX Basic,,Engaging,2016-11-01,,
X3,Ann Lee,GTX Basic,,Dreaming,,,
X4,Ann Lee,GTX Basic,,Won,2017-10-20,2017-03-01,55.555
X5,Ann Lee,GTX Basic,,Won,2017-10-20,2017-03-01,55
"""


@pytest.fixture(autouse=True)
def crm(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and a command line that calls the handlers in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Connection, "client", lambda _self, **_: in_process.client())
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    in_process.create_tables(cloud, monkeypatch)
    (tmp_path / "products.csv").write_text(PRODUCTS, encoding="utf-8")
    (tmp_path / "sales_teams.csv").write_text(TEAMS, encoding="utf-8")
    (tmp_path / "opportunities.csv").write_text(OPPORTUNITIES, encoding="utf-8")
    return tmp_path


def load(
    capsys: pytest.CaptureFixture[str], kind: str, file: str, *more: str
) -> tuple[int, dict[str, Any]]:
    code = cli.main(["load", kind, file, "--json", *more])
    caught = capsys.readouterr()
    return code, json.loads(caught.out) if caught.out else {"message": caught.err}


def with_map(name: str) -> tuple[str, str]:
    return "--map", str(MAPS / f"{name}.toml")


def opportunities() -> dict[str, dict[str, Any]]:
    """The opportunities of the API, by external id."""
    with in_process.client() as client:
        return {
            one["external_ids"]["crm"]: one
            for one in client.items("/opportunities", owner_id="Ann Lee")
        }


def test_opportunities_are_loaded_with_stage_dates_team_and_product(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert load(capsys, "products", "products.csv", *with_map("products"))[0] == 0
    code, result = load(capsys, "opportunities", "opportunities.csv", *with_map("opportunities"))

    assert (code, result["created"], result["rejected"]) == (3, 4, 5)
    assert {one["row"]: one["reason"].partition(":")[0] for one in result["rejects"]} == {
        6: "product_id",
        7: "sales_agent",
        8: "stage",
        9: "amount",
        10: "closed_on",
    }
    loaded = opportunities()
    won = loaded["W1"]
    assert (won["status"], won["closed_on"], won["opened_on"]) == (
        "won",
        "2017-03-01",
        "2016-10-20",
    )
    assert won["amount"] == {"minor_units": 451_400, "currency": "USD"}
    assert (won["team_id"], won["region"]) == ("Cleo Marsh", "East")
    assert (won["name"], "account_id" in won) == ("Unlinked – GTX Pro", False)  # noqa: RUF001
    assert loaded["L1"]["lost_reason"] == "Not recorded"
    assert loaded["L1"]["amount"]["minor_units"] == 0
    assert (loaded["E1"]["stage"], loaded["E1"]["status"]) == ("engaging", "open")
    assert "opened_on" not in loaded["P1"]
    assert "closed_on" not in loaded["P1"]


def test_the_rejects_file_can_be_corrected_and_loaded(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    load(capsys, "products", "products.csv", *with_map("products"))
    load(capsys, "opportunities", "opportunities.csv", *with_map("opportunities"))
    file = crm / "opportunities.csv.rejects.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["_row"] for row in rows] == ["6", "7", "8", "9", "10"]
    assert rows[0]["opportunity_id"] == "X1"
    corrected = file.read_text(encoding="utf-8").replace("GTX 9000", "GTX Basic")
    (crm / "corrected.csv").write_text(
        "\n".join(corrected.splitlines()[:2]) + "\n", encoding="utf-8"
    )
    code, result = load(capsys, "opportunities", "corrected.csv", *with_map("opportunities"))
    assert (code, result["created"]) == (0, 1)
    assert "X1" in opportunities()


def test_loading_twice_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        load(capsys, "products", "products.csv", *with_map("products"))
        load(capsys, "opportunities", "opportunities.csv", *with_map("opportunities"))
    assert {one["version"] for one in opportunities().values()} == {1}
    with in_process.client() as client:
        pipelines = [one["name"] for one in client.items("/pipelines")]
    assert pipelines.count("Hardware sales") == 1


def test_a_dry_run_reports_what_a_load_would_do_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    load(capsys, "products", "products.csv", *with_map("products"))
    before = sorted(one.name for one in crm.rglob("*"))
    code, result = load(
        capsys, "opportunities", "opportunities.csv", "--dry-run", *with_map("opportunities")
    )
    assert (code, result["ready"], result["rejected"]) == (3, 4, 5)
    assert opportunities() == {}
    assert sorted(one.name for one in crm.rglob("*")) == before
    with in_process.client() as client:
        assert [one["name"] for one in client.items("/pipelines")] == ["Sales"]


def test_a_pipeline_of_that_name_with_other_stages_is_rejected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stages = [
        {"key": key, "name": key.title(), "probability": probability, "kind": kind}
        for key, kind, probability in (
            ("engaging", "open", 10),
            ("won", "won", 100),
            ("lost", "lost", 0),
        )
    ]
    with in_process.client() as client:
        client.post("/pipelines", {"name": "Hardware sales", "stages": stages})
    code, result = load(capsys, "opportunities", "opportunities.csv", *with_map("opportunities"))
    assert code == 65
    assert (
        "prospecting is missing or of another kind"
        in json.loads(result["message"].splitlines()[-1])["error"]
    )


def test_a_formula_in_a_rejected_cell_is_escaped_and_loaded_unchanged(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    text = "external_ids.crm,name,price\n1,=cmd(),much\n2,-5,12 USD\n"
    (crm / "p.csv").write_text(text, encoding="utf-8")
    code, _ = load(capsys, "products", "p.csv")
    assert code == 3
    rejects = crm / "p.csv.rejects.csv"
    assert "1,'=cmd(),much" in rejects.read_text(encoding="utf-8")
    rejects.write_text(
        rejects.read_text(encoding="utf-8").replace("much", "5 USD"), encoding="utf-8"
    )
    code, result = load(capsys, "products", str(rejects))
    assert (code, result["created"]) == (0, 1)
    with in_process.client() as client:
        names = sorted(one["name"] for one in client.items("/products"))
    assert names == ["-5", "=cmd()"]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"", 65, "is empty (0 bytes)"),
        (b"external_ids.crm,nam\n1,A\n", 65, "nam (did you mean name?)"),
        (b"PK\x03\x04", 65, "an Excel workbook"),
    ],
)
def test_a_file_that_cannot_be_used_loads_nothing(
    capsys: pytest.CaptureFixture[str], crm: Path, content: bytes, code: int, message: str
) -> None:
    (crm / "bad.csv").write_bytes(content)
    got, result = load(capsys, "products", "bad.csv")
    assert got == code
    assert message in result["message"]


def names_of_products() -> list[str]:
    with in_process.client() as client:
        return [one["name"] for one in client.items("/products")]


def test_an_uncertain_encoding_loads_nothing_until_somebody_chooses_one(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    (crm / "l.csv").write_bytes("external_ids.crm;name\n1;Café Ñandú\n".encode("latin-1"))
    code, result = load(capsys, "products", "l.csv")
    assert (code, names_of_products()) == (65, [])
    assert "byte 0xE9 in line 2 is not UTF-8" in result["message"]
    assert "Café Ñandú" in result["message"]
    assert load(capsys, "products", "l.csv", "--dry-run")[0] == 65
    code, result = load(capsys, "products", "l.csv", "--encoding", "latin-1")
    assert (code, result["created"], names_of_products()) == (0, 1, ["Café Ñandú"])
    assert result["read_as"] == "cp1252, values separated by semicolons"


def test_a_map_names_the_encoding_of_its_files(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    (crm / "j.csv").write_bytes("番号,名前\n1,製品\n".encode("shift_jis"))
    (crm / "t.csv").write_bytes("key,family\n1,Büro\n".encode("cp1252"))
    join = '[joins.t]\nfile = "t.csv"\ncolumn = "番号"\nkey = "key"\n'
    fields = '[fields]\nname = "名前"\n"external_ids.crm" = "番号"\nfamily = "t.family"\n'
    text = f'encoding = "shift_jis"\n{join}{fields}'
    (crm / "m.toml").write_text(text, encoding="utf-8")
    code, result = load(capsys, "products", "j.csv", "--map", "m.toml")
    assert (code, "encoding` in the join of t.csv" in result["message"]) == (65, True)
    text = text.replace("[fields]", 'encoding = "cp1252"\n[fields]')
    (crm / "m.toml").write_text(text, encoding="utf-8")
    assert load(capsys, "products", "j.csv", "--map", "m.toml")[0] == 0
    assert names_of_products() == ["製品"]


def test_without_json_the_result_is_a_table_and_the_rejects_file(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    (crm / "p.csv").write_text("external_ids.crm,name\n1,A\n2,\n", encoding="utf-8")
    assert cli.main(["load", "products", "p.csv"]) == 3
    caught = capsys.readouterr()
    assert "created" in caught.out
    assert "name: it is missing" in caught.out
    assert "1 row is in p.csv.rejects.csv with the reason" in caught.err


@needs_data
@pytest.mark.parametrize(
    ("kind", "file", "rows"), [("products", "products.csv", 7), ("accounts", "accounts.csv", 85)]
)
def test_every_row_of_the_public_data_set_fits_its_map(
    capsys: pytest.CaptureFixture[str], kind: str, file: str, rows: int
) -> None:
    _, result = load(capsys, kind, str(DATA / file), "--dry-run", *with_map(kind))
    assert (result["ready"], result["rejected"]) == (rows, 0), result


@needs_data
def test_subsidiaries_refer_to_parents_anywhere_in_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, result = load(capsys, "accounts", str(DATA / "accounts.csv"), *with_map("accounts"))
    assert (code, result["created"], result["rejected"], result["incomplete"]) == (0, 85, 0, 0)
    with (DATA / "accounts.csv").open(encoding="utf-8", newline="") as lines:
        source = {row["account"]: row for row in csv.DictReader(lines)}
    with in_process.client() as client:
        found = {
            name: client.get("/accounts", external_id=f"crm:{name}")["items"][0] for name in source
        }
    for name, row in source.items():
        parent = row["subsidiary_of"]
        assert found[name].get("parent_account_id") == (found[parent]["id"] if parent else None)
        dollars = Decimal(row["revenue"]) * 1_000_000
        assert found[name]["annual_revenue"]["minor_units"] == dollars * 100
    assert found["Acme Corporation"]["sector"] == "technology"
    assert found["Bioholding"]["country"] == "PH"


def test_a_line_that_cannot_be_read_is_rejected_unchanged_and_can_be_corrected(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    bad = '2,"Acme "the best" Ltd",GTX'
    open_ = '3,"Never closed,GTX'
    text = f"external_ids.crm,name,family\n1,A,GTX\n{bad}\n{open_}\n4,B,GTX\n5,,GTX\n"
    (crm / "p.csv").write_text(text, encoding="utf-8")
    code, result = load(capsys, "products", "p.csv")
    assert (code, result["created"], result["rejected"]) == (3, 2, 3)
    file = crm / "p.csv.rejects.csv"

    # Loaded again without corrections, they are rejected again, still unchanged.
    for again in (file, crm / "again.csv"):
        with again.open(encoding="utf-8", newline="") as lines:
            cells = [row[2:] for row in csv.reader(lines)][1:]
        assert cells == [[bad], [open_], ["5", "", "GTX"]]
        code, result = load(capsys, "products", str(again), "--rejects", "again.csv.2")
        assert (code, result["rejected"]) == (3, 3)
        (crm / "again.csv.2").replace(crm / "again.csv")

    with file.open(encoding="utf-8", newline="") as lines:
        header, *rest = csv.reader(lines)
    rest[0][2:] = ["2", 'Acme "the best" Ltd', "GTX"]
    rest[1][2:] = ["3", "Never closed", "GTX"]
    rest[2][3] = "C"
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([header, *rest])
    assert load(capsys, "products", str(file))[0] == 0
    with in_process.client() as client:
        names = sorted(one["name"] for one in client.items("/products"))
    assert names == ["A", 'Acme "the best" Ltd', "B", "C", "Never closed"]


def test_a_second_load_changes_nothing_and_says_so(
    capsys: pytest.CaptureFixture[str], crm: Path
) -> None:
    """Also records that are at a later version, here by the second pass for their parent."""
    rows = "external_ids.erp,name,parent\n1,Umbra,\n2,Umbra East,1\n"
    (crm / "accounts.csv").write_text(rows, encoding="utf-8")
    (crm / "map.toml").write_text(
        '[fields]\n"external_ids.erp" = "external_ids.erp"\nname = "name"\n'
        'parent_account_id = { column = "parent", by = "external_ids.erp" }\n',
        encoding="utf-8",
    )
    _, first = load(capsys, "accounts", "accounts.csv", "--map", "map.toml")
    assert (first["created"], first["updated"], first["unchanged"]) == (2, 0, 0)
    _, again = load(capsys, "accounts", "accounts.csv", "--map", "map.toml")
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)
