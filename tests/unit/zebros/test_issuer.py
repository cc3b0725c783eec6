"""The local issuer: its tokens, keys and responses."""

import json
import stat
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from edge.refusals import Rejected
from kernel.domain.permissions import Role
from tests.verifying import verify
from zebros import cli
from zebros.local import issuer as issuing
from zebros.local.home import Home
from zebros.local.issuer import Issuer
from zebros.local.users import AUDIENCE, TENANTS, users


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """An issuer that is served on a free port."""
    made = Issuer(tmp_path_factory.mktemp("issuer"), "http://127.0.0.1:0/realms/")
    server = issuing._Server((issuing.HOST, 0), made, also="127.0.0.2")
    port = server.server_address[1]
    server.issuer = replace(made, base=f"http://127.0.0.1:{port}/realms/")
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield server.issuer
    server.shutdown()
    server.server_close()
    serving.join()


def ask(url: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, Any]:
    data = urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, data=data, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as fault:
        with fault:
            return fault.code, json.load(fault)


def token(issuer: Issuer, tenant: str, form: dict[str, str]) -> tuple[int, Any]:
    return ask(f"{issuer.base}{tenant}/protocol/openid-connect/token", form)


def test_the_command_line_prints_a_token_of_the_chosen_user(
    issuer: Issuer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Home(tmp_path).write_state({"issuer_base": issuer.base})
    for words in (["token", "--tenant", "globex", "--user", "rep"], ["token"]):
        assert cli.main(["--home", str(tmp_path), *words]) == 0
        output = capsys.readouterr().out.splitlines()  # the issuer in this process logs requests
        (printed,) = [line for line in output if line.startswith("ey")]
        claims = jwt.decode(printed, options={"verify_signature": False})
        who = (claims["iss"].rpartition("/")[2], claims["sub"])
        assert who == (("globex", "rep") if len(words) > 1 else ("acme", "admin"))
    assert cli.main(["--home", str(tmp_path), "token", "--user", "nobody"]) == 65
    assert "rejected a token for nobody of tenant acme" in capsys.readouterr().err


@pytest.mark.parametrize("tenant", TENANTS)
def test_each_role_can_sign_in_at_each_tenant(issuer: Issuer, tenant: str) -> None:
    roles = set()
    for name, user in users(tenant).items():
        form = {"grant_type": "password", "username": name, "password": name}
        status, answer = token(issuer, tenant, form)
        assert status == 200
        caller = verify(answer["access_token"], issuer.base, AUDIENCE)
        assert (caller["tenant"], caller["user"], caller["name"]) == (tenant, name, user.name)
        assert caller["team"] == user.team
        roles.add(caller["roles"])
    assert roles == {role.value for role in Role}


def test_a_service_signs_in_by_client_credentials(issuer: Issuer) -> None:
    form = {"grant_type": "client_credentials", "client_id": "admin", "client_secret": "admin"}
    status, answer = token(issuer, "acme", form)
    assert (status, answer["token_type"]) == (200, "Bearer")


@pytest.mark.parametrize(
    ("form", "error", "description"),
    [
        ({"grant_type": "password", "username": "nobody"}, "invalid_grant", "there are admin"),
        ({"grant_type": "password", "username": "rep", "password": "x"}, "invalid_grant", "rep"),
        ({"grant_type": "magic"}, "unsupported_grant_type", "password or client_credentials"),
        ({}, "unsupported_grant_type", "password"),
    ],
)
def test_a_rejected_grant_has_a_reason(
    issuer: Issuer, form: dict[str, str], error: str, description: str
) -> None:
    status, answer = token(issuer, "acme", form)
    assert (status, answer["error"]) == (400, error)
    assert description in answer["error_description"]


def test_discovery_leads_to_the_keys(issuer: Issuer) -> None:
    base = f"{issuer.base}acme"
    status, found = ask(f"{base}/.well-known/openid-configuration")
    assert (status, found["issuer"]) == (200, base)
    _, keys = ask(found["jwks_uri"])
    assert [(key["alg"], key["use"]) for key in keys["keys"]] == [("RS256", "sig")]
    assert "d" not in keys["keys"][0], "only the public part"


def test_an_unknown_tenant_has_no_realm(issuer: Issuer) -> None:
    for path in ("acne/.well-known/openid-configuration", "acme/nothing", "../acme"):
        assert ask(issuer.base + path)[0] == 404
    assert token(issuer, "acne", {"grant_type": "password"})[0] == 404


def test_requests_to_the_docker_bridge_get_its_address_as_the_issuer(issuer: Issuer) -> None:
    port = issuer.base.split(":")[2].split("/")[0]
    url = f"{issuer.base}acme/.well-known/openid-configuration"
    _, found = ask(url, Host=f"127.0.0.2:{port}")
    assert found["issuer"] == f"http://127.0.0.2:{port}/realms/acme"
    _, elsewhere = ask(url, Host=f"evil.example:{port}")
    assert elsewhere["issuer"] == f"{issuer.base}acme"


@pytest.mark.parametrize(
    "forged",
    [
        {"lifetime_s": -60},
        {"aud": "another-api"},
        {"iss": "http://elsewhere/realms/acme"},
        {"foreign_key": True},
        {"unsigned": True},
        {"sub": None},
        {"exp": None},
    ],
    ids=str,
)
def test_a_forged_token_is_rejected(issuer: Issuer, forged: dict[str, Any]) -> None:
    assert verify(issuer.mint("acme", "admin"), issuer.base, AUDIENCE)["tenant"] == "acme"
    with pytest.raises(Rejected):
        verify(issuer.mint("acme", "admin", **forged), issuer.base, AUDIENCE)


def test_the_key_of_one_tenant_signs_no_token_of_another(issuer: Issuer) -> None:
    crossed = issuer.mint("acme", "admin", iss=f"{issuer.base}globex")
    with pytest.raises(Rejected):
        verify(crossed, issuer.base, AUDIENCE)


def test_keys_are_created_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = Issuer(tmp_path / "keys", "http://x/").mint("acme", "admin")
    file = tmp_path / "keys" / "acme.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = Issuer(tmp_path / "keys", "http://x/").mint("acme", "admin")
    kinds = [jwt.get_unverified_header(one)["kid"] for one in (first, again)]
    assert kinds[0] == kinds[1]


def test_a_token_lasts_an_hour(issuer: Issuer) -> None:
    claims = jwt.decode(issuer.mint("acme", "rep"), options={"verify_signature": False})
    assert 3590 < claims["exp"] - time.time() <= 3600
    status, answer = token(issuer, "acme", {**PASSWORD, "username": "rep", "password": "rep"})
    assert (status, answer["expires_in"]) == (200, 3600)


PASSWORD = {"grant_type": "password", "username": "admin", "password": "admin"}


def request_as(issuer: Issuer, method: str, **headers: str) -> Any:
    """The response to a request for a token, with its headers."""
    url = f"{issuer.base}acme/protocol/openid-connect/token"
    return httpx.request(method, url, data=PASSWORD, headers=headers, trust_env=False)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example:3000",
        "http://evil.example#127.0.0.1",
        "null",
        "file://",
        "http://[",
        "",
    ],
)
def test_a_page_of_another_machine_gets_no_token(issuer: Issuer, origin: str) -> None:
    """A form of any page can send this request without a preflight, and knows the passwords."""
    answer = request_as(issuer, "POST", Origin=origin)
    assert answer.status_code == 403
    assert "access_token" not in answer.text
    for response in (answer, request_as(issuer, "OPTIONS", Origin=origin)):
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8080", "http://localhost:3000", "http://[::1]:5173"]
)
def test_a_page_of_this_machine_gets_a_token(issuer: Issuer, origin: str) -> None:
    for method in ("OPTIONS", "POST"):
        answer = request_as(issuer, method, Origin=origin)
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"
    assert answer.json()["access_token"]


def test_a_page_whose_host_name_leads_here_gets_no_token(issuer: Issuer) -> None:
    """DNS rebinding: for the browser it is the same origin, so it sends no Origin."""
    assert request_as(issuer, "POST", Host="evil.example:4580").status_code == 403
    assert request_as(issuer, "POST", Host="localhost:4580").status_code == 200
    assert request_as(issuer, "POST", Host="127.0.0.2:4580").status_code == 200, "Docker's bridge"


def test_a_program_gets_a_token(issuer: Issuer) -> None:
    answer = request_as(issuer, "POST")
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
