"""The authorizer with a real issuer on loopback: valid tokens, and forged ones."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from edge import authorizer, provider, tokens
from edge.refusals import CannotCheck, Rejected
from tests.component.edge.tenants import register
from zebros.local.issuer import HOST, Issuer, _Server
from zebros.local.realms import Realm, new_key

ARN = "arn:aws:execute-api:us-east-1:000000000000:api/v1/GET/accounts"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    home: Path = tmp_path_factory.mktemp("issuer")
    server = _Server((HOST, 0), Issuer(home, ""))
    base = f"http://{HOST}:{server.server_address[1]}/realms/"
    server.issuer = Issuer(home, base)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.issuer
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(issuer: Issuer, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    register(cloud, "acme", "globex")
    monkeypatch.setenv("ISSUER_BASE", issuer.base)
    monkeypatch.setenv("AUDIENCE", "zebros-api")
    monkeypatch.setenv("PEOPLE_KEY", "people")
    monkeypatch.setenv("MACHINES_KEY", "machines")

    def asked(header: str) -> dict[str, Any]:
        event = {"type": "TOKEN", "authorizationToken": header, "methodArn": ARN}
        return authorizer.handler(event, None)

    return asked


def test_a_good_token_allows_the_stage_and_names_the_caller(ask: Any, issuer: Issuer) -> None:
    answer = ask(f"Bearer {issuer.mint('acme', 'manager')}")
    assert answer["context"]["tenant"] == "acme"
    assert answer["context"]["user"] == "manager"
    assert answer["context"]["roles"] == "sales-manager"
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    # API Gateway caches the policy per token, so it must allow every method.
    assert statement["Resource"].endswith(":api/v1/*")


CLIENT_CREDENTIALS = {
    "RFC 9068": {"client_id": "erp", "sub": "erp"},
    "Keycloak": {"client_id": "erp", "preferred_username": "service-account-erp"},
}


@pytest.mark.parametrize("claims", CLIENT_CREDENTIALS.values(), ids=CLIENT_CREDENTIALS)
def test_a_client_s_own_token_takes_part_in_the_plan_of_machines(
    ask: Any, issuer: Issuer, claims: dict[str, str]
) -> None:
    answer = ask(f"Bearer {issuer.mint('acme', 'manager', **claims)}")
    assert answer["usageIdentifierKey"] == "machines"
    assert answer["context"]["machine"] == "yes"


@pytest.mark.parametrize("claims", [{}, {"client_id": "web"}, {"preferred_username": "manager"}])
def test_a_person_s_token_takes_part_in_the_plan_of_people(
    ask: Any, issuer: Issuer, claims: dict[str, str]
) -> None:
    answer = ask(f"Bearer {issuer.mint('acme', 'manager', **claims)}")
    assert answer["usageIdentifierKey"] == "people"
    assert answer["context"]["machine"] == ""


def test_the_tenant_comes_from_the_issuer_and_never_from_a_claim(ask: Any, issuer: Issuer) -> None:
    token = issuer.mint("globex", "admin", tenantid="acme", tenant_id="acme")
    assert ask(f"Bearer {token}")["context"]["tenant"] == "globex"


def test_an_unknown_role_grants_nothing(ask: Any, issuer: Issuer) -> None:
    token = issuer.mint("acme", "rep", realm_access={"roles": ["root", "read-only"]})
    assert ask(f"Bearer {token}")["context"]["roles"] == "read-only"


@pytest.mark.parametrize(
    "claim", ["administrator", ["administrator"], {"roles": "administrator"}, {"roles": [["x"]]}, 1]
)
def test_a_claim_of_roles_in_another_form_grants_nothing(
    ask: Any, issuer: Issuer, claim: Any
) -> None:
    token = issuer.mint("acme", "rep", realm_access=claim)
    assert ask(f"Bearer {token}")["context"]["roles"] == ""


def test_only_an_rsa_key_proves_a_token(
    ask: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.mint("acme", "rep")
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    published = {**ECAlgorithm.to_jwk(curve, as_dict=True), "use": "sig"}
    monkeypatch.setattr(Realm, "public_key", lambda realm: {**published, "kid": realm.key_id})
    with pytest.raises(CannotCheck, match="does not answer"):
        ask(f"Bearer {token}")


@pytest.mark.parametrize(
    "forgery",
    [
        {"lifetime_s": -60},
        {"unsigned": True},
        {"foreign_key": True},
        {"aud": "another-api"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"iss": "http://evil.example/realms/acme"},
        {"iss": None},
        {"exp": True},
        {"exp": "2100-01-01"},
    ],
    ids=str,
)
def test_a_forged_token_is_rejected(ask: Any, issuer: Issuer, forgery: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {issuer.mint('acme', 'admin', **forgery)}")


def test_a_token_of_one_tenant_is_rejected_for_another(ask: Any, issuer: Issuer) -> None:
    token = issuer.mint("globex", "admin", iss=f"{issuer.base}acme")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {token}")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer abc", "Basic YTpi", "Bearer a.b.c"])
def test_a_malformed_token_is_rejected(ask: Any, header: str) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(header)


@pytest.mark.parametrize("tenant", ["acme/../globex", "ACME", "", "-a", "a" * 64, "acme\n"])
def test_an_issuer_that_names_no_tenant_is_rejected(tenant: str) -> None:
    with pytest.raises(Rejected):
        tokens.tenant_of(f"https://id.example/realms/{tenant}", "https://id.example/realms/")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/keys", "{issuer}x/keys", "/keys"])
def test_keys_outside_the_issuer_are_not_fetched(
    ask: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    document = {"jwks_uri": elsewhere.format(issuer=f"{issuer.base}acme")}
    read: list[str] = []
    monkeypatch.setattr(provider, "_read", lambda url: read.append(url) or json.dumps(document))
    with pytest.raises(CannotCheck):
        ask(f"Bearer {issuer.mint('acme', 'rep')}")
    assert read == [f"{issuer.base}acme/.well-known/openid-configuration"]


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The issuers that were asked for their keys."""
    made: list[str] = []
    fetch = provider.key_set_of

    def counted(issuer: str) -> str:
        made.append(issuer)
        return fetch(issuer)

    monkeypatch.setattr(provider, "key_set_of", counted)
    return made


