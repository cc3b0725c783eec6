"""A dry run of a batch of opportunities or products changes nothing."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient, published

KEY = {"crm": "1"}


@pytest.mark.parametrize("path", ["/opportunities", "/products"])
def test_a_dry_run_changes_nothing(api: ApiClient, cloud: Any, path: str) -> None:
    body = {"items": [{"name": "A", "external_ids": KEY}], "dry_run": True}
    (result,) = api("POST", f"{path}/batch", body).json["results"]
    assert (result["status"], "id" in result) == (201, False)
    assert cloud.scan(TableName="table")["Items"] == []
    assert published(cloud) == []


def test_a_dry_run_does_not_publish_the_default_pipeline_for_later_ones(
    api: ApiClient, cloud: Any
) -> None:
    items = [{"name": "A", "external_ids": KEY}]
    for dry in (True, False):
        api("POST", "/opportunities/batch", {"items": items, "dry_run": dry})
    types = sorted(event["type"] for event in published(cloud))
    assert types == ["OpportunityCreated", "PipelineCreated"]


def test_rules_of_closing_are_checked(api: ApiClient) -> None:
    item = {"name": "A", "external_ids": KEY, "stage": "lost"}
    answer = api("POST", "/opportunities/batch", {"items": [item], "dry_run": True})
    (result,) = answer.json["results"]
    assert result["problem"]["errors"][0]["field"] == "lost_reason"
