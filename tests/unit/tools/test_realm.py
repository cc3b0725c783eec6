"""The realm of a tenant, as `python -m tools.realm` prints it."""

import json
import re
from typing import Any

import pytest

from kernel.domain.permissions import Role
from tools.realm import TEMPLATE, BadRealm, Options, main, realm

REDIRECT = "https://app.example.com/callback"
WEEK = 7 * 24 * 3600


@pytest.fixture
def acme() -> dict[str, Any]:
    return realm(Options("acme", (REDIRECT,), "Acme Ltd"))


def client(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in document["clients"] if one["clientId"] == name]
    assert isinstance(found, dict)
    return found


def test_a_realm_is_a_tenant(acme: dict[str, Any]) -> None:
    assert (acme["realm"], acme["displayName"]) == ("acme", "Acme Ltd")
    assert realm(Options("globex", (REDIRECT,)))["displayName"] == "globex"
    assert "${" not in re.sub(r"\$\{(username|email|firstName|lastName)\}", "", json.dumps(acme))


def test_a_realm_has_the_roles_that_the_crm_checks(acme: dict[str, Any]) -> None:
    """ "roles Administrator, Sales Manager, Sales Representative, Support Agent, Read-Only" """
    roles = {one["name"]: one["description"] for one in acme["roles"]["realm"]}
    assert list(roles) == [role.value for role in Role]
    assert [description.partition(":")[0] for description in roles.values()] == [
        "Administrator",
        "Sales Manager",
        "Sales Representative",
        "Support Agent",
        "Read-Only",
    ]
    for name in ("zebros-app", "zebros-machine"):
        assert client(acme, name)["fullScopeAllowed"] is False
        (scope,) = [one for one in acme["scopeMappings"] if one["client"] == name]
        assert scope["roles"] == list(roles)


def test_every_token_names_the_tenant_s_time_zone(acme: dict[str, Any]) -> None:
    """`zoneinfo` of OpenID Connect; the CRM's default where none is given."""
    berlin = realm(Options("acme", (REDIRECT,), time_zone="Europe/Berlin"))
    for document, zone in ((acme, "Etc/UTC"), (berlin, "Europe/Berlin")):
        for name in ("zebros-app", "zebros-machine"):
            mappers = {one["name"]: one for one in client(document, name)["protocolMappers"]}
            config = mappers["time-zone"]["config"]
            assert (config["claim.name"], config["claim.value"]) == ("zoneinfo", zone)
            assert config["access.token.claim"] == "true"


def test_access_tokens_live_an_hour_and_refresh_tokens_a_week(acme: dict[str, Any]) -> None:
    """ "access tokens 1 h, refresh 7 d with rotation" """
    assert acme["accessTokenLifespan"] == 3600
    assert (acme["revokeRefreshToken"], acme["refreshTokenMaxReuse"]) == (True, 0)
    for session in ("ssoSession", "clientSession"):
        assert acme[f"{session}MaxLifespan"] == WEEK
    for session in ("ssoSession", "clientSession"):
        assert acme[f"{session}IdleTimeout"] == WEEK


def test_people_sign_in_with_pkce_and_machines_with_a_secret_of_their_own(
    acme: dict[str, Any],
) -> None:
    app, machine = client(acme, "zebros-app"), client(acme, "zebros-machine")
    assert (app["publicClient"], app["standardFlowEnabled"]) == (True, True)
    assert app["attributes"]["pkce.code.challenge.method"] == "S256"
    assert (machine["publicClient"], machine["serviceAccountsEnabled"]) == (False, True)
    assert machine["standardFlowEnabled"] is False
    assert machine["redirectUris"] == machine["webOrigins"] == []
    for one in acme["clients"]:
        assert one["directAccessGrantsEnabled"] is False, one["clientId"]
        assert not one.get("implicitFlowEnabled"), one["clientId"]
        assert "offline_access" not in str(one)


def test_guessing_is_slowed_but_locks_nobody_out_for_ever(acme: dict[str, Any]) -> None:
    assert (acme["bruteForceProtected"], acme["permanentLockout"]) == (True, False)
    assert acme["failureFactor"] == 5
    assert acme["maxFailureWaitSeconds"] == 900


