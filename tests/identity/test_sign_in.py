"""People sign in and machines get tokens, on two Keycloak nodes with the realm of our template."""

import html.parser
import os
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

from edge import authorizer, provider
from edge.refusals import Rejected
from edge.registry import Plan, Tenant, TenantState
from tests.identity.conftest import REDIRECT, TENANT, ZONE, Identity
from tests.verifying import NoStore, verify

AUDIENCE = "zebros-api"
METHOD_ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/GET/accounts"
# "access tokens 1 h, refresh 7 d with rotation"
ACCESS_SECONDS = 3600
REFRESH_SECONDS = 7 * 24 * 3600


class Form(html.parser.HTMLParser):
    """The sign-in form of a page: where it is sent to, its fields and their labels."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.lang = "", ""
        self.fields: dict[str, str] = {}
        self.labels: set[str] = set()
        self.styles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        match tag:
            case "html":
                self.lang = given.get("lang", "")
            case "form":
                self.action = given["action"]
            case "input" if "name" in given:
                self.fields[given["name"]] = given.get("id", "")
            case "label":
                self.labels.add(given.get("for", ""))
            case "link" if given.get("rel") == "stylesheet":
                self.styles.append(given["href"])


class Person:
    """A person with a browser and the application, which is a public client with PKCE."""

    def __init__(self, identity: Identity, name: str) -> None:
        self.identity, self.name = identity, name
        self.browser = identity.browser()
        self.application = OAuth2Client(
            "zebros-app",
            redirect_uri=REDIRECT,
            scope="openid",
            code_challenge_method="S256",
            token_endpoint_auth_method="none",
            verify=identity.balancer.certificate.trusted(),
            timeout=60,
        )

    def sign_in(self) -> dict[str, Any]:
        """The tokens of a new sign-in with the password."""
        verifier = generate_token(64)
        form = Form(self.open(verifier).raise_for_status().text)
        return self.exchange(self.send(form, self.identity.people[self.name]), verifier)

    def open(self, verifier: str, **extra: str) -> httpx.Response:
        """The answer to the application's request for a code."""
        url, _ = self.application.create_authorization_url(
            f"{self.identity.endpoint}/auth", code_verifier=verifier, **extra
        )
        return self.browser.get(url)

    def send(self, form: Form, password: str) -> httpx.Response:
        """The answer to the form: back to the application, when the password is right."""
        return self.browser.post(form.action, data={"username": self.name, "password": password})

    def exchange(self, answer: httpx.Response, verifier: str) -> dict[str, Any]:
        """The tokens for the code in an answer."""
        assert answer.status_code == 302, answer.text
        location = answer.headers["Location"]
        assert location.startswith(f"{REDIRECT}?"), location
        token: dict[str, Any] = self.application.fetch_token(
            f"{self.identity.endpoint}/token",
            authorization_response=location,
            code_verifier=verifier,
        )
        return token

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """New tokens. Raises OAuthError."""
        token: dict[str, Any] = self.application.refresh_token(
            f"{self.identity.endpoint}/token", refresh_token=refresh_token
        )
        return token


