"""The tenant's time zone in tokens: what the authorizer makes of the claim `zoneinfo`."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edge import tokens
from tests.component.conftest import ApiClient
from tests.component.edge.test_authorizer import ask, issuer
from tests.component.test_budgets import ROOT
from tests.component.test_metrics import Log, log
from zebros.local.issuer import Issuer

__all__ = ["ask", "issuer", "log"]


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    tokens._log_unknown_zone.cache_clear()
    yield
    tokens._log_unknown_zone.cache_clear()


def warnings(log: Log) -> list[str]:
    return [line for line in log.text.getvalue().splitlines() if "unknown time zone" in line]


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "America/Los_Angeles", "Etc/UTC", "UTC", "Etc/GMT+5"]
)
def test_the_zone_of_the_token_is_in_the_caller_s_identity(
    ask: Any, issuer: Issuer, log: Log, zone: str
) -> None:
    answer = ask(f"Bearer {issuer.mint('acme', 'rep', zoneinfo=zone)}")
    assert answer["context"]["time_zone"] == zone
    assert warnings(log) == []


@pytest.mark.parametrize(
    "claim",
    [
        *(None, "", "Mars/Olympus", "CEST", "localtime", "../../etc/passwd", "Europe/Berlin\0"),
        *("\ud800", "a" * 5_000, 2, True, ["Europe/Berlin"], {"name": "Europe/Berlin"}),
    ],
)
def test_without_a_known_zone_the_tenant_is_in_utc_which_is_logged_once(
    ask: Any, issuer: Issuer, log: Log, claim: Any
) -> None:
    for user in ("rep", "manager"):
        answer = ask(f"Bearer {issuer.mint('acme', user, zoneinfo=claim)}")
        assert answer["context"]["time_zone"] == "Etc/UTC"
    (line,) = warnings(log)
    assert '"tenant":"acme"' in line
    assert len(line) < 500
    ask(f"Bearer {issuer.mint('globex', 'admin', zoneinfo=claim)}")
    assert len(warnings(log)) == 2, "each tenant's"


def test_a_demo_tenant_has_a_zone(ask: Any, issuer: Issuer, log: Log) -> None:
    zones = {
        tenant: ask(f"Bearer {issuer.mint(tenant, 'admin')}")["context"]["time_zone"]
        for tenant in ("acme", "globex")
    }
    assert zones == {"acme": "America/New_York", "globex": "Europe/Berlin"}


def test_from_the_token_to_the_closing_day(ask: Any, issuer: Issuer, cloud: Any) -> None:
    """The whole way: issuer, authorizer, API, record."""
    from opportunities.handlers.api import handler

    days = {}
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        claims = ask(f"Bearer {issuer.mint('acme', 'admin', zoneinfo=zone)}")["context"]
        api = ApiClient(handler, **claims)
        made = api("POST", "/opportunities", {"name": "Big one"}).json
        won = api("POST", f"/opportunities/{made['id']}/won", {}, {"if-match": "*"})
        days[zone] = datetime.fromisoformat(won.json["closed_on"]).date()
    # 26 hours lie between the first and the last zone, so their days always differ.
    first, last = days["Pacific/Kiritimati"], days["Etc/GMT+12"]
    assert first - last in (timedelta(days=1), timedelta(days=2))
    assert last <= datetime.now(UTC).date() <= first


def test_the_authorizer_starts_without_pydantic_zones_and_cache_client() -> None:
    heavy = ("pydantic", "zoneinfo", "valkey", "tzdata")
    program = f"import sys, edge.authorizer; print(*[m for m in {heavy!r} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "services")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == []
