"""The database's password is rotated and a node is lost: sessions go on. Runs last."""

import secrets
import time

import httpx
import pytest
from authlib.integrations.base_client import OAuthError

from tests.identity.conftest import Identity, say
from tests.identity.crm import Caller, Crm
from tests.identity.servers import until
from tests.identity.test_sign_in import Person, claims_of


def test_the_database_s_password_is_rotated_without_a_restart(identity: Identity) -> None:
    """And every connection is lost, so that each node needs new ones, with the new password."""
    ada = Person(identity, "ada")
    token = ada.sign_in()
    password = secrets.token_urlsafe(24)
    # In the order of a rotation: the database first, then the secret's current version.
    identity.postgres.rotate(password)
    identity.secrets.rotate(password)

    def works() -> bool:
        """Requests that meet a lost connection of the pool fail; each lost one is met once."""
        try:
            return all(Person(identity, "root").sign_in() for _ in identity.nodes)
        except (AssertionError, httpx.HTTPError, OAuthError):
            return False

    seconds = until(works, 60, "sign-in after the rotation")
    say("password rotated, all connections lost, then signed in again", seconds)
    for node in identity.nodes:
        assert node.is_ready(), node.name
    assert ada.refresh(token["refresh_token"]), "the session is older than the password"


def test_sessions_go_on_when_a_node_is_lost(identity: Identity, crm: Crm) -> None:
    ada, root = Person(identity, "ada"), Person(identity, "root")
    token, other = ada.sign_in(), root.sign_in()
    lost, kept = identity.nodes
    with Caller(crm, lambda: other["access_token"]).calling():
        lost.kill()
        start = time.monotonic()
        renewed = ada.refresh(token["refresh_token"])
        say("a node killed, then a session refreshed by the other", time.monotonic() - start)
        accounts = crm("GET", "/accounts", renewed["access_token"])
    assert accounts.status_code == 200
    assert claims_of(renewed["access_token"])["sid"] == claims_of(token["access_token"])["sid"]
    # The other node knows which refresh tokens were used, and signs with the same keys.
    with pytest.raises(Exception, match="invalid_grant"):
        ada.refresh(token["refresh_token"])
    # The browser's session goes on too: no form, a code at once.
    verifier = "v" * 64
    again = root.exchange(root.open(verifier, prompt="none"), verifier)
    assert claims_of(again["access_token"])["sid"] == claims_of(other["access_token"])["sid"]
    # The load balancer takes a target out after three failed checks, 10 seconds apart.
    seconds = until(kept.is_ready, 30, "the other node is ready")
    say("the other node is ready, after it has noticed the loss", seconds)


def test_the_authorizer_gets_new_keys_from_the_node_that_is_left(
    identity: Identity, crm: Crm
) -> None:
    identity.add_signing_key(priority=300)
    token = Person(identity, "root").sign_in()["access_token"]
    made = crm("POST", "/accounts", token, {"name": "Made With One Node"})
    assert made.status_code == 201, made.text
