"""`zebros tenants` against a table and an API, and the flush of API Gateway's cache."""

import json
from typing import Any

import pytest

from tests.component.edge.tenants import registry
from zebros.cli import tenants as command
from zebros.cli.app import main
from zebros.client.connection import Connection, Deployment
from zebros.client.stack import Resources
from zebros.errors import BadInput
from zebros.operations import tenants
from zebros.operations.tenants import Plan, State


class Gateway:
    """An API Gateway whose cache is flushed, or which refuses it."""

    def __init__(self) -> None:
        self.flushed: list[dict[str, str]] = []
        self.refuses = False

    def flush_stage_authorizers_cache(self, **arguments: str) -> None:
        if self.refuses:
            from botocore.exceptions import ClientError

            error = {"Error": {"Code": "AccessDenied", "Message": "you may not"}}
            raise ClientError(error, "FlushStageAuthorizersCache")  # type: ignore[arg-type]
        self.flushed.append(arguments)


@pytest.fixture
def gateway(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The command line with a stack in the test's cloud; pauses are not waited for."""
    made = Gateway()
    found = Resources({"tables": {"EdgeTable": "table"}, "rest_apis": {"Api": "api-1"}})
    deployment = Deployment(found, None, "us-east-1")
    clients = {"dynamodb": cloud, "apigateway": made}
    monkeypatch.setattr(Deployment, "aws", lambda _, service: clients[service])
    monkeypatch.setattr(Connection, "deployment", lambda _: deployment)
    monkeypatch.setattr(tenants.time, "sleep", lambda _: None)
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    """The exit code, the JSON and the notes of `zebros --json tenants …`."""
    code = main(["--json", "tenants", *words])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else None, printed.err


def test_a_new_stack_has_no_tenants(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list") == (0, [], "")


def test_tenants_are_added_and_listed_by_name(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    code, added, notes = run(capsys, "add", "globex", "--plan", "premium")
    assert code == 0
    assert added[0].items() >= {"name": "globex", "state": "active", "plan": "premium"}.items()
    assert "within 5 seconds" in notes
    run(capsys, "add", "acme")
    listed = run(capsys, "list")[1]
    assert [(one["name"], one["plan"]) for one in listed] == [
        ("acme", "standard"),
        ("globex", "premium"),
    ]
    assert gateway.flushed == [], "API Gateway caches no 401"


@pytest.mark.parametrize("name", ["Acme", "a/b", "-a", "a" * 64, "a_b", "acme."])
def test_a_name_that_no_realm_can_have_is_refused(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    code, _, error = run(capsys, "add", "--", name)
    assert code == 65
    assert "lower-case letters" in error


def test_a_known_tenant_is_not_added_again(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "add", "acme", "--plan", "premium")
    code, _, error = run(capsys, "add", "acme")
    assert code == 65
    assert "exists already" in error
    assert run(capsys, "list")[1][0]["plan"] == "premium"


def test_suspend_and_resume_flush_the_cache_of_the_authorizer_s_answers(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "add", "acme")
    code, changed, notes = run(capsys, "suspend", "acme", "--reason", "unpaid")
    assert (code, changed[0]["state"], changed[0]["reason"]) == (0, "suspended", "unpaid")
    assert "has taken effect" in notes
    assert gateway.flushed == [{"restApiId": "api-1", "stageName": "v1"}]
    code, changed, _ = run(capsys, "resume", "acme")
    assert (code, changed[0]["state"], changed[0]["reason"]) == (0, "active", "")
    assert len(gateway.flushed) == 2


def test_the_flush_waits_until_no_process_knows_the_old_state(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    deployment = Connection().deployment()
    tenants.forget_decisions(deployment, lambda s: pauses.append(s + len(gateway.flushed)))
    assert pauses == [5]
    assert len(gateway.flushed) == 1


def test_a_cache_that_cannot_be_flushed_is_reported(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "add", "acme")
    gateway.refuses = True
    code, changed, notes = run(capsys, "suspend", "acme")
    assert (code, changed[0]["state"]) == (0, "suspended")
    assert "you may not" in notes
    assert "within 300 seconds" in notes


def test_the_plan_is_changed(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", "acme")
    code, changed, _ = run(capsys, "plan", "acme", "premium")
    assert (code, changed[0]["plan"]) == (0, "premium")
    assert len(gateway.flushed) == 1
    assert run(capsys, "plan", "acme", "gold")[0] == 2


@pytest.mark.parametrize(
    "words", [("suspend", "acme"), ("resume", "acme"), ("plan", "acme", "premium")]
)
def test_an_unknown_tenant_cannot_be_changed(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    run(capsys, "add", "globex")
    code, _, error = run(capsys, *words)
    assert code == 65
    assert "There is no tenant acme" in error
    assert "There are: globex" in error
    assert gateway.flushed == []


def test_two_changes_at_once_are_both_made(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = registry(cloud), registry(cloud)
    one.add("acme")
    put = one._put

    def slower(tenant: Any, version: int) -> bool:
        monkeypatch.setattr(one, "_put", put)
        other.change("acme", plan=Plan.PREMIUM)
        return put(tenant, version)

    monkeypatch.setattr(one, "_put", slower)
    one.change("acme", state=State.SUSPENDED)
    found = one.get("acme")
    assert (found.state, found.plan) == (State.SUSPENDED, Plan.PREMIUM)


def test_registering_again_keeps_the_states(cloud: Any) -> None:
    found = registry(cloud)
    tenants.register_all(found, ("acme", "globex"))
    found.change("acme", state=State.SUSPENDED)
    tenants.register_all(found, ("acme", "globex", "initech"))
    assert {one.name: one.state for one in found.list()} == {
        "acme": State.SUSPENDED,
        "globex": State.ACTIVE,
        "initech": State.ACTIVE,
    }


def test_hundreds_of_tenants_are_listed(cloud: Any) -> None:
    for number in range(120):
        registry(cloud).add(f"t{number:03}")
    listed = list(registry(cloud).list())
    assert len(listed) == 120
    with pytest.raises(BadInput):
        registry(cloud).get("t120")


def test_names_states_and_plans_are_those_that_the_authorizer_knows() -> None:
    """The command line imports nothing of services/ (docs/adr/0012)."""
    from edge import registry as edge
    from edge.tokens import TENANT

    assert tenants.NAME.pattern == TENANT.pattern
    assert [one.value for one in State] == [one.value for one in edge.TenantState]
    assert [one.value for one in Plan] == [one.value for one in edge.Plan]
    assert tenants.KNOWN_SECONDS == edge.KNOWN_SECONDS
    assert command.KNOWN_SECONDS == edge.KNOWN_SECONDS
