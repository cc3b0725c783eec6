"""The authorizer with a real cache: what it saves, and what it must never do."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jwt
import pytest

from edge import authorizer, provider, tokens
from kernel.cache.connect import cached_reads, shared_cache
from kernel.cache.sessions import ActiveSessions
from kernel.cache.valkey_cache import ValkeyCache
from tests.component.edge.test_authorizer import ask, issuer, rotate
from tests.component.kernel.valkey_server import PASSWORD, Server, running_server, server
from zebros.local.issuer import Issuer

__all__ = ["ask", "issuer", "running_server", "server"]


class Fetches:
    """Requests to the issuer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        read = provider._read

        def counted(url: str) -> str:
            self.made.append(url.rpartition("/")[2])
            return read(url)

        monkeypatch.setattr(provider, "_read", counted)

    def taken(self) -> list[str]:
        """Those since the last time."""
        made, self.made = self.made, []
        return made


def new_instance() -> None:
    """Forget what a function instance keeps in memory."""
    for made in (shared_cache, cached_reads, authorizer.keys, authorizer.registry):
        made.cache_clear()


@pytest.fixture
def fetches(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetches]:
    monkeypatch.setenv("CACHE_ENDPOINT", server.url)
    monkeypatch.setattr("kernel.cache.connect._password", lambda _: PASSWORD)
    new_instance()
    yield Fetches(monkeypatch)
    new_instance()


def test_a_new_instance_asks_the_table_and_not_the_issuer(
    ask: Any, issuer: Issuer, fetches: Fetches
) -> None:
    ask(f"Bearer {issuer.mint('acme', 'rep')}")
    assert fetches.taken() == ["openid-configuration", "certs"]
    new_instance()
    ask(f"Bearer {issuer.mint('acme', 'manager')}")
    assert fetches.taken() == []


def test_a_verified_token_is_not_verified_again_within_a_minute(
    ask: Any, issuer: Issuer, fetches: Fetches, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.mint("acme", "rep")
    first = ask(f"Bearer {token}")
    new_instance()
    monkeypatch.setattr(tokens, "verify", lambda *_: pytest.fail("verified again"))
    assert ask(f"Bearer {token}") == first
    names = {"tenant", "user", "name", "team", "roles", "machine", "time_zone", "plan", "expires"}
    names |= {"country"}
    assert set(first["context"]) == names
    (key,) = [key for key in server.stored() if ":identity:" in key]
    assert key.startswith("zebros:acme:identity:v3:")
    assert token not in key
    assert 40_000 < server.run("PTTL", key) <= 60_000


def test_an_expired_token_is_rejected_although_it_is_cached(
    ask: Any, issuer: Issuer, fetches: Fetches, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.mint("acme", "rep")
    ask(f"Bearer {token}")
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    for seconds, accepted in ((-0.1, True), (0, False)):
        now = expires + seconds
        monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda now=now: now))
        if accepted:
            ask(f"Bearer {token}")
        else:
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                ask(f"Bearer {token}")


def test_a_token_with_another_signature_or_for_another_audience_is_not_the_cached_one(
    ask: Any, issuer: Issuer, fetches: Fetches, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.mint("acme", "rep")
    ask(f"Bearer {token}")
    head, body, signature = token.split(".")
    forged = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {forged}")
    monkeypatch.setenv("AUDIENCE", "another-api")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {token}")


def test_a_rejected_token_leaves_nothing_in_the_cache(
    ask: Any, issuer: Issuer, fetches: Fetches, server: Server
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {issuer.mint('acme', 'rep', foreign_key=True)}")
    assert not [key for key in server.stored() if ":identity:" in key or ":sessions:" in key]


def test_a_key_that_the_table_does_not_have_is_fetched_from_the_issuer(
    ask: Any, issuer: Issuer, fetches: Fetches
) -> None:
    ask(f"Bearer {issuer.mint('acme', 'rep')}")
    rotate(issuer, "acme")
    fetches.taken()
    new_instance()
    ask(f"Bearer {issuer.mint('acme', 'manager')}")
    assert fetches.taken() == ["openid-configuration", "certs"]
    new_instance()
    ask(f"Bearer {issuer.mint('acme', 'admin')}")
    assert fetches.taken() == [], "and the table has them now"


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b'{"tenant": "acme"}', b"x"])
def test_an_identity_in_another_form_is_not_used(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what CachedReads takes as another form
        tokens.IDENTITIES.from_json(value)


def test_a_session_counts_in_its_tenant_and_hour(
    ask: Any, issuer: Issuer, fetches: Fetches, server: Server
) -> None:
    began = datetime.now(UTC)
    for user in ("rep", "rep", "manager"):
        ask(f"Bearer {issuer.mint('acme', user)}")
    ask(f"Bearer {issuer.mint('globex', 'admin')}")
    sessions = ActiveSessions(ValkeyCache(server.url, lambda: PASSWORD), lambda: began)
    # In the hour that began during the test, if one did.
    hours = {f"{hour:%H}": hour for hour in (began, datetime.now(UTC))}.values()
    assert sum(sessions.active("acme", hour) or 0 for hour in hours) in (2, 3)
    assert sum(sessions.active("globex", hour) or 0 for hour in hours) == 1
    assert sessions.active("initech", began) == 0


@pytest.mark.parametrize("disturbance", ["killed", "slow", "flushed"])
def test_sign_in_goes_on_without_the_cache(
    ask: Any, issuer: Issuer, fetches: Fetches, server: Server, disturbance: str
) -> None:
    token = issuer.mint("acme", "rep")
    expected = ask(f"Bearer {token}")
    if disturbance == "killed":
        server.kill()
    elif disturbance == "slow":
        server.proxy.delay_s = 0.5
    else:
        server.run("FLUSHALL")
    for _ in range(3):
        assert ask(f"Bearer {token}") == expected
    assert ask(f"Bearer {issuer.mint('globex', 'admin')}")["context"]["tenant"] == "globex"
