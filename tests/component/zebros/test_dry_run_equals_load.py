"""A dry run has the outcome of the load, by the handlers of the API: any file, any record type."""

import csv
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.component.conftest import examples
from tests.component.zebros import in_process
from zebros import cli
from zebros.client.connection import Connection
from zebros.loading.batch_sender import BatchSender, Chunk, Outcome

COMPARED = ("created", "updated", "unchanged", "skipped", "rejected", "incomplete", "rejects")
STAGES = """
[pipeline]
name = "Sales of {case}"
stages = [
  { key = "talk", name = "Talk", probability = 10, kind = "open", forecast_category = "pipeline" },
  { key = "won", name = "Won", probability = 100, kind = "won", forecast_category = "closed" },
  { key = "lost", name = "Lost", probability = 0, kind = "lost", forecast_category = "omitted" },
]
"""
MAPS = {
    "accounts": """
[fields]
name = "name"
"external_ids.crm" = "id"
"external_ids.erp" = "other"
country = "a"
website = "b"
employees = { column = "c", on_error = "drop value" }
founded_year = { column = "d", on_error = "drop value" }
parent_account_id = { column = "e", by = "external_ids.crm" }
""",
    "contacts": """
[fields]
last_name = "name"
"external_ids.crm" = "id"
"external_ids.erp" = "other"
emails = { column = "a", on_error = "drop value" }
phones = { column = "b", on_error = "drop value" }
tags = "c"
"consent.email" = "d"
account_id = { column = "e", by = "external_ids.crm" }
""",
    "opportunities": STAGES
    + """
[fields]
name = "name"
"external_ids.crm" = "id"
"external_ids.erp" = "other"
stage = { column = "a", default = "talk" }
closed_on = "b"
opened_on = "c"
lost_reason = "d"
account_id = { column = "e", by = "external_ids.crm" }
""",
    "products": """
[fields]
name = "name"
"external_ids.crm" = "id"
"external_ids.erp" = "other"
code = "a"
active = "b"
price = { column = "c", currency = "USD" }
family = "d"
tags = "e"
""",
}
CELLS = {  # of the columns a to d
    "accounts": (
        ("", "DE", "FR", "Germany"),
        ("", "https://a.example", "a b"),
        ("", "7", "7", "-1", "many"),
        ("", "1999", "1999", "3000"),
    ),
    "contacts": (
        ("", "a@b.example", "a@b.example;c@d.example", "a@b"),
        ("", "+14155550100", "tel"),
        ("", "a;b", "x" * 41),
        ("", "yes", "perhaps"),
    ),
    "opportunities": (
        ("", "talk", "won", "lost", "dreaming"),
        ("", "2026-01-05", "2026-01-02", "5.1.2026"),
        ("", "2026-01-03", "1850-01-01"),
        ("Price", "", "x" * 201),
    ),
    "products": (
        ("", "A-1", "a-1", "B-2", "C-3", "x" * 201),
        ("", "yes", "no", "perhaps"),
        ("", "12.50", "12.505", "-4"),
        ("", "GTX"),
    ),
}


@pytest.fixture(autouse=True)
def crm(cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Connection, "client", lambda _self, **_: in_process.client())
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    in_process.create_tables(cloud, monkeypatch)


def load(capsys: pytest.CaptureFixture[str], kind: str, *more: str) -> tuple[int, dict[str, Any]]:
    words = ["load", kind, "f.csv", "--map", "m.toml", "--in-flight", "1", "--json", *more]
    code = cli.main(words)
    figures = json.loads(capsys.readouterr().out)
    return code, {name: figures[name] for name in COMPARED}


