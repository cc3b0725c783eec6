"""A dry run validates rows against the published API without changing anything."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.zebros.loading.fake_crm import FakeCrm
from zebros.loading import map_files
from zebros.loading.api_schema import published_schema
from zebros.loading.csv_files import inspect
from zebros.loading.dry_run import DryRun
from zebros.loading.mapper import Mapper
from zebros.loading.record_types import RECORD_TYPES
from zebros.loading.references import References

NEW_ACCOUNT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 10},
        "external_ids": {"type": "object"},
        "parent_account_id": {"type": "string"},
        "annual_revenue": {"$ref": "#/components/schemas/Money"},
    },
}
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/v1/accounts": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/NewAccount"}}
                    }
                }
            }
        },
        "/v1/accounts/batch": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"properties": {"items": {"type": "array", "items": {}}}}
                        }
                    }
                }
            }
        },
    },
    "components": {
        "schemas": {
            "NewAccount": NEW_ACCOUNT,
            "Money": {
                "type": "object",
                "required": ["minor_units", "currency"],
                "properties": {"minor_units": {"type": "integer", "minimum": 0}},
            },
        }
    },
}
MAP = """
[fields]
name = "name"
"external_ids.crm" = "id"
annual_revenue = { column = "revenue", currency = "USD" }
parent_account_id = { column = "parent", by = "external_ids.crm" }
"""


def mapper(tmp_path: Path, *lines: str) -> Mapper:
    file, map_file = tmp_path / "a.csv", tmp_path / "map.toml"
    file.write_text("\n".join(["id,name,revenue,parent", *lines]) + "\n", encoding="utf-8")
    map_file.write_text(MAP, encoding="utf-8")
    kind = RECORD_TYPES["accounts"]
    return Mapper(map_files.read_map(map_file, kind), kind, inspect(file), (tmp_path,))


def test_without_a_schema_of_batch_items_that_of_the_single_request_is_used() -> None:
    found = published_schema(DOCUMENT, "/accounts")
    assert found is not None
    assert found["properties"].keys() == NEW_ACCOUNT["properties"].keys()  # type: ignore[attr-defined]
    assert published_schema(DOCUMENT, "/contacts") is None
    assert published_schema({}, "/accounts") is None


def test_the_schema_of_batch_items_is_preferred() -> None:
    described = {"type": "object", "properties": {"name": {"type": "string"}}}
    content = {"schema": {"properties": {"items": {"items": described}}}}
    batch = {"post": {"requestBody": {"content": {"application/json": content}}}}
    document = {"paths": {"/accounts/batch": batch, "/accounts": {"post": {}}}}
    found = published_schema(document, "/accounts")
    assert found is not None
    assert found["properties"] == described["properties"]


def test_rows_are_validated_by_the_schema_and_what_it_refers_to(tmp_path: Path) -> None:
    made = mapper(tmp_path, "1,Fine,5,", "2,Far too long a name,5,", "3,Poor,-5,", "4,,5,")
    result = DryRun(made, None, published_schema(DOCUMENT, "/accounts"), {}).run()
    assert result.ready == 1
    reasons = {reject.row: reject.reason for reject in result.rejects}
    assert reasons[3].startswith("name: ")
    assert reasons[4].startswith("annual_revenue.minor_units: -500")
    assert reasons[5] == "name: it is missing"


def test_references_are_looked_up_and_those_to_the_same_file_are_noted(tmp_path: Path) -> None:
    crm = FakeCrm()
    crm.records["accounts"] = {"crm:boss": {"id": "B"}}
    made = mapper(tmp_path, "1,A,,boss", "2,B,,1", "1,A again,,")
    with crm.client() as client:
        result = DryRun(made, References(client), None, {}).run()
    assert (result.ready, result.rejected) == (2, 1)
    assert result.rejects[0].reason == "external_ids: crm:1 is already the id of row 2"
    assert result.notes[-1].startswith("1 row refers to accounts that are not in the CRM yet")
    assert {method for method, _ in crm.requests} == {"GET"}


def test_a_reference_to_a_record_neither_in_the_file_nor_in_the_crm_is_rejected(
    tmp_path: Path,
) -> None:
    crm = FakeCrm()
    crm.records["accounts"] = {"crm:boss": {"id": "B"}}
    made = mapper(
        tmp_path,
        "1,Later,,3",
        "2,Nowhere,,99",
        "3,Boss,,boss",
        "4,,,",  # is rejected itself
        "5,Child of a rejected one,,4",
        "6,Child of one without a parent,,2",
        "7,Itself,,7",
    )
    with crm.client() as client:
        result = DryRun(made, References(client), None, {}).run()
    assert (result.ready, result.rejected) == (4, 3)
    absent = "parent_account_id: no account has the external id crm:{}"
    assert {reject.row: reject.reason for reject in result.rejects} == {
        3: absent.format(99) + "; the row would be loaded without it",
        5: "name: it is missing",
        6: absent.format(4) + "; the row would be loaded without it",
    }
    assert result.rejects[0].raw == ["2", "Nowhere", "", "99"]
    assert result.notes == [
        "3 rows refer to accounts that are not in the CRM yet, but in this file: "
        "they will be found when it is loaded."
    ]


def test_a_parent_can_be_found_by_another_external_id_or_left_out(tmp_path: Path) -> None:
    text = (
        '[fields]\nname = "name"\n"external_ids.crm" = "id"\n"external_ids.erp" = "erp"\n'
        'parent_account_id = { column = "parent", by = "external_ids.erp", missing = "empty" }\n'
    )
    file, map_file = tmp_path / "a.csv", tmp_path / "map.toml"
    file.write_text("id,name,erp,parent\n1,A,,E2\n2,B,E2,\n3,C,,E9\n", encoding="utf-8")
    kind = RECORD_TYPES["accounts"]
    for text_, rejected in ((text, 0), (text.replace('"empty"', '"reject"'), 1)):
        map_file.write_text(text_, encoding="utf-8")
        made = Mapper(map_files.read_map(map_file, kind), kind, inspect(file), (tmp_path,))
        with FakeCrm().client() as client:
            result = DryRun(made, References(client), None, {}).run()
        assert (result.ready, result.rejected) == (3 - rejected, rejected)
        assert result.notes[0].startswith("1 row refers to accounts")


def test_a_result_counts_all_rejects_and_lists_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zebros.loading.dry_run._MAX_REJECTS", 3)
    result = DryRun(mapper(tmp_path, *[f"{n},,," for n in range(9)]), None, None, {}).run()
    assert (result.rejected, len(result.rejects)) == (9, 3)
