"""Products and pipelines: their stored fields, and the order of lists."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient, published
from tests.component.customers.conftest import pages, path_of
from tests.component.opportunities.conftest import ANY, STAGES


def a_product(api: ApiClient, name: str, **fields: Any) -> Answer:
    answer = api("POST", "/products", {"name": name, **fields})
    assert answer.status == 201, answer.text
    return answer


def a_pipeline(api: ApiClient, name: str) -> Answer:
    answer = api("POST", "/pipelines", {"name": name, "stages": STAGES})
    assert answer.status == 201, answer.text
    return answer


def test_a_product_is_shown_as_it_was_entered(api: ApiClient, cloud: Any) -> None:
    price = {"minor_units": 55000, "currency": "USD"}
    product = a_product(api, "GTX Basic", code="GTX-B", family="GTX", price=price)
    seen = api("GET", path_of(product))
    assert seen.json == product.json
    assert seen.headers["etag"] == '"1"'
    shown = {name: seen.json[name] for name in ("name", "code", "family", "price", "active")}
    assert shown == {
        "name": "GTX Basic",
        "code": "GTX-B",
        "family": "GTX",
        "price": price,
        "active": True,
    }
    (event,) = published(cloud)
    assert (event["type"], event["data"]["current"]) == ("ProductCreated", product.json)


def test_the_event_of_a_product_change_has_the_previous_values(api: ApiClient, cloud: Any) -> None:
    product = a_product(api, "GTX", code="G")
    path = path_of(product)
    changed = api("PATCH", path, {"active": False, "code": None}, product.etag)
    assert (changed.status, changed.json["active"], changed.json["version"]) == (200, False, 2)
    assert "code" not in changed.json
    assert api("GET", path).json == changed.json
    _, event = published(cloud)
    assert event["type"] == "ProductUpdated"
    assert event["data"]["changed"] == ["code", "active"]
    assert event["data"]["previous"] == {"code": "G", "active": True}
    assert api("PATCH", path, {"active": False}, changed.etag).json["version"] == 2
    assert api("PATCH", path, {"active": True}, product.etag).status == 412
    assert len(published(cloud)) == 2


def test_products_are_listed_by_name_without_case_and_accents(api: ApiClient) -> None:
    for name in ("delta", "Zeta", "Écru", "alpha", "Beta"):
        a_product(api, name)
    wanted = ["alpha", "Beta", "delta", "Écru", "Zeta"]
    for limit in (1, 2, 200):
        assert [p["name"] for p in pages(api, f"/products?limit={limit}")] == wanted
    assert api.as_(tenant="globex")("GET", "/products").json == {"items": []}


def test_a_product_is_found_by_its_external_id(api: ApiClient) -> None:
    product = a_product(api, "GTX", external_ids={"erp": "4711"})
    assert api("GET", "/products?external_id=erp:4711").json == {"items": [product.json]}
    assert api("GET", "/products?external_id=erp:4712").json == {"items": []}


def test_a_product_is_created_and_changed_by_batch(api: ApiClient) -> None:
    row = {"name": "GTX", "external_ids": {"erp": "4711"}}
    for changes, status, version in (({}, 201, 1), ({}, 200, 1), ({"code": "G"}, 200, 2)):
        answer = api("POST", "/products/batch", {"items": [{**row, **changes}]})
        (result,) = answer.json["results"]
        assert (result["status"], result["version"]) == (status, version)


def test_a_pipeline_is_shown_as_it_was_set_up(api: ApiClient, cloud: Any) -> None:
    pipeline = a_pipeline(api, "Renewals")
    assert api("GET", path_of(pipeline)).json == pipeline.json
    first, *_ = pipeline.json["stages"]
    assert first == {**STAGES[0], "kind": "open"}
    (event,) = published(cloud)
    assert (event["type"], event["data"]["current"]) == ("PipelineCreated", pipeline.json)
    assert api.as_(tenant="globex")("GET", path_of(pipeline)).status == 404


def test_every_tenant_has_the_default_pipeline(api: ApiClient) -> None:
    for tenant in ("acme", "globex"):
        shown = api.as_(tenant=tenant)("GET", "/pipelines/default").json
        assert (shown["id"], shown["name"]) == ("default", "Sales")
        assert [(s["key"], s["probability"], s["kind"]) for s in shown["stages"]] == [
            ("lead", 10, "open"),
            ("qualified", 25, "open"),
            ("proposal", 50, "open"),
            ("negotiation", 75, "open"),
            ("won", 100, "won"),
            ("lost", 0, "lost"),
        ]


@pytest.mark.parametrize(
    "character", ["ΐ", "🦓", "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"]
)
def test_a_long_name_in_any_script_is_accepted(api: ApiClient, character: str) -> None:
    """A folded name may be longer than the name, but a sort key has at most 1,024 bytes."""
    name = character * 200
    product, pipeline = a_product(api, name), a_pipeline(api, name)
    assert api("GET", "/products").json["items"] == [product.json]
    assert pages(api, "/pipelines")[1:] == [pipeline.json]
    assert product.json["name"] == pipeline.json["name"] == name


@pytest.mark.parametrize("own", [0, 1, 4])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 200])
def test_pipelines_are_listed_once_with_the_default_first(
    api: ApiClient, own: int, limit: int
) -> None:
    names = [f"P{number}" for number in range(own)]
    for name in reversed(names):
        a_pipeline(api, name)
    seen: list[str] = []
    path = f"/pipelines?limit={limit}"
    cursor = ""
    while True:
        page = api("GET", path + cursor).json
        assert 1 <= len(page["items"]) <= limit, "never more, and no empty page"
        seen += [pipeline["name"] for pipeline in page["items"]]
        if "next_cursor" not in page:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["Sales", *names]
    if cursor:
        foreign = api.as_(tenant="globex")("GET", path + cursor)
        assert (foreign.status, foreign.json["errors"][0]["field"]) == (422, "cursor")


@pytest.mark.parametrize("way", ["POST", "PATCH", "batch"])
def test_an_inactive_product_is_not_added(api: ApiClient, cloud: Any, way: str) -> None:
    product = api("POST", "/products", {"name": "Old", "active": False}).json["id"]
    opportunity = api("POST", "/opportunities", {"name": "x"}).json
    before = len(published(cloud))
    fields = {"name": "x", "product_id": product}
    if way == "POST":
        answer = api("POST", "/opportunities", fields)
    elif way == "PATCH":
        answer = api("PATCH", f"/opportunities/{opportunity['id']}", fields, ANY)
    else:
        row = {**fields, "external_ids": {"crm": "1"}}
        answer = api("POST", "/opportunities/batch", {"items": [row]})
    problem = answer.json["results"][0]["problem"] if way == "batch" else answer.json
    assert problem["status"] == 422
    assert problem["errors"][0]["field"] == "product_id"
    assert "not active" in problem["detail"]
    assert len(published(cloud)) == before


def test_a_product_that_becomes_inactive_stays_on_its_opportunities(api: ApiClient) -> None:
    product = api("POST", "/products", {"name": "Old"}).json["id"]
    opportunity = api("POST", "/opportunities", {"name": "x", "product_id": product}).json
    api("PATCH", f"/products/{product}", {"active": False}, ANY)
    path = f"/opportunities/{opportunity['id']}"
    assert api("PATCH", path, {"name": "y", "product_id": product}, ANY).status == 200
