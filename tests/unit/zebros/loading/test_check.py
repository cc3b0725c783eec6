"""A dry run holds rows to the published contract without writing anything."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.zebros.loading.fake_crm import FakeCrm
from zebros.loading import maps
from zebros.loading.check import dry_run, published_schema
from zebros.loading.files import inspect
from zebros.loading.mapping import Mapper
from zebros.loading.records import KINDS
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
    kind = KINDS["accounts"]
    return Mapper(maps.read(map_file, kind), kind, inspect(file), (tmp_path,))


def test_where_batch_items_are_not_described_the_single_request_tells_their_schema() -> None:
    found = published_schema(DOCUMENT, "/accounts")
    assert found is not None
    assert found["properties"].keys() == NEW_ACCOUNT["properties"].keys()  # type: ignore[attr-defined]
    assert published_schema(DOCUMENT, "/contacts") is None
    assert published_schema({}, "/accounts") is None


def test_described_batch_items_are_preferred() -> None:
    described = {"type": "object", "properties": {"name": {"type": "string"}}}
    content = {"schema": {"properties": {"items": {"items": described}}}}
    batch = {"post": {"requestBody": {"content": {"application/json": content}}}}
    document = {"paths": {"/accounts/batch": batch, "/accounts": {"post": {}}}}
    found = published_schema(document, "/accounts")
    assert found is not None
    assert found["properties"] == described["properties"]


def test_rows_are_held_to_the_schema_through_its_references(tmp_path: Path) -> None:
    made = mapper(tmp_path, "1,Fine,5,", "2,Far too long a name,5,", "3,Poor,-5,", "4,,5,")
    forecast = dry_run(made, None, published_schema(DOCUMENT, "/accounts"), {})
    assert forecast.ready == 1
    reasons = {reject.row: reject.reason for reject in forecast.rejects}
    assert reasons[3].startswith("name: ")
    assert reasons[4].startswith("annual_revenue.minor_units: -500")
    assert reasons[5] == "name: it is missing"


def test_references_are_asked_for_and_those_to_the_file_itself_are_noted(tmp_path: Path) -> None:
    crm = FakeCrm()
    crm.records["accounts"] = {"crm:boss": {"id": "B"}}
    made = mapper(tmp_path, "1,A,,boss", "2,B,,1", "1,A again,,")
    with crm.client() as client:
        forecast = dry_run(made, References(client), None, {})
    assert (forecast.ready, forecast.rejected) == (2, 1)
    assert forecast.rejects[0].reason == "external_ids: crm:1 was given to row 2 already"
    assert forecast.notes[-1].startswith("1 row refers to accounts that are not in the CRM yet")
    assert {method for method, _ in crm.requests} == {"GET"}


def test_a_parent_neither_in_the_file_nor_in_the_crm_would_be_rejected(tmp_path: Path) -> None:
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
        forecast = dry_run(made, References(client), None, {})
    assert (forecast.ready, forecast.rejected) == (4, 3)
    absent = "parent_account_id: no account has the external id crm:{}"
    assert {reject.row: reject.reason for reject in forecast.rejects} == {
        3: absent.format(99) + "; the row would be loaded without it",
        5: "name: it is missing",
        6: absent.format(4) + "; the row would be loaded without it",
    }
    assert forecast.rejects[0].raw == ["2", "Nowhere", "", "99"]
    assert forecast.notes == [
        "3 rows refer to accounts that are not in the CRM yet, but in this file: "
        "they will be found when it is loaded."
    ]


def test_a_parent_may_be_named_by_another_of_its_ids_or_be_left_out(tmp_path: Path) -> None:
    text = (
        '[fields]\nname = "name"\n"external_ids.crm" = "id"\n"external_ids.erp" = "erp"\n'
        'parent_account_id = { column = "parent", by = "external_ids.erp", missing = "empty" }\n'
    )
    file, map_file = tmp_path / "a.csv", tmp_path / "map.toml"
    file.write_text("id,name,erp,parent\n1,A,,E2\n2,B,E2,\n3,C,,E9\n", encoding="utf-8")
    kind = KINDS["accounts"]
    for text_, rejected in ((text, 0), (text.replace('"empty"', '"reject"'), 1)):
        map_file.write_text(text_, encoding="utf-8")
        made = Mapper(maps.read(map_file, kind), kind, inspect(file), (tmp_path,))
        with FakeCrm().client() as client:
            forecast = dry_run(made, References(client), None, {})
        assert (forecast.ready, forecast.rejected) == (3 - rejected, rejected)
        assert forecast.notes[0].startswith("1 row refers to accounts")


def test_a_forecast_counts_beyond_what_it_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zebros.loading.check._KEPT", 3)
    forecast = dry_run(mapper(tmp_path, *[f"{n},,," for n in range(9)]), None, None, {})
    assert (forecast.rejected, len(forecast.rejects)) == (9, 3)