@pytest.fixture
def caller(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What our authorizer lets through for a token, with its keys fetched from Keycloak."""
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.balancer.certificate.file))
    monkeypatch.setenv("ISSUER_BASE", f"{identity.balancer.url}/realms/")
    monkeypatch.setenv("AUDIENCE", AUDIENCE)
    monkeypatch.setenv("PEOPLE_KEY", "people")
    monkeypatch.setenv("MACHINES_KEY", "machines")
    monkeypatch.setenv("TABLE_NAME", "edge")
    authorizer.keys.cache_clear()
    provider._opener.cache_clear()  # it trusts the certificates of when it was made
    # The registry and its table are tested elsewhere; here are real tokens.
    known = Tenant(TenantState.ACTIVE, Plan.STANDARD)
    monkeypatch.setattr(authorizer, "registry", lambda: SimpleNamespace(find=lambda _: known))
    monkeypatch.setattr(authorizer, "TableKeyStore", lambda _: NoStore())
    monkeypatch.setattr(authorizer, "table", lambda: None)

    def ask(token: str) -> dict[str, str]:
        event = {
            "type": "TOKEN",
            "authorizationToken": f"Bearer {token}",
            "methodArn": METHOD_ARN,
        }
        answer = authorizer.handler(event, None)
        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
        context: dict[str, str] = answer["context"]
        return context

    yield ask
    authorizer.keys.cache_clear()
    provider._opener.cache_clear()


def machine_token(identity: Identity, tenant: str = TENANT) -> dict[str, Any]:
    """The token of a tenant's machine client."""
    machine = OAuth2Client(
        "zebros-machine",
        identity.machine_secret(tenant),
        verify=identity.balancer.certificate.trusted(),
        timeout=60,
    )
    token: dict[str, Any] = machine.fetch_token(
        f"{identity.endpoint_of(tenant)}/token", grant_type="client_credentials"
    )
    return token


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_a_person_signs_in_and_the_authorizer_knows_tenant_user_team_and_role(
    identity: Identity, caller: Any
) -> None:
    token = Person(identity, "ada").sign_in()
    claims = claims_of(token["access_token"])
    assert claims["iss"] == identity.issuer
    assert claims["aud"] == AUDIENCE
    assert claims["azp"] == "zebros-app"
    assert claims["exp"] - claims["iat"] == ACCESS_SECONDS
    assert ACCESS_SECONDS - 60 <= token["expires_in"] <= ACCESS_SECONDS
    assert claims["realm_access"] == {"roles": ["sales-representative"]}
    assert "resource_access" not in claims
    assert jwt.get_unverified_header(token["access_token"])["alg"] == "RS256"
    assert caller(token["access_token"]) == {
        "tenant": TENANT,
        "user": claims["sub"],
        "name": "Ada Example",
        "team": "americas",
        "roles": "sales-representative",
        "machine": "",
        "time_zone": ZONE,
        "country": "",
        "plan": "standard",
        "expires": str(claims["exp"]),
    }


def test_at_the_first_sign_in_a_person_chooses_a_password(identity: Identity) -> None:
    """As docs/identity.md has it: an administrator has set a temporary one."""
    identity.add_person("alan", "sales-manager", "emea", temporary=True)
    alan, verifier = Person(identity, "alan"), generate_token(64)
    form = Form(alan.open(verifier).text)
    asked = alan.send(form, identity.people["alan"])
    changing = Form(alan.browser.get(asked.headers["Location"]).text)
    assert {"password-new", "password-confirm"} <= set(changing.fields)

    def choose(password: str) -> httpx.Response:
        chosen = {"password-new": password, "password-confirm": password}
        return alan.browser.post(changing.action, data=chosen)

    refused = choose("too-short")
    assert refused.status_code == 200
    changing = Form(refused.text)
    identity.people["alan"] = "long enough 2026"
    token = alan.exchange(choose(identity.people["alan"]), verifier)
    assert claims_of(token["access_token"])["realm_access"] == {"roles": ["sales-manager"]}
    assert Person(identity, "alan").sign_in()


def test_a_token_for_another_audience_is_refused(identity: Identity, caller: Any) -> None:
    token = Person(identity, "ada").sign_in()["access_token"]
    base = f"{identity.balancer.url}/realms/"
    assert verify(token, base, AUDIENCE)
    with pytest.raises(Rejected, match="InvalidAudience"):
        verify(token, base, "another-api")
    with pytest.raises(Exception, match="Unauthorized"):
        caller(token[:-8] + "AAAAAAAA")


def test_both_nodes_serve_one_sign_in(identity: Identity) -> None:
    """Neither sessions nor sign-ins under way need the load balancer's stickiness."""
    before = len(identity.balancer.served)
    Person(identity, "ada").sign_in()
    by_node = {node for node, _ in identity.balancer.served[before:]}
    assert by_node == {"first", "second"}


def test_a_refresh_token_is_used_once_and_lives_seven_days(identity: Identity) -> None:
    ada = Person(identity, "ada")
    first = ada.sign_in()
    assert REFRESH_SECONDS - 60 <= first["refresh_expires_in"] <= REFRESH_SECONDS
    second = ada.refresh(first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert second["refresh_expires_in"] <= REFRESH_SECONDS
    assert claims_of(second["access_token"])["jti"] != claims_of(first["access_token"])["jti"]
    with pytest.raises(OAuthError, match="invalid_grant"):
        ada.refresh(first["refresh_token"])


def test_a_code_without_its_verifier_is_worthless(identity: Identity) -> None:
    ada = Person(identity, "ada")
    form = Form(ada.open(generate_token(64)).text)
    answer = ada.send(form, identity.people["ada"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        ada.exchange(answer, generate_token(64))


@pytest.mark.parametrize("method", [None, "plain"])
def test_the_application_must_use_pkce_with_s256(identity: Identity, method: str | None) -> None:
    challenge = {"code_challenge": generate_token(64), "code_challenge_method": method}
    with identity.browser() as browser:
        answer = browser.get(
            f"{identity.endpoint}/auth",
            params={
                "client_id": "zebros-app",
                "redirect_uri": REDIRECT,
                "response_type": "code",
                "scope": "openid",
                **(challenge if method else {}),
            },
        )
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == ["invalid_request"]


@pytest.mark.parametrize(
    "uri", [f"{REDIRECT}/more", "https://app.example.com/", "https://evil.example.net/callback"]
)
def test_nobody_is_sent_back_to_an_unregistered_address(identity: Identity, uri: str) -> None:
    ada = Person(identity, "ada")
    ada.application.redirect_uri = uri
    answer = ada.open(generate_token(64))
    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize("client", ["zebros-app", "admin-cli"])
def test_a_password_alone_gets_no_token(identity: Identity, client: str) -> None:
    with identity.browser() as browser:
        answer = browser.post(
            f"{identity.endpoint}/token",
            data={
                "grant_type": "password",
                "client_id": client,
                "username": "ada",
                "password": identity.people["ada"],
            },
        )
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("unauthorized_client", "invalid_client")


def test_no_token_outlives_its_session(identity: Identity) -> None:
    """`offline_access` would give a refresh token without an end."""
    with identity.browser() as browser:
        answer = browser.get(
            f"{identity.endpoint}/auth",
            params={
                "client_id": "zebros-app",
                "redirect_uri": REDIRECT,
                "response_type": "code",
                "scope": "openid offline_access",
                "code_challenge": generate_token(43),
                "code_challenge_method": "S256",
            },
        )
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == ["invalid_scope"]


def test_a_machine_gets_a_token_in_its_own_name(identity: Identity, caller: Any) -> None:
    token = machine_token(identity)
    assert ACCESS_SECONDS - 60 <= token["expires_in"] <= ACCESS_SECONDS
    assert "refresh_token" not in token
    found = caller(token["access_token"])
    assert (found["tenant"], found["roles"], found["team"]) == (TENANT, "read-only", "")
    assert found["machine"] == "yes"


def test_a_secret_is_generated_for_each_realm(identity: Identity) -> None:
    assert len(identity.machine_secret()) >= 32
    with pytest.raises(OAuthError, match=r"unauthorized_client|invalid_client"):
        OAuth2Client(
            "zebros-machine",
            "zebros-machine",
            verify=identity.balancer.certificate.trusted(),
        ).fetch_token(f"{identity.endpoint}/token", grant_type="client_credentials")


def test_a_person_cannot_join_another_team(identity: Identity) -> None:
    """The account console's API: a user edits names, never the attribute that rights depend on."""
    identity.add_person("grace", "sales-representative", "emea")
    with identity.administration() as admin:
        (user,) = admin.get(f"/{TENANT}/users", params={"username": "grace"}).json()
        assert user["attributes"]["team"] == ["emea"]
        refused = admin.put(
            f"/{TENANT}/users/{user['id']}", json={**user, "attributes": {"unknown": ["x"]}}
        )
        kept = admin.get(f"/{TENANT}/users/{user['id']}").json()
        profile = admin.get(f"/{TENANT}/users/profile").json()
    assert refused.status_code == 204
    assert "unknown" not in kept.get("attributes", {})
    (team,) = [one for one in profile["attributes"] if one["name"] == "team"]
    assert team["permissions"] == {"view": ["admin", "user"], "edit": ["admin"]}


def test_guessing_passwords_is_stopped_for_a_while(identity: Identity) -> None:
    identity.add_person("mallory", "read-only", "emea")
    mallory = Person(identity, "mallory")
    form = Form(mallory.open(generate_token(64)).text)
    for attempt in range(5):
        answer = mallory.send(form, f"wrong-{attempt}-password")
        assert answer.status_code == 200
        form = Form(answer.text)
        time.sleep(1.1)  # faster attempts are stopped sooner
    refused = mallory.send(form, identity.people["mallory"])
    assert refused.status_code == 200, "the right password, too"
    with identity.administration() as admin:
        (user,) = admin.get(f"/{TENANT}/users", params={"username": "mallory"}).json()
        attack = admin.get(f"/{TENANT}/attack-detection/brute-force/users/{user['id']}").json()
    assert attack["disabled"] is True
    assert user["enabled"] is True, "only for a while"


def test_the_page_is_ours_and_can_be_read_aloud(identity: Identity) -> None:
    page = Person(identity, "ada").open(generate_token(64))
    form = Form(page.text)
    assert form.lang == "en"
    assert {form.fields["username"], form.fields["password"]} <= form.labels
    (ours,) = [style for style in form.styles if style.endswith("/css/zebros.css")]
    with identity.browser() as browser:
        for _ in identity.nodes:
            style = browser.get(f"{identity.balancer.url}{urlsplit(ours).path}")
            assert style.status_code == 200
            assert "--zebros-accent" in style.text
        others = {urlsplit(one).path for one in form.styles}
        for path in others:
            assert browser.get(f"{identity.balancer.url}{path}").status_code == 200, path


@pytest.mark.parametrize(
    "path",
    [
        "/admin/master/console/",
        "/admin/realms",
        "/realms/master/.well-known/openid-configuration",
        "/metrics",
        "/health/ready",
        "/",
    ],
)
def test_the_load_balancer_publishes_sign_in_only(identity: Identity, path: str) -> None:
    with identity.browser() as browser:
        assert browser.get(f"{identity.balancer.url}{path}").status_code == 404


@pytest.mark.parametrize("path", ["/realms//master/account", "/realms/acme/..;/master/account"])
def test_no_spelling_of_a_path_gets_past_the_rules(identity: Identity, path: str) -> None:
    with identity.browser() as browser:
        assert browser.get(f"{identity.balancer.url}{path}").status_code == 400


def test_the_nodes_form_one_cluster_and_health_is_on_the_management_port(
    identity: Identity,
) -> None:
    for node in identity.nodes:
        metrics = httpx.get(f"{node.management}/metrics").text
        sizes = [line for line in metrics.splitlines() if line.startswith("vendor_cluster_size")]
        assert sizes, "no metric of the cluster"
        assert {float(line.split()[-1]) for line in sizes} == {2.0}
        assert httpx.get(f"{node.url}/health/ready").status_code == 404


def test_the_environment_of_the_tests_is_not_the_caller_s(identity: Identity) -> None:
    assert os.environ.get("KC_BOOTSTRAP_ADMIN_PASSWORD") is None
