"""A short run of chaos (tests/chaos): `make chaos` runs more of it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.__main__ import free_ports
from tests.chaos.rounds import Chaos
from tests.flows.conftest import Crm, Zebros
from tests.flows.figures import record_figure

pytestmark = pytest.mark.slow
SEED, ROUNDS, SECONDS = 20, 2, 15.0


@pytest.mark.timeout(1500)
def test_nothing_is_lost_doubled_or_wrong_after_faults_of_every_kind(tmp_path: Path) -> None:
    zebros = Zebros(tmp_path / "home")
    zebros("up", "--empty", "--detach", "--reports", "worker", *free_ports())
    crm, faults = Crm(zebros), Counter[str]()
    try:
        chaos = Chaos(crm, SEED)
        for _ in range(ROUNDS):
            done = chaos.round(SECONDS)
            record_figure(f"chaos: {done.line()}")
            faults += done.faults
            assert done.verdict.lost == []
            assert done.verdict.doubled == []
            assert done.verdict.wrong == []
            assert set(done.linearizable.values()) <= {"Ok", "no Go"}
    finally:
        crm.http.close()
        zebros("down", check=False)
    # Otherwise nothing is proved.
    checked = done.verdict.checked
    assert sum(faults.values()) >= 10
    assert checked["acknowledged"] >= 50
    assert min(checked[one] for one in ("events", "records", "timeline entries", "unread")) > 0
