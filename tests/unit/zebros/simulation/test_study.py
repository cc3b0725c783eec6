"""The sizes of the templates under the load of their tiers."""

from pathlib import Path
from typing import Any

import pytest

from scaling.model.policy_file import policy_of
from tools.simulation_page import raised
from zebros import cli
from zebros.costs import Prices
from zebros.costs.prices import FILE as PRICES
from zebros.errors import BadInput
from zebros.phases import PHASES
from zebros.simulation.study import TIERS, Study
from zebros.simulation.work import load_work

ROOT = Path(__file__).resolve().parents[4] / "template.yaml"
WORK = load_work()


@pytest.fixture(scope="module")
def growth() -> Study:
    return Study(ROOT, "growth", WORK)


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_carries_the_users_it_is_made_for(phase: str) -> None:
    found = Study(ROOT, phase, WORK).simulate(TIERS[phase], minutes=10)
    assert found.carries
    assert found.latency_ms[1] < 200
    assert found.bottleneck.share < 0.7


def test_a_first_stack_does_not_carry_a_hundred_thousand_users() -> None:
    found = Study(ROOT, "mvp", WORK).simulate(100_000, requests=5_000)
    assert not found.carries
    assert found.bottleneck.name.startswith("concurrency of ")
    assert "strategy.yaml" in found.bottleneck.moved_by


def test_a_seed_has_one_result_and_another_one_a_similar_one(growth: Study) -> None:
    found = growth.simulate(100, minutes=5)
    assert growth.simulate(100, minutes=5) == found
    other = Study(ROOT, "growth", WORK, seed=2).simulate(100, minutes=5)
    assert other != found
    assert other.latency_ms[0] == pytest.approx(found.latency_ms[0], rel=0.1)


def test_more_memory_makes_requests_faster(growth: Study) -> None:
    slow = growth.simulate(100, minutes=5)
    sizes = raised(growth.sizes, policy_of("growth", 0))
    fast = growth.simulate(100, minutes=5, sizes=sizes)
    assert fast.latency_ms[0] < slow.latency_ms[0] * 0.8


def test_what_the_controller_may_add_is_what_its_policy_says(growth: Study) -> None:
    sizes = raised(growth.sizes, policy_of("growth", 0))
    api, table = sizes.functions["CustomersApi"], sizes.tables["CustomersTable"]
    assert (api.memory, api.concurrency, table.range) == (1024, 120, (25, 300))
    assert sizes.workers is not None
    assert sizes.workers.most == 20
    assert sizes.functions["CustomersMaintenance"].concurrency == 1000, "it has no share"


def test_a_user_costs_less_in_a_larger_company(growth: Study) -> None:
    prices = Prices.load(PRICES)
    assert growth.cost_per_user(100, prices) < growth.cost_per_user(25, prices)


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no phase 'huge'"):
        Study(ROOT, "huge", WORK)
    file = tmp_path / "work.toml"
    file.write_text("[values.pace]\nvalue = 1\n")
    with pytest.raises(BadInput, match="there is no value pace; one of peak"):
        load_work(file)
    file.write_text("[values.peak]\nvalue = 0\n")
    with pytest.raises(BadInput, match="peak must have a number above 0"):
        load_work(file)


def test_the_command_prints_whether_a_phase_carries_users(capsys: Any) -> None:
    words = ("simulate", "--phase", "growth", "--users", "100", "--minutes", "2")
    assert cli.main([*words]) == 0
    caught = capsys.readouterr()
    assert "Phase growth carries 100 users." in caught.out
    assert "used most" in caught.out
    assert cli.main(["--json", *words]) == 0
    assert '"carries": true' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--phase", "huge", "--users", "5"), "There is no phase 'huge'"),
        (("--phase", "mvp", "--users", "0"), "must be greater than or equal to 1"),
        (("--phase", "mvp"), "Missing option '--users'"),
    ],
)
def test_the_command_refuses_wrong_input(words: tuple[str, ...], message: str, capsys: Any) -> None:
    assert cli.main(["simulate", *words]) != 0
    assert message in capsys.readouterr().err
