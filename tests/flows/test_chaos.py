"""A short run of chaos (tests/chaos): `make chaos` runs more of it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.__main__ import free_ports
from tests.chaos.checker import is_right
from tests.chaos.rounds import Chaos
from tests.chaos.traffic import COMPANY
from tests.flows.conftest import Crm, Zebros
from tests.flows.figures import record_figure

pytestmark = pytest.mark.slow
SEED, ROUNDS, SECONDS = 20, 2, 15.0


@pytest.mark.timeout(1500)
def test_nothing_is_lost_doubled_or_wrong_after_faults_of_every_kind(tmp_path: Path) -> None:
    zebros = Zebros(tmp_path / "home", ZEBROS_TENANTS=COMPANY)
    zebros("up", "--empty", "--detach", "--reports", "worker", *free_ports())
    crm, faults, checked = Crm(zebros), Counter[str](), Counter[str]()
    try:
        chaos = Chaos(crm, SEED)
        for _ in range(ROUNDS):
            done = chaos.round(SECONDS)
            record_figure(f"chaos: {done.line()}")
            faults += done.faults
            checked += done.verdict.checked
            assert done.verdict.lost == []
            assert done.verdict.doubled == []
            assert done.verdict.wrong == []
            assert all(map(is_right, done.linearizable.values())), done.linearizable
    finally:
        crm.http.close()
        zebros("down", check=False)
    # Otherwise nothing is proved.
    assert sum(faults.values()) >= 10
    assert done.verdict.checked["acknowledged"] >= 50
    views = ("events", "records", "timeline entries", "unread")
    assert min(checked[one] for one in (*views, "restored records", "upgraded records")) > 0
