"""A dry run of a batch answers as the batch would and changes nothing."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, published


def sent(api: ApiClient, path: str, items: list[Any], **more: Any) -> list[dict[str, Any]]:
    answer = api("POST", f"{path}/batch", {"items": items, **more})
    assert answer.status == 207, answer.text
    found: list[dict[str, Any]] = answer.json["results"]
    return found


@pytest.mark.parametrize(("path", "name"), [("/accounts", "name"), ("/contacts", "last_name")])
def test_a_dry_run_answers_as_the_batch_and_changes_nothing(
    api: ApiClient, cloud: Any, path: str, name: str
) -> None:
    table = {"/accounts": "table", "/contacts": "contacts"}[path]
    sent(api, path, [{name: n, "external_ids": {"crm": n}} for n in ("Same", "Other")])
    items = [
        {name: "New", "external_ids": {"crm": "New"}},
        {name: "Same", "external_ids": {"crm": "Same"}},
        {name: "Changed", "external_ids": {"crm": "Other"}},
        {name: "", "external_ids": {"crm": "bad"}},
        {name: "Two", "external_ids": {"crm": "Same", "erp": "Other"}},
    ]
    before = cloud.scan(TableName=table)["Items"]
    dry = sent(api, path, items, dry_run=True)
    assert cloud.scan(TableName=table)["Items"] == before
    assert len(published(cloud, table)) == 2
    assert "id" not in dry[0], "no record has this id"
    real = sent(api, path, items)
    real[0].pop("id")
    assert dry == real
    assert [one["status"] for one in real] == [201, 200, 200, 422, 200]


def test_a_dry_run_needs_the_same_rights(api: ApiClient) -> None:
    item = {"name": "A", "external_ids": {"crm": "1"}}
    (result,) = sent(api.as_(roles="read-only"), "/accounts", [item], dry_run=True)
    assert result["status"] == 403


def test_whether_it_is_a_dry_run_is_true_or_false(api: ApiClient) -> None:
    answer = api("POST", "/accounts/batch", {"items": [{}], "dry_run": "yes"})
    assert answer.status == 422
    assert answer.json["errors"] == [{"field": "dry_run", "message": "must be true or false"}]
