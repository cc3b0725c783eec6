"""The default pipeline is published once per tenant, before its first opportunity or change."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.domain.clock import utc_now
from kernel.domain.ids import new_id
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.runtime import aws
from kernel.storage.references import References
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.bootstrap import opportunities
from opportunities.events.opportunities import OpportunityFields
from opportunities.repository.opportunities import OpportunityRepository
from opportunities.repository.pipelines import PipelineRepository
from opportunities.repository.products import ProductRepository
from opportunities.service.opportunities import OpportunityService, Placement
from tests.component.conftest import ApiClient, opportunity_events, published
from tests.component.kernel.interleaving import StepTable, interleave
from tests.component.opportunities.conftest import STAGES
from tests.component.test_budgets import Meter

OPPORTUNITY = {"name": "Cancity - GTX"}


def pipeline_events(cloud: Any, tenant: str = "acme") -> list[dict[str, Any]]:
    """The events about pipelines of a tenant."""
    found = [event for event in published(cloud) if event["subject"].startswith("pipeline/")]
    return [event for event in found if event["tenantid"] == tenant]


def new_process() -> None:
    """Clear what a function has cached in memory."""
    opportunities.cache_clear()


def test_the_first_opportunity_publishes_the_default_pipeline(api: ApiClient, cloud: Any) -> None:
    api("GET", "/pipelines/default")
    api("GET", "/pipelines")
    assert published(cloud) == [], "reading publishes nothing"
    api("POST", "/opportunities", OPPORTUNITY, {"x-correlation-id": "corr-1"})
    (event,) = pipeline_events(cloud)
    assert (event["type"], event["subject"]) == ("PipelineCreated", "pipeline/default")
    assert (event["sequence"], event["actor"], event["correlationid"]) == ("1", "system", "corr-1")
    assert event["data"]["current"] == api("GET", "/pipelines/default").json
    stages = [stage["name"] for stage in event["data"]["current"]["stages"]]
    assert stages == ["Lead", "Qualified", "Proposal", "Negotiation", "Won", "Lost"]


def test_later_opportunities_cost_one_transaction(api: ApiClient, cloud: Any) -> None:
    meter = Meter()
    api("POST", "/opportunities", OPPORTUNITY)
    assert meter.taken() == {"GetItem": 1, "TransactWriteItems": 1}
    assert next(r for r in meter.requests if "Key" in r)["ConsistentRead"], "it may be changed"
    assert len(meter.requests[-1]["TransactItems"]) == 4, (
        "the opportunity, the pipeline, their events"
    )
    for _ in range(2):
        api("POST", "/opportunities", OPPORTUNITY)
        assert meter.taken() == {"GetItem": 1, "TransactWriteItems": 1}
        assert len(meter.requests[-1]["TransactItems"]) == 2
    assert len(pipeline_events(cloud)) == 1


def test_another_process_does_not_publish_it_again(api: ApiClient, cloud: Any) -> None:
    api("POST", "/opportunities", OPPORTUNITY)
    new_process()
    meter = Meter()
    api("POST", "/opportunities", OPPORTUNITY)
    assert meter.taken() == {"GetItem": 1, "TransactWriteItems": 1}
    assert len(meter.requests[-1]["TransactItems"]) == 2
    assert len(pipeline_events(cloud)) == 1


def test_a_stale_read_does_not_publish_the_pipeline_twice(
    api: ApiClient, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api("POST", "/opportunities", OPPORTUNITY)
    new_process()
    pipelines = opportunities()._pipelines
    of_item = pipelines.of_item
    monkeypatch.setattr(pipelines, "of_item", lambda tenant, one, _: of_item(tenant, one, None))
    meter = Meter()
    answer = api("POST", "/opportunities", OPPORTUNITY, {"idempotency-key": "k"})
    assert answer.status == 201
    assert meter.taken() == {"GetItem": 2, "TransactWriteItems": 2, "PutItem": 1}
    again = api("POST", "/opportunities", OPPORTUNITY, {"idempotency-key": "k"})
    assert again.text == answer.text
    assert (len(pipeline_events(cloud)), len(opportunity_events(cloud))) == (1, 2)


def test_an_opportunity_in_another_pipeline_publishes_no_default_one(
    api: ApiClient, cloud: Any
) -> None:
    own = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json["id"]
    api("POST", "/opportunities", {**OPPORTUNITY, "pipeline_id": own})
    assert [event["subject"] for event in pipeline_events(cloud)] == [f"pipeline/{own}"]
    api("POST", "/opportunities", OPPORTUNITY)
    assert len(pipeline_events(cloud)) == 2


def test_a_batch_publishes_the_default_pipeline_once(api: ApiClient, cloud: Any) -> None:
    items = [{**OPPORTUNITY, "external_ids": {"erp": str(n)}} for n in range(5)]
    answer = api("POST", "/opportunities/batch", {"items": items})
    assert {result["status"] for result in answer.json["results"]} == {201}
    assert (len(pipeline_events(cloud)), len(opportunity_events(cloud))) == (1, 5)


def test_a_rejected_request_publishes_nothing(api: ApiClient, cloud: Any) -> None:
    own = api("POST", "/pipelines", {"name": "Renewals", "stages": STAGES}).json["id"]
    existing = {**OPPORTUNITY, "external_ids": {"erp": "4711"}}
    assert api("POST", "/opportunities", {**existing, "pipeline_id": own}).status == 201
    meter = Meter()
    rejected = api("POST", "/opportunities", existing)
    assert meter.taken() == {"GetItem": 3, "TransactWriteItems": 1}, (
        "there is no second attempt; two reads find the record that has the external id"
    )
    assert rejected.json["type"] == "urn:zebros:problem:duplicate-external-id"
    assert len(pipeline_events(cloud)) == 1
    assert api("POST", "/opportunities", OPPORTUNITY).status == 201
    assert len(pipeline_events(cloud)) == 2


def test_every_tenant_publishes_its_own_default_pipeline(api: ApiClient, cloud: Any) -> None:
    for tenant in ("acme", "globex", "acme"):
        api.as_(tenant=tenant)("POST", "/opportunities", OPPORTUNITY)
    assert [len(pipeline_events(cloud, tenant)) for tenant in ("acme", "globex")] == [1, 1]


def test_the_stored_default_pipeline_is_in_lists_once_and_first(api: ApiClient) -> None:
    api("POST", "/pipelines", {"name": "Alpha", "stages": STAGES})
    before = api("GET", "/pipelines").json
    api("POST", "/opportunities", OPPORTUNITY)
    assert api("GET", "/pipelines").json == before
    assert [pipeline["name"] for pipeline in before["items"]] == ["Sales", "Alpha"]
    first = api("GET", "/pipelines?limit=1").json
    rest = api("GET", f"/pipelines?limit=1&cursor={first['next_cursor']}").json
    assert [p["name"] for p in first["items"] + rest["items"]] == ["Sales", "Alpha"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 2), max_size=12))
def test_exactly_one_of_several_concurrent_requests_publishes_the_pipeline(
    cloud: Any, turns: list[int]
) -> None:
    tenant = f"t-{new_id().lower()}"
    principal = Principal(tenant, "ann", frozenset({Role.ADMINISTRATOR}))

    def create() -> Callable[[], object]:
        table = StepTable(aws.client("dynamodb"), "table")
        process = OpportunityService(
            OpportunityRepository(table, utc_now),
            PipelineRepository(table, utc_now),
            ProductRepository(table, utc_now),
            References(table, "opportunities-references", utc_now),
            utc_now,
        )
        unit = UnitOfWork(RequestContext(principal))
        return lambda: process.create(unit, OpportunityFields(name="A"), Placement())

    works = [create() for _ in range(3)]
    created = interleave(works, iter([*turns, *[0] * 100]), [None] * 3)
    assert len({opportunity.id for opportunity in created}) == 3  # type: ignore[attr-defined]
    assert len(pipeline_events(cloud, tenant)) == 1
