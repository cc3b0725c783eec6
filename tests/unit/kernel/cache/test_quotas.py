"""Quotas of tenants while the cache does not answer, and sessions per hour."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from kernel.cache import quotas
from kernel.cache.port import NoCache
from kernel.cache.quotas import Quota, TenantQuotas
from kernel.cache.sessions import ActiveSessions
from tests.unit.kernel.cache.memory import Clock, MemoryCache

QUOTA = Quota(per_second=2, burst=3)


def test_a_tenant_may_send_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    tenants = TenantQuotas(NoCache(), QUOTA, clock)
    assert [tenants.take("acme").bucket.allowed for _ in range(4)] == [True, True, True, False]
    clock.pass_(0.5)
    assert [tenants.take("acme").bucket.allowed for _ in range(2)] == [True, False]


def test_a_tenant_does_not_use_up_another_tenant_s_quota() -> None:
    tenants = TenantQuotas(NoCache(), QUOTA, Clock())
    for _ in range(9):
        tenants.take("acme")
    assert tenants.take("globex").bucket.allowed


def test_the_figures_tell_what_is_left_and_when_to_come_again() -> None:
    clock = Clock()
    tenants = TenantQuotas(NoCache(), QUOTA, clock)
    first = tenants.take("acme")
    assert (first.bucket.tokens, first.full_after_s, first.shared) == (2, 1, False)
    for _ in range(2):
        last = tenants.take("acme")
    assert (last.bucket.tokens, last.full_after_s, last.bucket.wait_ms) == (0, 2, 500)
    slow = TenantQuotas(NoCache(), Quota(per_second=0.25, burst=1), clock)
    slow.take("acme")
    assert slow.take("acme").retry_after_s == 4
    assert QUOTA.window_s == 2


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_window_has_more_requests_than_the_quota_allows(pauses: list[float]) -> None:
    clock = Clock()
    tenants = TenantQuotas(NoCache(), QUOTA, clock)
    served = []
    for pause in pauses:
        clock.pass_(pause)
        if tenants.take("acme").bucket.allowed:
            served.append(clock())
    for i, start in enumerate(served):
        for j in range(i, len(served)):
            allowed = QUOTA.burst + QUOTA.per_second * (served[j] - start)
            assert j - i + 1 <= allowed + 1e-6


def test_an_instance_remembers_a_bounded_number_of_tenants() -> None:
    tenants = TenantQuotas(NoCache(), QUOTA, Clock())
    for number in range(quotas._MAX_TENANTS + 5):
        tenants.take(f"tenant-{number}")
    assert len(tenants._own._buckets) == quotas._MAX_TENANTS
    assert "tenant-4" not in tenants._own._buckets, "idle for longest"
    assert "tenant-5" in tenants._own._buckets


def test_a_session_counts_once_in_each_hour_of_its_tenant() -> None:
    cache, now = MemoryCache(Clock()), datetime(2026, 11, 26, 8, 59, tzinfo=UTC)
    for tenant, session in (("acme", "a"), ("acme", "a"), ("acme", "b"), ("globex", "c")):
        ActiveSessions(cache, lambda: now).seen(tenant, session)
    later = now + timedelta(minutes=1)
    ActiveSessions(cache, lambda: later).seen("acme", "a")
    sessions = ActiveSessions(cache, lambda: now)
    assert sessions.active("acme", now) == 2
    assert sessions.active("acme", later) == 1
    assert sessions.active("globex", now) == 1
    assert sessions.active("acme", now.astimezone(timezone(timedelta(hours=5, minutes=30)))) == 2
    assert ActiveSessions(NoCache(), lambda: now).active("acme", now) is None
