"""The cache port on a real server: values, buckets, counts, and every way the server can fail."""

import ipaddress
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.cache.circuit import CircuitBreaker
from kernel.cache.quotas import Quota, TenantQuotas
from kernel.cache.sessions import ActiveSessions
from kernel.cache.valkey_cache import CONNECT_S, ValkeyCache
from tests.component.kernel.valkey_server import HOST, LIMIT_S, PASSWORD, Server, new_cache


@pytest.fixture
def cache(server: Server) -> ValkeyCache:
    return new_cache(server)


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never became true")


def test_a_value_is_there_until_its_time_is_over(cache: ValkeyCache) -> None:
    cache.put("k", b"\x00value", 300)
    assert cache.get("k") == b"\x00value"
    assert cache.get("other") is None
    eventually(lambda: cache.get("k") is None)


def test_a_removed_value_is_gone(cache: ValkeyCache) -> None:
    cache.put("k", b"value", 60_000)
    cache.forget("k")
    assert cache.get("k") is None


def test_one_caller_claims_a_key(cache: ValkeyCache) -> None:
    assert [cache.claim("k", 60_000) for _ in range(3)] == [True, False, False]
    cache.forget("k")
    assert cache.claim("k", 60_000)


def test_a_bucket_allows_its_burst_and_then_its_rate(cache: ValkeyCache) -> None:
    took = [cache.take_token("b", 10, 5) for _ in range(7)]
    assert [one.allowed for one in took if one] == [True] * 5 + [False] * 2
    assert [one.tokens for one in took if one] == [4, 3, 2, 1, 0, 0, 0]
    assert took[6]
    assert 0 < took[6].wait_ms <= 100
    time.sleep(0.25)
    later = [cache.take_token("b", 10, 5) for _ in range(4)]
    assert 2 <= sum(one.allowed for one in later if one) <= 3


def test_a_bucket_disappears_when_it_is_full_again(server: Server, cache: ValkeyCache) -> None:
    cache.take_token("b", 10, 5)
    assert 500 <= server.run("PTTL", "b") <= 1500


def test_threads_never_take_the_same_token(cache: ValkeyCache) -> None:
    cache.take_token("warm", 1, 1)
    with ThreadPoolExecutor(8) as pool:
        took = list(pool.map(lambda _: cache.take_token("b", 0.001, 50), range(200)))
    assert sum(one.allowed for one in took if one) == 50


def test_members_are_counted_once_and_forgotten(server: Server, cache: ValkeyCache) -> None:
    for number in range(300):
        cache.count("s", f"session-{number % 100}", 100)
    assert cache.size("s") == pytest.approx(100, abs=2)
    assert 0 < server.run("TTL", "s") <= 100


def test_the_growth_of_a_set_adds_up_to_its_size_whoever_adds(
    server: Server, cache: ValkeyCache
) -> None:
    other = new_cache(server)
    grown = [
        one.count("s", f"session-{number % 700}", 100)
        for number in range(1_400)
        for one in ((cache, other)[number % 2],)
    ]
    assert sum(grown) == cache.size("s") == pytest.approx(700, rel=0.02)
    assert not any(grown[700:]), "members that return"
    assert other.count("s", "session-new", 100) + sum(grown) == cache.size("s")


def test_sessions_are_counted_per_tenant_and_hour(cache: ValkeyCache) -> None:
    now = datetime(2026, 11, 26, 8, 59, tzinfo=UTC)
    sessions = ActiveSessions(cache, lambda: now)
    seen = (("acme", "a"), ("acme", "a"), ("acme", "b"), ("globex", "c"))
    assert [sessions.seen(tenant, session) for tenant, session in seen] == [1, 0, 1, 1]
    assert [sessions.active(tenant, now) for tenant in ("acme", "globex", "none")] == [2, 1, 0]


def test_an_entry_of_another_type_is_no_outage(server: Server, cache: ValkeyCache) -> None:
    server.run("LPUSH", "k", "a list")
    assert cache.get("k") is None
    assert cache.take_token("k", 1, 1) is None
    assert cache.size("k") is None
    assert cache.count("k", "a", 60) == 0
    cache.put("other", b"value", 60_000)
    assert cache.get("other") == b"value", "the breaker is closed"
    cache.put("k", b"replaced", 60_000)
    assert cache.get("k") == b"replaced"