def test_sign_ins_are_recorded_for_ninety_days(acme: dict[str, Any]) -> None:
    """ "system logs 90 days" """
    assert acme["eventsEnabled"] is acme["adminEventsEnabled"] is True
    assert acme["eventsExpiration"] == 90 * 24 * 3600
    assert acme["attributes"]["adminEventsExpiration"] == str(90 * 24 * 3600)


def test_there_is_no_password_or_secret_in_a_realm(acme: dict[str, Any]) -> None:
    assert not re.search(r'"(secret|credentials|value)"', json.dumps(acme))
    (account,) = acme["users"]
    assert account["serviceAccountClientId"] == "zebros-machine"
    assert account["realmRoles"] == ["read-only"]
    settings = [line.partition("#")[0] for line in TEMPLATE.read_text("utf-8").splitlines()]
    assert not [line for line in settings if re.search(r"(secret|password):", line)]


def test_people_return_to_exactly_the_given_addresses() -> None:
    second = "http://127.0.0.1:5173/callback"
    app = client(realm(Options("acme", (REDIRECT, second))), "zebros-app")
    assert app["redirectUris"] == [REDIRECT, second]
    assert app["webOrigins"] == ["https://app.example.com", "http://127.0.0.1:5173"]
    assert app["attributes"]["post.logout.redirect.uris"] == (
        "https://app.example.com/##http://127.0.0.1:5173/"
    )


def test_only_administrators_change_a_user_s_team(acme: dict[str, Any]) -> None:
    (provider,) = acme["components"]["org.keycloak.userprofile.UserProfileProvider"]
    (text,) = provider["config"]["kc.user.profile.config"]
    (team,) = [one for one in json.loads(text)["attributes"] if one["name"] == "team"]
    assert team["permissions"]["edit"] == ["admin"]
    assert "userProfile" not in acme


def test_tokens_are_for_the_stack_s_audience() -> None:
    document = realm(Options("acme", (REDIRECT,), audience="another-api"))
    for name in ("zebros-app", "zebros-machine"):
        audience, team, _ = client(document, name)["protocolMappers"]
        assert audience["config"]["included.custom.audience"] == "another-api"
        assert audience["config"]["access.token.claim"] == "true"
        assert (team["config"]["user.attribute"], team["config"]["claim.name"]) == ("team", "team")


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example.com/callback",
        "https://app.example.com/*",
        "https://app.example.com/#x",
        "https://user@app.example.com/",
        "https:///callback",
        "app.example.com",
    ],
)
def test_a_redirect_uri_that_is_too_wide_is_refused(uri: str) -> None:
    with pytest.raises(BadRealm, match="cannot be a redirect URI"):
        realm(Options("acme", (uri,)))


@pytest.mark.parametrize("tenant", ["master", "Acme", "-acme", "a" * 64, ""])
def test_a_name_that_is_no_tenant_is_refused(tenant: str) -> None:
    with pytest.raises(BadRealm, match="cannot be a tenant"):
        realm(Options(tenant, (REDIRECT,)))


def test_a_realm_needs_a_redirect_uri_a_known_role_and_a_known_time_zone() -> None:
    with pytest.raises(BadRealm, match="needs a redirect URI"):
        realm(Options("acme", ()))
    with pytest.raises(BadRealm, match="'owner' is no role; there are administrator, "):
        realm(Options("acme", (REDIRECT,), machine_role="owner"))
    with pytest.raises(BadRealm, match="'Berlin' is no time zone; a name is such as Europe/Ber"):
        realm(Options("acme", (REDIRECT,), time_zone="Berlin"))


def test_the_command_prints_json_or_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acme", "--redirect-uri", REDIRECT, "--machine-role", "sales-manager"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["users"][0]["realmRoles"] == ["sales-manager"]
    assert main(["master", "--redirect-uri", REDIRECT]) == 65
    assert capsys.readouterr().err.startswith("'master' cannot be a tenant")
