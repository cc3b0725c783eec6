"""The registry of tenants decides before the identity provider is asked."""

from typing import Any

import pytest

from edge import authorizer, keys
from edge.refusals import CannotCheck
from edge.registry import KNOWN_SECONDS, Plan, Tenant, TenantRegistry, TenantState
from kernel.storage.table import Table
from tests.component.edge.provider import Provider
from tests.component.edge.tenants import registry
from tests.component.edge.test_hung_provider import asked, later, new_process, provider
from zebros.operations import tenants as operations

__all__ = ["provider"]


def test_forty_tokens_of_unknown_realms_cause_no_call(provider: Provider) -> None:
    """Each of them caused one, of up to three seconds."""
    unknown = [provider.issuer.mint(f"nobody-{number}", "rep") for number in range(40)]
    provider.taken()
    found = asked(*unknown)
    assert found.counts == {"Unauthorized": 40}
    assert provider.taken() == 0
    print(found)


class Reads:
    """The reads of a table."""

    def __init__(self, table: Table) -> None:
        self.made: list[str] = []
        self._table = table

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> Any:
        assert consistent
        self.made.append(pk)
        return self._table.get(pk, sk, consistent=consistent)


@pytest.fixture
def reads(cloud: Any) -> Reads:
    return Reads(Table(cloud, "table"))


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_known_for_five_seconds_also_that_there_is_no_such_tenant(
    cloud: Any, reads: Reads
) -> None:
    registry(cloud).add("acme", operations.Plan.PREMIUM)
    clock = Clock()
    tenants = TenantRegistry(reads, clock)  # type: ignore[arg-type]
    for _ in range(3):
        assert tenants.find("acme") == Tenant(TenantState.ACTIVE, Plan.PREMIUM)
        assert tenants.find("nobody") is None
        assert reads.made == ["TENANT#acme", "TENANT#nobody"]
    registry(cloud).add("nobody")
    clock.now += KNOWN_SECONDS - 0.01
    assert tenants.find("nobody") is None
    clock.now += 0.01
    assert tenants.find("nobody") == Tenant(TenantState.ACTIVE, Plan.STANDARD)


def test_a_process_keeps_a_thousand_answers(reads: Reads) -> None:
    tenants = TenantRegistry(reads, Clock())  # type: ignore[arg-type]
    tenants.find("first")
    tenants.find("second")
    for number in range(998):
        tenants.find(f"n{number}")
    tenants.find("first")
    tenants.find("one-more")
    reads.made.clear()
    tenants.find("first")
    assert reads.made == [], "used last, so the second was forgotten"
    tenants.find("second")
    assert reads.made == ["TENANT#second"]


def test_a_suspended_tenant_is_denied_and_no_provider_is_asked(
    provider: Provider, cloud: Any
) -> None:
    token = provider.issuer.mint("acme", "rep")
    assert asked(token).counts == {"Allow": 1}
    registry(cloud).change("acme", state=operations.State.SUSPENDED)
    provider.taken()
    authorizer.registry.cache_clear()
    later(provider, keys.KEYS_SECONDS + 1)
    assert asked(token).counts == {"Deny": 1}
    assert provider.taken() == 0
    registry(cloud).change("acme", state=operations.State.ACTIVE)
    authorizer.registry.cache_clear()
    assert asked(token).counts == {"Allow": 1}


def test_a_suspended_tenant_whose_keys_nobody_knows_is_denied(
    provider: Provider, cloud: Any
) -> None:
    registry(cloud).change("acme", state=operations.State.SUSPENDED)
    assert asked(provider.issuer.mint("acme", "rep")).counts == {"Deny": 1}
    assert provider.taken() == 0


def test_a_forged_token_does_not_show_that_its_tenant_is_suspended(
    provider: Provider, cloud: Any
) -> None:
    asked(provider.issuer.mint("acme", "rep"))
    registry(cloud).change("acme", state=operations.State.SUSPENDED)
    new_process()
    forged = provider.issuer.mint("acme", "rep", foreign_key=True)
    assert asked(forged).counts == {"Unauthorized": 1}
    assert asked(provider.issuer.mint("acme", "rep")).counts == {"Deny": 1}


def test_a_deny_is_about_the_whole_stage_and_names_nobody(provider: Provider, cloud: Any) -> None:
    registry(cloud).change("acme", state=operations.State.SUSPENDED)
    token = provider.issuer.mint("acme", "rep")
    event = {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:ws/live/$connect",
        "queryStringParameters": {"token": token},
    }
    answer = authorizer.handler(event, None)
    assert answer == {
        "principalId": "acme",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Deny",
                    "Resource": "arn:aws:execute-api:us-east-1:000000000000:ws/live/*",
                }
            ],
        },
    }


def test_the_plan_goes_with_the_caller(provider: Provider, cloud: Any) -> None:
    registry(cloud).change("acme", plan=operations.Plan.PREMIUM)
    for tenant, plan in (("acme", "premium"), ("globex", "standard")):
        token = provider.issuer.mint(tenant, "admin")
        event = {"type": "REQUEST", "methodArn": "a/v1", "queryStringParameters": {"token": token}}
        assert authorizer.handler(event, None)["context"]["plan"] == plan


def test_without_the_registry_nobody_can_be_checked(provider: Provider, cloud: Any) -> None:
    cloud.delete_table(TableName="table")
    token = provider.issuer.mint("acme", "rep")
    assert asked(token).counts == {"503": 1}
    assert provider.taken() == 0


@pytest.mark.parametrize(
    "doc", ["", "[]", "{}", '{"state": "on", "plan": "standard"}', '{"state": "active"}']
)
def test_a_tenant_in_a_form_that_is_not_known_cannot_be_checked(
    provider: Provider, cloud: Any, doc: str
) -> None:
    item = {"pk": {"S": "TENANT#acme"}, "sk": {"S": "TENANT"}, "doc": {"S": doc}}
    cloud.put_item(TableName="table", Item=item)
    with pytest.raises(CannotCheck):
        authorizer.registry().find("acme")