def rotate(issuer: Issuer, tenant: str) -> None:
    """Give a realm another key, and another key id."""
    (issuer.home / f"{tenant}.pem").unlink()
    realm = issuer.realm(tenant)
    del realm.key, realm.key_id


def test_a_new_key_is_accepted_right_after_a_regular_fetch(
    ask: Any, issuer: Issuer, fetches: list[str]
) -> None:
    ask(f"Bearer {issuer.mint('acme', 'rep')}")
    rotate(issuer, "acme")
    assert ask(f"Bearer {issuer.mint('acme', 'rep')}")["context"]["user"] == "rep"
    assert len(fetches) == 2


def test_tokens_with_unknown_keys_cause_one_fetch_in_five_seconds(
    ask: Any, issuer: Issuer, fetches: list[str]
) -> None:
    """Otherwise anybody could make us send as many requests to the issuer as they send to us."""
    good = issuer.mint("acme", "rep")
    ask(f"Bearer {good}")

    def unknown() -> str:
        headers = {"kid": "unknown"}
        claims = {"iss": f"{issuer.base}acme", "typ": "Bearer", "exp": int(time.time()) + 600}
        return jwt.encode(claims, new_key(), "RS256", headers=headers)

    now = time.time()
    of_acme = authorizer.keys().of(f"{issuer.base}acme", "acme")
    for seconds, made in ((0, 2), (1, 2), (4.9, 2), (5.1, 3), (9, 3), (10.3, 4)):
        of_acme._clock = lambda seconds=seconds: now + seconds
        for _ in range(3):
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                ask(f"Bearer {unknown()}")
        assert len(fetches) == made, seconds
        ask(f"Bearer {good}")


def test_a_browser_sends_its_token_in_the_query_of_the_websocket(ask: Any, issuer: Issuer) -> None:
    event = {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:ws/live/$connect",
        "queryStringParameters": {"token": issuer.mint("acme", "rep")},
    }
    assert authorizer.handler(event, None)["context"]["user"] == "rep"
