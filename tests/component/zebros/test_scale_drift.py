"""`zebros scale drift`: what differs from what is deployed."""

import json
from contextlib import nullcontext
from typing import Any

import pytest

from zebros.cli import main
from zebros.client.connection import Connection

SETTING = {"setting": "memory", "resource": "CustomersApi", "ceiling": 1024}
SAME = {**SETTING, "value": 256, "deployed": 256}
OTHER = {**SETTING, "value": 384, "deployed": 256, "parameter": "CustomersMemory=384"}


class Api:
    """The API's answer."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = list(items)

    def get(self, path: str) -> dict[str, Any]:
        assert path == "/scaling/settings"
        return {"mode": "apply", "budget_usd": 100, "items": self.items}


def answered(monkeypatch: pytest.MonkeyPatch, *items: dict[str, Any]) -> None:
    monkeypatch.setattr(Connection, "client", lambda _self: nullcontext(Api(*items)))


def test_it_prints_what_differs_and_what_makes_it_permanent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(monkeypatch, SAME, OTHER)
    assert main(["scale", "drift"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "CustomersApi" in line]
    (line,) = lines
    assert line.split() == ["memory", "CustomersApi", "384", "256", "1024", "CustomersMemory=384"]
    assert main(["--json", "scale", "drift"]) == 0
    assert json.loads(capsys.readouterr().out) == {"mode": "apply", "settings": [OTHER]}


def test_it_says_so_when_nothing_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(monkeypatch, SAME)
    assert main(["scale", "drift"]) == 0
    assert capsys.readouterr().out.strip() == "Every setting is as deployed."