def every_answer(cache: ValkeyCache) -> list[Any]:
    """What callers get, in their order; longer than LIMIT_S fails."""
    calls: list[Callable[[], Any]] = [
        lambda: cache.get("k"),
        lambda: cache.put("k", b"value", 60_000),
        lambda: cache.claim("k", 60_000),
        lambda: cache.forget("k"),
        lambda: cache.take_token("b", 1, 1),
        lambda: cache.count("s", "a", 60),
        lambda: cache.size("s"),
    ]
    return [timed(call) for call in calls]


def timed(call: Callable[[], Any]) -> Any:
    started = time.monotonic()
    answer = call()
    assert time.monotonic() - started < LIMIT_S
    return answer


EMPTY = [None, None, True, None, None, 0, None]
"""The answers of a cache that is not there: a claim succeeds, so that callers load."""


def test_a_cache_that_is_down_gives_the_answers_of_an_empty_one(
    server: Server, cache: ValkeyCache
) -> None:
    cache.put("k", b"value", 60_000)
    server.kill()
    assert every_answer(cache) == EMPTY
    server.start()
    eventually(lambda: cache.claim("new", 60_000) and not cache.claim("new", 60_000))


def test_a_cache_that_was_never_there_is_found_when_it_starts(server: Server) -> None:
    server.kill()
    cache = new_cache(server)
    assert every_answer(cache) == EMPTY
    server.start()
    cache.put("k", b"value", 60_000)
    eventually(lambda: cache.put("k", b"value", 60_000) or cache.get("k") == b"value")


@pytest.mark.parametrize("connected", [True, False])
def test_a_cache_half_a_second_slow_costs_one_caller_a_moment(
    server: Server, connected: bool
) -> None:
    cache = new_cache(server)
    if connected:
        cache.put("k", b"value", 60_000)
    server.proxy.delay_s = 0.5
    started = time.monotonic()
    assert every_answer(cache) == EMPTY
    assert time.monotonic() - started < LIMIT_S, "only the first waits"
    server.proxy.delay_s = 0.0
    cache_answers = lambda: cache.put("k", b"new", 60_000) or cache.get("k") == b"new"  # noqa: E731
    eventually(cache_answers)


def test_a_slow_answer_counts_as_a_failure_even_if_it_comes(server: Server) -> None:
    """Many answers just below the timeout would add up."""
    breaker = CircuitBreaker()
    cache = ValkeyCache(server.url, lambda: PASSWORD, breaker)
    cache.get("k")
    assert breaker.allows()
    cache._call(lambda _: time.sleep(CONNECT_S + 0.05), None)
    assert not breaker.allows()


def test_a_wrong_password_is_an_empty_cache(server: Server) -> None:
    assert every_answer(new_cache(server, "wrong")) == EMPTY


def test_a_password_that_cannot_be_read_is_an_empty_cache(server: Server) -> None:
    def denied() -> str:
        raise PermissionError("AccessDeniedException")

    assert every_answer(ValkeyCache(server.url, denied)) == EMPTY


def test_a_restarted_server_that_lost_the_script_still_limits(
    server: Server, cache: ValkeyCache
) -> None:
    cache.take_token("b", 1, 1)
    server.run("SCRIPT", "FLUSH")
    assert cache.take_token("b", 1, 1) is not None


def test_a_quota_is_shared_by_all_instances_and_survives_the_cache(server: Server) -> None:
    quota = Quota(per_second=0.01, burst=10)
    instances = [TenantQuotas(new_cache(server), quota) for _ in range(3)]
    for one in instances:
        eventually(lambda one=one: one.take("warm").shared)
    allowed = [one.take("acme").bucket.allowed for _ in range(10) for one in instances]
    assert sum(allowed) == 10
    assert all(one.take("globex").bucket.allowed for one in instances), "another tenant"
    server.kill()
    without = [one.take("acme") for _ in range(15) for one in instances]
    assert sum(one.bucket.allowed for one in without) == 30, "ten for each instance"
    assert not any(one.shared for one in without)


def certificate(folder: Path) -> Path:
    """A certificate for loopback that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cache")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "cache.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + secret)
    return file


def test_tls_is_used_and_only_a_trusted_certificate_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = certificate(tmp_path)
    server = Server(tmp_path, trusted)
    try:
        server.start()
        untrusting = new_cache(server)
        untrusting.put("k", b"value", 60_000)
        assert server.stored() == [], "nothing is sent to a server that cannot prove who it is"
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        cache = new_cache(server)
        cache.put("k", b"value", 60_000)
        assert cache.get("k") == b"value"
    finally:
        server.kill()
        server.proxy.close()
