"""The API of the deployed CRM, called with tokens of our Keycloak."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import httpx
import jwt
import pytest

from kernel.domain.permissions import Role
from tests.identity.conftest import REDIRECT, TENANT, Identity
from tests.identity.crm import Caller, Crm
from tests.identity.test_sign_in import Person, claims_of, machine_token
from tools.realm import Options, realm

numbers = itertools.count(1)
SHORT_SECONDS = 2
LEEWAY_SECONDS = 5


def account() -> dict[str, Any]:
    return {"name": f"Account {next(numbers)}"}


def assert_rejected(answer: httpx.Response) -> None:
    """As docs/problems.md has it."""
    assert answer.status_code == HTTPStatus.UNAUTHORIZED, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    problem = answer.json()
    assert problem["type"] == "urn:zebros:problem:unauthenticated"
    assert problem["detail"] == "Send a bearer token of your tenant's identity provider."


@pytest.fixture(scope="module")
def tokens(identity: Identity) -> dict[str, dict[str, Any]]:
    """The tokens of one person for each role, and of one without any."""
    found = {}
    for role in (*Role, ""):
        name = f"with-{role}" if role else "without"
        identity.add_person(name, role, "emea")
        found[str(role)] = Person(identity, name).sign_in()
    return found


@pytest.mark.parametrize(
    ("role", "reads", "writes", "requests_reports"),
    [
        (Role.ADMINISTRATOR, True, True, True),
        (Role.SALES_MANAGER, True, True, True),
        (Role.SALES_REPRESENTATIVE, True, True, True),
        (Role.SUPPORT_AGENT, True, True, False),
        (Role.READ_ONLY, True, False, True),
        ("", False, False, False),
    ],
)
def test_a_role_of_the_realm_gives_its_rights(
    crm: Crm,
    tokens: dict[str, dict[str, Any]],
    role: str,
    reads: bool,
    writes: bool,
    requests_reports: bool,
) -> None:
    token = tokens[role]["access_token"]
    read = crm("GET", "/accounts", token)
    written = crm("POST", "/accounts", token, account())
    requested = crm("POST", "/reports", token, {"report": "win_rate", "format": "json"})
    assert read.status_code == (200 if reads else 403), read.text
    assert written.status_code == (201 if writes else 403), written.text
    assert requested.status_code == (202 if requests_reports else 403), requested.text
    if not writes:
        assert written.json()["type"] == "urn:zebros:problem:forbidden"


def test_a_machine_reads_and_cannot_write(crm: Crm, identity: Identity) -> None:
    token = machine_token(identity)["access_token"]
    assert crm("GET", "/accounts", token).status_code == 200
    assert crm("POST", "/accounts", token, account()).status_code == 403


def test_a_new_record_belongs_to_the_user_and_the_team_of_the_token(
    crm: Crm, tokens: dict[str, dict[str, Any]]
) -> None:
    token = tokens[Role.SALES_REPRESENTATIVE]["access_token"]
    made = crm("POST", "/accounts", token, account()).json()
    assert (made["owner_id"], made["team_id"]) == (claims_of(token)["sub"], "emea")


def test_a_refresh_gives_a_token_that_works(
    crm: Crm, identity: Identity, tokens: dict[str, dict[str, Any]]
) -> None:
    name = f"with-{Role.SALES_MANAGER}"
    before = tokens[Role.SALES_MANAGER]
    after = Person(identity, name).refresh(before["refresh_token"])
    tokens[Role.SALES_MANAGER] = after
    assert after["access_token"] != before["access_token"]
    made = crm("POST", "/accounts", after["access_token"], account())
    assert made.status_code == 201, made.text
    assert made.json()["owner_id"] == claims_of(before["access_token"])["sub"]


def test_only_the_access_token_is_accepted(crm: Crm, tokens: dict[str, dict[str, Any]]) -> None:
    given = tokens[Role.ADMINISTRATOR]
    assert claims_of(given["id_token"])["iss"] == claims_of(given["access_token"])["iss"]
    for name in ("id_token", "refresh_token"):
        assert_rejected(crm("GET", "/accounts", given[name]))
    assert_rejected(crm("GET", "/accounts", ""))
    head, body, signature = given["access_token"].split(".")
    assert_rejected(crm("GET", "/accounts", f"{head}.{body}.{signature[::-1]}"))
    assert crm("GET", "/accounts", given["access_token"]).status_code == 200


@contextmanager
def added(identity: Identity, options: Options, **changed: Any) -> Iterator[None]:
    """Another realm made by our template."""
    with identity.administration() as admin:
        admin.post("", json=realm(options) | changed).raise_for_status()
    try:
        yield
    finally:
        with identity.administration() as admin:
            admin.delete(f"/{options.tenant}").raise_for_status()


def test_a_token_for_another_audience_is_rejected(crm: Crm, identity: Identity) -> None:
    with added(identity, Options("initech", (REDIRECT,), audience="another-api")):
        token = machine_token(identity, "initech")["access_token"]
        assert claims_of(token)["aud"] == "another-api"
        assert_rejected(crm("GET", "/accounts", token))


def test_an_administrator_of_keycloak_is_nobody_in_the_crm(crm: Crm, identity: Identity) -> None:
    with identity.administration() as admin:
        token = admin.headers["Authorization"].removeprefix("Bearer ")
    assert claims_of(token)["iss"].endswith("/realms/master")
    assert_rejected(crm("GET", "/accounts", token))


def test_another_realm_is_another_tenant(
    crm: Crm, identity: Identity, tokens: dict[str, dict[str, Any]]
) -> None:
    made = crm("POST", "/accounts", tokens[Role.ADMINISTRATOR]["access_token"], account()).json()
    with added(identity, Options("globex", (REDIRECT,), machine_role=Role.ADMINISTRATOR)):
        token = machine_token(identity, "globex")["access_token"]
        assert crm("GET", "/accounts", token).json()["items"] == []
        foreign = crm("GET", f"/accounts/{made['id']}", token)
    assert foreign.status_code == 404
    assert foreign.json()["type"] == "urn:zebros:problem:not-found"


def test_an_expired_token_is_rejected(crm: Crm, identity: Identity) -> None:
    with added(identity, Options("hooli", (REDIRECT,))):
        lasting = machine_token(identity, "hooli")["access_token"]
        with identity.administration() as admin:
            shorter = {"accessTokenLifespan": SHORT_SECONDS}
            admin.put("/hooli", json=shorter).raise_for_status()
        short = machine_token(identity, "hooli")["access_token"]
        time.sleep(SHORT_SECONDS + LEEWAY_SECONDS + 1)
        assert crm("GET", "/accounts", lasting).status_code == 200
        assert_rejected(crm("GET", "/accounts", short))


def remove_keys(identity: Identity, kid: str) -> None:
    """Remove the provider of a key."""
    with identity.administration() as admin:
        keys = admin.get(f"/{TENANT}/keys").raise_for_status().json()["keys"]
        (provider,) = {one["providerId"] for one in keys if one["kid"] == kid}
        admin.delete(f"/{TENANT}/components/{provider}").raise_for_status()


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_a_new_signing_key_is_used_without_a_failed_request(
    crm: Crm, identity: Identity, tokens: dict[str, dict[str, Any]]
) -> None:
    old = tokens[Role.READ_ONLY]["access_token"]
    current = [old]
    with Caller(crm, lambda: current[0]).calling():
        identity.add_signing_key(priority=200)
        # At once, although the authorizer has just fetched the former keys.
        new = machine_token(identity)["access_token"]
        assert kid_of(new) != kid_of(old)
        assert crm("GET", "/accounts", new).status_code == 200
        current[0] = new
        assert crm("GET", "/accounts", old).status_code == 200, "its key is still published"
        time.sleep(1)
    remove_keys(identity, kid_of(old))
    ada = Person(identity, "ada").sign_in()["access_token"]
    assert kid_of(ada) == kid_of(new)
    assert crm("GET", "/accounts", ada).status_code == 200
