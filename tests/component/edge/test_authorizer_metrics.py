"""What the authorizer measures: sessions per hour, and what the cache saved."""

from datetime import UTC, datetime
from typing import Any

import pytest

from edge import authorizer
from kernel.cache.connect import cached_reads
from tests.component.edge.test_authorizer import ask, issuer
from tests.component.edge.test_authorizer_cache import Fetches, fetches, new_instance
from tests.component.kernel.valkey_server import running_server, server
from tests.component.test_metrics import Log, log
from zebros.local.issuer import Issuer

__all__ = ["ask", "fetches", "issuer", "log", "running_server", "server"]

HOUR = datetime(2026, 6, 5, 9, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_a_quarter_past_nine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizer, "utc_now", lambda: HOUR)


def test_a_session_is_measured_once_in_an_hour_by_all_instances_together(
    ask: Any, issuer: Issuer, fetches: Fetches, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in ("rep", "manager", "rep"):
        ask(f"Bearer {issuer.mint('acme', user)}")
        new_instance()
    ask(f"Bearer {issuer.mint('globex', 'rep')}")
    found = log.metrics("ActiveSessions")
    assert [(line["tenant"], line["ActiveSessions"]) for line in found] == [
        ("acme", 1),
        ("acme", 1),
        ("globex", 1),
    ]
    monkeypatch.setattr(authorizer, "utc_now", lambda: HOUR.replace(hour=10))
    ask(f"Bearer {issuer.mint('acme', 'rep')}")
    assert len(log.metrics("ActiveSessions")) == 4, "active in the next hour, too"


def test_the_cache_of_identities_is_measured_in_the_same_line(
    ask: Any, issuer: Issuer, fetches: Fetches, log: Log
) -> None:
    token = issuer.mint("acme", "rep")
    ask(f"Bearer {token}")
    ask(f"Bearer {token}")
    new_instance()
    ask(f"Bearer {issuer.mint('acme', 'manager')}")
    empty, known, another = log.metrics("CacheMisses")
    assert (empty["CacheHits"], empty["CacheMisses"]) == (0, 1)
    assert empty["cache"]["misses"] == {"identity": 1}
    assert (known["CacheHits"], known["CacheMisses"]) == (1, 0)
    assert known["cache"] == {"hits": {"identity": 1}, "misses": {}}
    assert another["cache"] == {"hits": {}, "misses": {"identity": 1}}
    assert {line["Context"] for line in (empty, known, another)} == {"edge"}
    assert log.count() == 3, "one line for each question of API Gateway"


def test_a_rejected_token_is_measured_with_its_line_and_is_no_session(
    ask: Any, issuer: Issuer, fetches: Fetches, log: Log
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        ask(f"Bearer {issuer.mint('acme', 'rep', foreign_key=True)}")
    (line,) = log.metrics("CacheMisses")
    assert line["message"] == "token rejected"
    assert line["cache"]["misses"]["identity"] == 1
    assert log.metrics("ActiveSessions") == []
    assert log.count() == 1


def test_without_a_cache_there_is_no_line(ask: Any, issuer: Issuer, log: Log) -> None:
    new_instance()
    ask(f"Bearer {issuer.mint('acme', 'rep')}")
    assert log.count() == 0
    assert cached_reads().taken() == ({}, {})
