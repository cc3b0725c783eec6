"""The tenant's country: set by `zebros tenants`, handed on by the authorizer."""

import json
from typing import Any

import pytest

from edge import authorizer
from edge.registry import TenantRegistry
from kernel.storage.table import Table
from tests.component.edge.tenants import TABLE, registry
from tests.component.edge.test_authorizer import ask, issuer
from tests.component.edge.test_tenants_command import gateway, run
from zebros.local.issuer import Issuer

__all__ = ["ask", "gateway", "issuer"]


def country_of(cloud: Any, name: str) -> str | None:
    tenant = TenantRegistry(Table(cloud, TABLE)).find(name)
    assert tenant is not None
    return tenant.country


def test_the_country_is_set_shown_and_removed(
    gateway: Any, cloud: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "add", "acme", "--country", "DE")[1][0]["country"] == "DE"
    assert country_of(cloud, "acme") == "DE"
    code, changed, _ = run(capsys, "country", "acme", "US")
    assert (code, changed[0]["country"]) == (0, "US")
    assert [one["country"] for one in run(capsys, "list")[1]] == ["US"]
    assert country_of(cloud, "acme") == "US"
    assert len(gateway.flushed) == 1, "it takes effect for tokens in use"
    run(capsys, "suspend", "acme")
    run(capsys, "resume", "acme")
    assert country_of(cloud, "acme") == "US"
    assert run(capsys, "country", "acme", "none")[1][0]["country"] == ""
    assert country_of(cloud, "acme") is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("de", "to write DE"), ("Germany", "such as US or DE"), ("XX", "such as US")],
)
def test_a_wrong_country_is_refused_with_what_would_be_right(
    gateway: Any, cloud: Any, capsys: pytest.CaptureFixture[str], wrong: str, right: str
) -> None:
    run(capsys, "add", "acme")
    for words in (("country", "acme", wrong), ("add", "globex", "--country", wrong)):
        code, _, notes = run(capsys, *words)
        assert code == 65
        assert right in " ".join(notes.split())
        assert "ISO 3166" in notes
    assert country_of(cloud, "acme") is None
    assert [one.name for one in registry(cloud).list()] == ["acme"]


def stored(cloud: Any, **document: Any) -> None:
    """A document as it may be in the registry."""
    registry(cloud).add("initech")
    key = {"pk": {"S": "TENANT#initech"}, "sk": {"S": "TENANT"}}
    item = cloud.get_item(TableName=TABLE, Key=key)["Item"]
    before = json.loads(item["doc"]["S"])
    before.pop("country")
    item["doc"]["S"] = json.dumps({**before, **document})
    cloud.put_item(TableName=TABLE, Item=item)


def test_a_document_from_before_there_were_countries_has_none(cloud: Any) -> None:
    stored(cloud)
    assert registry(cloud).get("initech").country == ""
    assert country_of(cloud, "initech") is None


@pytest.mark.parametrize("wrong", ["Germany", "de", 5, None, ["DE"], ""])
def test_a_country_that_is_no_code_locks_nobody_out(cloud: Any, wrong: Any) -> None:
    stored(cloud, country=wrong)
    assert country_of(cloud, "initech") is None


def test_the_authorizer_hands_the_country_on(ask: Any, issuer: Issuer, cloud: Any) -> None:
    context = ask(f"Bearer {issuer.mint('acme', 'rep')}")["context"]
    assert context["country"] == "", "API Gateway takes no null"
    registry(cloud).change("acme", country="DE")
    authorizer.registry.cache_clear()
    assert ask(f"Bearer {issuer.mint('acme', 'rep')}")["context"]["country"] == "DE"
