"""The default pipeline is changed while others publish it, and lists do without it when broken."""

from typing import Any

import pytest

from kernel.storage.packing import pack
from opportunities.bootstrap import pipelines
from tests.component.conftest import ApiClient
from tests.component.opportunities.conftest import ANY, STAGES
from tests.component.opportunities.test_default_pipeline import OPPORTUNITY, pipeline_events
from tests.component.opportunities.test_default_pipeline_changes import DEFAULT, new_process


def test_a_change_just_after_another_request_has_published_it(
    api: ApiClient, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = pipelines()._pipelines
    publish = repository.publish_default

    def late(request: Any) -> None:
        assert api("POST", "/opportunities", OPPORTUNITY).status == 201
        repository._default_stored.clear()
        publish(request)

    monkeypatch.setattr(repository, "publish_default", late)
    changed = api("PATCH", DEFAULT, {"name": "Direct"}, ANY)
    assert (changed.status, changed.json["version"]) == (200, 2)
    assert [one["sequence"] for one in pipeline_events(cloud)] == ["1", "2"]


def test_a_list_leaves_out_a_default_pipeline_that_cannot_be_read(
    api: ApiClient, cloud: Any
) -> None:
    api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES})
    assert api("PATCH", DEFAULT, {"name": "Direct"}, ANY).status == 200
    key = {"pk": {"S": "TENANT#acme#PIPELINE#default"}, "sk": {"S": "STATE"}}
    item = cloud.get_item(TableName="table", Key=key)["Item"]
    item["doc"]["B"] = pack("[]")
    cloud.put_item(TableName="table", Item=item)
    new_process()
    listed = api("GET", "/pipelines")
    assert (listed.status, [one["name"] for one in listed.json["items"]]) == (200, ["Renewals"])
