"""A dry run has the outcome of the load, and changes nothing.

tests/component/zebros/test_dry_run_equals_load.py compares them by the handlers of the API.
"""

from pathlib import Path

import pytest

from tests.unit.zebros.loading.fake_crm import FakeCrm
from zebros.client.api import Client, StaticToken
from zebros.loading import map_files
from zebros.loading.csv_files import inspect
from zebros.loading.dry_run import AnyReference, DryRun
from zebros.loading.journal import Counts, Journal
from zebros.loading.load import Load
from zebros.loading.mapper import Mapper
from zebros.loading.record_types import RECORD_TYPES
from zebros.loading.references import References

ACCOUNTS = RECORD_TYPES["accounts"]
MAP = """
[fields]
name = "name"
"external_ids.crm" = "id"
"external_ids.erp" = "erp"
annual_revenue = { column = "revenue", currency = "USD" }
parent_account_id = { column = "parent", by = "external_ids.crm" }
"""
ABSENT = "parent_account_id: no account has the external id {}; the row is loaded without it"


def mapper(tmp_path: Path, *lines: str, map_: str = MAP) -> Mapper:
    file, map_file = tmp_path / "a.csv", tmp_path / "map.toml"
    text = "\n".join(["id,erp,name,revenue,parent", *lines]) + "\n"
    file.write_text(text, encoding="utf-8")
    map_file.write_text(map_, encoding="utf-8")
    return Mapper(map_files.read_map(map_file, ACCOUNTS), ACCOUNTS, inspect(file), (tmp_path,))


def outcome(run: Load) -> tuple[Counts, int, dict[int, str]]:
    run.run()
    reasons = {one.row: one.reason for one in run.journal.rejects()}
    found = run.journal.counts(), run.journal.incomplete(), reasons
    run.journal.close()
    return found


def both(made: Mapper, crm: FakeCrm) -> tuple[DryRun, tuple[Counts, int, dict[int, str]]]:
    """The outcome of a dry run, which is that of the load after it."""
    client = crm.client()
    run = DryRun(client, made, Journal(None), References(client))
    before = {name: dict(records) for name, records in crm.records.items()}
    dry = outcome(run)
    assert {name: records for name, records in crm.records.items() if records} == before
    assert dry == outcome(Load(client, made, Journal(None), References(client)))
    return run, dry


def test_the_api_validates_the_rows(tmp_path: Path) -> None:
    crm = FakeCrm(reject=lambda item: "name is taken" if item["name"] == "Taken" else "")
    made = mapper(tmp_path, "1,,Fine,5,", "2,,Taken,5,", "3,,,5,", "4,,Odd,five,", "5,,Ragged")
    assert both(made, crm)[1] == (
        Counts(created=1, rejected=4),
        0,
        {
            3: "name is taken",
            4: "name: it is missing",
            5: "annual_revenue: 'five' is not a number",
            6: "it has 3 values, the header has 5",
        },
    )


def test_rows_that_exist_are_updated(tmp_path: Path) -> None:
    crm = FakeCrm()
    both(mapper(tmp_path, "1,,A,,", "2,,B,,"), crm)
    _, dry = both(mapper(tmp_path, "1,,A,,", "2,,B,,", "3,,C,,"), crm)
    assert dry == (Counts(created=1, updated=2), 0, {})


def test_references_are_looked_up_and_those_to_the_same_file_are_noted(tmp_path: Path) -> None:
    crm = FakeCrm()
    crm.records["accounts"] = {"crm:boss": {"id": "B", "version": 1}}
    run, dry = both(mapper(tmp_path, "1,,A,,boss", "2,,B,,1", "1,,A again,,"), crm)
    reason = "external_ids: crm:1 is already the id of row 2"
    assert dry == (Counts(created=2, rejected=1), 0, {4: reason})
    assert run.notes == [
        "1 row refers to accounts that are not in the CRM yet, but in this file: "
        "they are found when it is loaded."
    ]


def test_rows_that_share_any_external_id_are_duplicates(tmp_path: Path) -> None:
    _, dry = both(mapper(tmp_path, "1,E1,A,,", "2,E1,B,,"), FakeCrm())
    reason = "external_ids: erp:E1 is already the id of row 2"
    assert dry == (Counts(created=1, rejected=1), 0, {3: reason})


def test_a_row_with_a_reference_to_no_record_is_loaded_without_it(tmp_path: Path) -> None:
    crm = FakeCrm()
    crm.records["accounts"] = {"crm:boss": {"id": "B", "version": 1}}
    made = mapper(
        tmp_path,
        "1,,Later,,3",
        "2,,Nowhere,,99",
        "3,,Boss,,boss",
        "4,,,,",  # is rejected itself
        "5,,Child of a rejected one,,4",
        "6,,Child of one without a parent,,2",
    )
    _, dry = both(made, crm)
    reasons = {3: ABSENT.format("crm:99"), 5: "name: it is missing", 6: ABSENT.format("crm:4")}
    assert dry == (Counts(created=5, rejected=1), 2, reasons)


@pytest.mark.parametrize("missing", ["reject", "empty"])
def test_a_parent_can_be_found_by_another_external_id_or_left_out(
    tmp_path: Path, missing: str
) -> None:
    by = f'by = "external_ids.erp", missing = "{missing}" }}'
    map_ = MAP.replace('by = "external_ids.crm" }', by)
    made = mapper(tmp_path, "1,,A,,E2", "2,E2,B,,", "3,,C,,E9", map_=map_)
    client = FakeCrm().client()
    found = outcome(DryRun(client, made, Journal(None), References(client)))
    assert found[0] == Counts(created=3)
    assert found[2] == ({4: ABSENT.format("erp:E9")} if missing == "reject" else {})


def test_loops_and_long_chains_of_parents_are_found(tmp_path: Path) -> None:
    chain = [f"{n},,Account {n},,{n - 1 or ''}" for n in range(1, 14)]
    made = mapper(tmp_path, *chain, "20,,A,,21", "21,,B,,20", "22,,Itself,,22")
    client = FakeCrm().client()
    counts, incomplete, reasons = outcome(DryRun(client, made, Journal(None), References(client)))
    assert (counts.created, incomplete) == (16, 3)
    loop = "that account has this one among its own parent accounts"
    long = "an account may have at most 10 accounts above it"
    assert {row: reason.split(": ")[1].split(";")[0] for row, reason in reasons.items()} == {
        13: long,
        16: loop,
        17: loop,
    }


def test_without_an_api_the_file_and_its_map_are_checked(tmp_path: Path) -> None:
    nobody = Client("http://crm.test", StaticToken(""))
    made = mapper(tmp_path, "1,,A,,99", "2,,,,")
    run = DryRun(nobody, made, Journal(None), AnyReference(nobody), offline=True)
    assert outcome(run) == (Counts(created=1, rejected=1), 0, {3: "name: it is missing"})
