"""The end of a start prints the addresses and the users."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from zebros.cli import welcome
from zebros.client.connection import Connection, LocalIssuer
from zebros.local.home import Home

STATE: dict[str, Any] = {
    "api": "http://127.0.0.1:1/api",
    "issuer_base": "http://127.0.0.1:2/realms/",
    "endpoint": "http://127.0.0.1:1",
    "bridge": {"endpoint": "http://172.17.0.1:1", "env_vars": "sam-env.json"},
}


@pytest.fixture
def printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The output for a CRM without the demo company."""
    Home(tmp_path).write_state(STATE)
    monkeypatch.setattr(LocalIssuer, "current", lambda who: f"token of {who.tenant}'s {who.user}")
    ctx: Any = None
    welcome.welcome(ctx, Connection(home=tmp_path), empty=True)
    return capsys.readouterr().out


def test_every_role_can_sign_in_at_every_tenant(printed: str) -> None:
    rows = [line.split() for line in printed.splitlines() if line.startswith("acme, globex")]
    assert rows == [
        ["acme,", "globex", "admin", "administrator"],
        ["acme,", "globex", "manager", "sales-manager"],
        ["acme,", "globex", "rep", "sales-representative"],
        ["acme,", "globex", "support", "support-agent"],
        ["acme,", "globex", "reader", "read-only"],
    ]
    assert "zebros token --tenant globex --user manager" in printed
    assert printed.endswith("\ntoken of acme's admin\n")


@pytest.mark.parametrize(
    ("tenant", "day"), [("acme", "2025-12-31"), ("globex", "2026-01-01"), ("initech", "2025-12-31")]
)
def test_the_demo_is_dated_by_the_day_of_its_tenant(
    monkeypatch: pytest.MonkeyPatch, tenant: str, day: str
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2025, 12, 31, 23, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(welcome, "datetime", Clock)
    assert str(welcome._today(tenant)) == day


def test_the_options_for_containers_are_printed(printed: str, tmp_path: Path) -> None:
    built = tmp_path / "build" / "template.yaml"
    assert f"sam local invoke … --template {built} --env-vars sam-env.json" in printed


def test_the_owners_of_the_demos_opportunities_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    welcome._print_users(sellers=True)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("acme          maya, theo, inez …  sales-representative, owners")


def test_a_queue_on_which_something_waits_is_named_as_in_its_template(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = {"streams": 1, "queues": {"zebros-Activities-1A-Q2B": 3, "a-partner-s": 1}}
    answer = httpx.Response(200, json=waiting, request=httpx.Request("GET", STATE["endpoint"]))
    monkeypatch.setattr(httpx, "get", lambda *_, **__: answer)
    urls = {"ActivitiesEventsQueue": "http://localhost:1/000000000000/zebros-Activities-1A-Q2B"}
    found = welcome.backlog({**STATE, "resources": {"queues": urls}})
    assert found == {"streams": 1, "queues": {"ActivitiesEventsQueue": 3, "a-partner-s": 1}}
