"""Which tokens of a realm are access tokens, and for how long one is accepted.

Keycloak 26 marks its tokens by the claim `typ` (Bearer, ID, Refresh, Offline), RFC 9068 access
tokens by the header `typ` (at+jwt).
"""

import json
import time
from typing import Any

import jwt
import pytest

from tests.component.conftest import NEVER, ApiClient
from tests.component.edge.test_authorizer import ask, issuer
from zebros.local.issuer import Issuer
from zebros.local.users import user_of

__all__ = ["ask", "issuer"]


def signed(issuer: Issuer, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of a realm's key with these claims and header."""
    realm = issuer.realm("acme")
    document = {
        "iss": f"{issuer.base}acme",
        "aud": "zebros-api",
        "iat": int(time.time()) - 1,
        "exp": int(time.time()) + 600,
        "typ": "Bearer",
        "azp": "zebros-app",
        **user_of("acme", "rep").claims(),
        **claims,
    }
    present = {name: value for name, value in document.items() if value is not None}
    return jwt.encode(present, realm.key, "RS256", headers={"kid": realm.key_id, **(header or {})})


ACCESS = {
    "Keycloak 26": ({}, {}),
    "Keycloak 26 with several audiences": ({}, {"aud": ["account", "zebros-api"]}),
    "RFC 9068": ({"typ": "at+jwt"}, {"typ": None, "azp": None, "client_id": "zebros-app"}),
    "RFC 9068, whole media type": ({"typ": "application/at+jwt"}, {"typ": None}),
    "RFC 9068, another case": ({"typ": "AT+JWT"}, {"typ": None}),
    "Keycloak's option for RFC 9068": ({"typ": "at+jwt"}, {}),
    "no header typ": ({"typ": None}, {}),
}
OTHERS = {
    "ID token": ({}, {"typ": "ID"}),
    "ID token with the header of an access token": ({"typ": "at+jwt"}, {"typ": "ID"}),
    "refresh token": ({}, {"typ": "Refresh"}),
    "offline token": ({}, {"typ": "Offline"}),
    "logout token": ({"typ": "logout+jwt"}, {"typ": "Logout"}),
    "logout token without a claim": ({"typ": "logout+jwt"}, {}),
    "token without a kind": ({}, {"typ": None}),
    "ID token of another product": ({}, {"typ": None, "nonce": "n", "at_hash": "h"}),
    "hash of an access token": ({}, {"at_hash": "h"}),
    "hash of a code": ({}, {"c_hash": "h"}),
    "addressed to the client that asked": ({}, {"azp": "zebros-api"}),
    "DPoP proof": ({"typ": "dpop+jwt"}, {}),
    "a kind in another form": ({}, {"typ": ["Bearer"]}),
}


@pytest.mark.parametrize(("header", "claims"), ACCESS.values(), ids=ACCESS)
def test_access_tokens_are_accepted(
    ask: Any, issuer: Issuer, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    assert ask(f"Bearer {signed(issuer, header, **claims)}")["context"]["user"] == "rep"


@pytest.mark.parametrize(("header", "claims"), OTHERS.values(), ids=OTHERS)
def test_other_tokens_of_the_same_realm_are_no_access_tokens(
    ask: Any, issuer: Issuer, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {signed(issuer, header, **claims)}")


def test_a_token_names_its_key(ask: Any, issuer: Issuer) -> None:
    header = {"kid": ""}
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {signed(issuer, header)}")


def test_a_token_that_begins_a_few_seconds_later_is_accepted(ask: Any, issuer: Issuer) -> None:
    """The provider's clock may be ahead; a token that has expired is never accepted."""
    now = int(time.time())
    ask(f"Bearer {signed(issuer, iat=now + 4, nbf=now + 4)}")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {signed(issuer, iat=now + 30)}")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {signed(issuer, exp=now)}")


def test_the_local_issuer_s_tokens_are_marked_as_keycloak_s_are(issuer: Issuer) -> None:
    parts = jwt.decode_complete(issuer.mint("acme", "rep"), options={"verify_signature": False})
    assert parts["header"]["typ"] == "JWT"
    assert parts["payload"]["typ"] == "Bearer"


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler)


def test_the_answer_that_api_gateway_caches_says_when_the_token_expires(
    ask: Any, issuer: Issuer
) -> None:
    token = signed(issuer, exp=int(time.time()) + 77)
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert ask(f"Bearer {token}")["context"]["expires"] == str(expires)


@pytest.mark.parametrize(
    ("expires", "status"),
    [
        (lambda now: str(now + 2), 200),
        (lambda now: str(now), 401),
        (lambda now: str(now - 299), 401),
        (lambda _: "", 401),
        (lambda _: "soon", 401),
        (lambda _: "-1", 401),
        (lambda _: "١٢٣٤٥٦٧٨٩٠١٢", 401),
        (lambda _: NEVER, 200),
    ],
)
def test_a_function_refuses_an_expired_token_that_api_gateway_still_accepts(
    api: ApiClient, expires: Any, status: int
) -> None:
    answer = api.as_(expires=expires(int(time.time())))("GET", "/tasks?due=today")
    assert answer.status == status, answer.text
    if status == 401:
        problem = json.loads(answer.text)
        assert problem["type"] == "urn:zebros:problem:unauthenticated"
        assert "expired" in problem["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"