def file_of(draw: Any, kind: str, case: int) -> None:
    """Write a file and its map; the records of one case are of no other."""
    ids = st.sampled_from(["", *(f"{case}-{n}" for n in range(6))])
    cells = [st.sampled_from(texts) for texts in CELLS[kind]]
    last = st.sampled_from(["", "a;b"]) if kind == "products" else ids
    name = st.sampled_from(["Acme", "Acme", " Spaced ", "", "x" * 201])
    row = st.tuples(name, ids, ids, *cells, last)
    table = draw(st.lists(row, min_size=1, max_size=8))
    with Path("f.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("name", "id", "other", *"abcde"), *table])
    Path("m.toml").write_text(MAPS[kind].replace("{case}", str(case)), encoding="utf-8")


@pytest.mark.parametrize("kind", MAPS)
def test_a_dry_run_has_the_outcome_of_the_load(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    cases = iter(range(10_000))

    @examples(10)
    @given(data=st.data())
    def compare(data: st.DataObject) -> None:
        case = next(cases)
        for _ in range(2):  # into nothing, and over what the first file has left
            file_of(data.draw, kind, case)
            assert load(capsys, kind, "--dry-run") == load(capsys, kind)

    compare()


def test_two_rows_with_one_product_code_are_one_product(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("m.toml").write_text(MAPS["products"], encoding="utf-8")
    rows = ["Acme,1,,A-1,,,,", "Other,2,,a-1,,,,", "Third,3,,B-1,,,,"]
    Path("f.csv").write_text("\n".join(["name,id,other,a,b,c,d,e", *rows]), encoding="utf-8")
    found = load(capsys, "products", "--dry-run")
    assert (found[1]["created"], found[1]["rejects"]) == (
        2, [{"row": 3, "reason": "code: a-1 is already that of row 2"}],
    )  # fmt: skip
    assert load(capsys, "products") == found


def write(*rows: str) -> None:
    Path("f.csv").write_text("\n".join(["name,id,other,a,b,c,d,e", *rows]), encoding="utf-8")


def both(capsys: pytest.CaptureFixture[str], kind: str) -> dict[str, Any]:
    """The outcome of a dry run, which is that of the load after it."""
    dry = load(capsys, kind, "--dry-run")
    assert dry == load(capsys, kind)
    return dry[1]


CODES = {
    "given up before": (["A,1,,c,,,,", "B,2,,a,,,,"], ()),
    "given up after": (["A,1,,b,,,,", "B,2,,c,,,,"], ()),
    "a chain": (["A,1,,b,,,,", "B,2,,d,,,,", "C,3,,a,,,,", "D,4,,e,,,,", "New,5,,CC,,,,"], ()),
    "an exchange": (["A,1,,b,,,,", "B,2,,a,,,,", "C,3,,x,,,,"], (2, 3)),
    "of an exchange": (["A,1,,b,,,,", "B,2,,a,,,,", "New,5,,a,,,,"], (2, 3, 4)),
    "kept": (["A,1,,A,,,,", "New,5,,a ,,,,", "B,2,,a,,,,"], (3, 4)),
    "of another file": (["New,5,,a,,,,"], (2,)),
    "of a row that is rejected": (["A,1,,b,,,,", "B,2,,c,,12.505,,"], (2, 3)),
}


@pytest.mark.parametrize(("rows", "rejected"), CODES.values(), ids=CODES)
@pytest.mark.parametrize("apart", [False, True])
def test_a_code_that_another_row_gives_up(
    capsys: pytest.CaptureFixture[str], rows: list[str], rejected: tuple[int, ...], *, apart: bool
) -> None:
    Path("m.toml").write_text(MAPS["products"], encoding="utf-8")
    write("A,1,,a,,,,", "B,2,,b,,,,", "C,3,,cc,,,,", "D,4,,d,,,,")
    assert load(capsys, "products")[1]["created"] == 4
    between = [",,,,,,,"] * 100 if apart else []  # each row in a request of its own
    write(*[line for row in rows for line in (row, *between)])
    found = both(capsys, "products")
    numbers = [(one["row"] - 2) // (101 if apart else 1) + 2 for one in found["rejects"]]
    assert tuple(numbers) == rejected
    assert found["rejected"] == len(rejected)
    again = both(capsys, "products")
    assert (again["created"], again["updated"]) == (0, 0)


@pytest.mark.parametrize("stop_at", range(1, 11))
def test_a_stopped_load_goes_on_with_rows_that_wait_for_their_codes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    Path("m.toml").write_text(MAPS["products"], encoding="utf-8")
    write("A,1,,a,,,,", "B,2,,b,,,,", "C,3,,c,,,,", "D,4,,d,,,,")
    assert load(capsys, "products")[1]["created"] == 4
    rows = ["A,1,,b,,,,", "B,2,,c,,,,", "C,3,,e,,,,", "D,4,,d,,,,"]
    write(*[line for row in rows for line in (row, *[",,,,,,,"] * 100)])
    send, numbers = BatchSender.send, itertools.count(1)

    def stopped(self: BatchSender, chunk: Chunk) -> Outcome:
        if next(numbers) == stop_at:
            raise KeyboardInterrupt
        return send(self, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(BatchSender, "send", stopped)
        words = ["load", "products", "f.csv", "--map", "m.toml", "--in-flight", "1", "--json"]
        was_stopped = cli.main(words) == 130
    capsys.readouterr()
    assert was_stopped == (stop_at <= 9), "four chunks, each looked up, and a row that waits"
    code, figures = load(capsys, "products")
    assert (code, figures["rejects"], figures["rejected"]) == (0, [], 0)
    if was_stopped:
        assert (figures["updated"], figures["unchanged"]) == (3, 1)


def test_values_left_out_of_a_row_that_waits_for_its_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    map_ = MAPS["products"].replace('currency = "USD"', 'currency = "USD", on_error = "drop value"')
    map_ = map_.replace('family = "d"', 'family = { column = "d", on_error = "drop value" }')
    Path("m.toml").write_text(map_, encoding="utf-8")
    write("A,1,,a,,,,", "B,2,,b,,,,")
    assert load(capsys, "products")[1]["created"] == 2
    write(f"A,1,,b,,many,{'x' * 999},", *[",,,,,,,"] * 100, "B,2,,c,,,,")
    found = both(capsys, "products")
    assert (found["updated"], found["incomplete"], found["rejected"]) == (2, 1, 0)
    (reject,) = found["rejects"]
    assert reject["reason"].count("the row is loaded without it") == 2


@pytest.mark.parametrize("kind", MAPS)
def test_no_row_takes_an_id_from_a_record(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    Path("m.toml").write_text(MAPS[kind].replace("{case}", kind), encoding="utf-8")
    write("Acme,1,5,,,,,", "Other,,6,,,,,")
    assert load(capsys, kind)[1]["created"] == 2
    write("Acme,2,5,,,,,", "Acme,1,,,,,,", "Other,3,6,,,,,")
    found = both(capsys, kind)
    assert (found["created"], found["unchanged"], found["updated"]) == (0, 1, 1)
    (reject,) = found["rejects"]
    assert reject["row"] == 2
    assert reject["reason"].startswith("external_ids.crm: the record already has the crm id 1,")


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("kind", MAPS)
def test_two_rows_of_one_record_with_different_ids_of_it(
    capsys: pytest.CaptureFixture[str], kind: str, *, apart: bool
) -> None:
    Path("m.toml").write_text(MAPS[kind].replace("{case}", kind), encoding="utf-8")
    write("Acme,1,5,,,,,", "Other,2,6,,,,,")
    assert load(capsys, kind)[1]["created"] == 2
    between = [",,,,,,,"] * 100 if apart else []  # each row in a request of its own
    write("Changed,1,,,,,,", *between, "Acme,,5,,,,,", "Other,2,,,,,,", "New,,7,,,,,")
    found = both(capsys, kind)
    assert (found["created"], found["updated"], found["unchanged"]) == (1, 1, 1)
    (reject,) = found["rejects"]
    assert reject["row"] == 3 + len(between)
    assert re.fullmatch(
        r"external_ids: the record [0-9A-Z]{26} is already that of row 2", reject["reason"]
    )
    assert name_of(kind, "crm:1") == "Changed"


def name_of(kind: str, external_id: str) -> Any:
    with in_process.client() as client:
        (found,) = client.items(f"/{kind}", external_id=external_id)
    return found.get("name", found.get("last_name"))


def test_a_row_without_an_id_and_one_with_the_id_of_the_same_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    map_ = 'without_id = "by content"\n[fields]\nname = "name"\n"external_ids.crm" = "id"\n'
    Path("m.toml").write_text(map_ + 'tags = "e"\n', encoding="utf-8")
    Path("f.csv").write_text("name,id,e\nAcme,,a\n", encoding="utf-8")
    assert load(capsys, "products")[1]["created"] == 1
    with in_process.client() as client:
        (acme,) = client.items("/products")
        ids = {**acme["external_ids"], "crm": "1"}
        path, any_version = f"/products/{acme['id']}", {"If-Match": "*"}
        client.request("PATCH", path, body={"external_ids": ids}, headers=any_version)
    Path("f.csv").write_text("name,id,e\nOther,1,b\nAcme,,a\n", encoding="utf-8")
    found = both(capsys, "products")
    assert (found["updated"], [one["row"] for one in found["rejects"]]) == (1, [3])
