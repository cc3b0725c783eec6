"""A short run of chaos (tests/chaos): `make chaos` runs more of it."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.chaos.__main__ import free_ports
from tests.chaos.checker import is_right
from tests.chaos.rounds import Chaos, Round
from tests.chaos.traffic import COMPANY
from tests.flows.conftest import Crm, Zebros
from tests.flows.figures import record_figure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
SEED, ROUNDS, SECONDS = 20, 2, 15.0


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """A platform of its own, which faults are to hit."""
    zebros = Zebros(tmp_path_factory.mktemp("chaos") / "home", ZEBROS_TENANTS=COMPANY)
    zebros.up("--reports", "worker", *free_ports())
    crm = Crm(zebros)
    try:
        yield Chaos(crm, SEED)
    finally:
        crm.http.close()
        zebros("down", check=False)


@pytest.fixture(scope="module")
def rounds(chaos: Chaos) -> list[Round]:
    """Rounds until one is wrong."""
    done: list[Round] = []
    while len(done) < ROUNDS and all(one.right for one in done):
        done.append(chaos.round(SECONDS))
        record_figure(f"chaos: {done[-1].line()}")
    return done


def test_nothing_is_lost_doubled_or_wrong_after_faults_of_every_kind(rounds: list[Round]) -> None:
    for done in rounds:
        assert done.verdict.lost == []
        assert done.verdict.doubled == []
        assert done.verdict.wrong == []
    assert len(rounds) == ROUNDS


def test_what_readers_saw_of_a_record_is_linearizable(rounds: list[Round]) -> None:
    for done in rounds:
        assert all(map(is_right, done.linearizable.values())), done.linearizable


def test_enough_was_done_to_prove_something(rounds: list[Round]) -> None:
    faults: Counter[str] = sum((one.faults for one in rounds), Counter())
    checked: Counter[str] = sum((one.verdict.checked for one in rounds), Counter())
    assert sum(faults.values()) >= 10
    assert rounds[-1].verdict.checked["acknowledged"] >= 50
    views = ("events", "records", "timeline entries", "unread")
    assert min(checked[one] for one in (*views, "restored records", "upgraded records")) > 0
