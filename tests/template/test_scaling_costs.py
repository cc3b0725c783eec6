"""What functions know of costs and moves is what the templates, the prices and the plan say."""

from decimal import Decimal
from itertools import permutations

import pytest
import yaml

from scaling.model.costs import Driver, Feature, added, document, fixed, monthly
from scaling.model.moves import move
from tests.template.stack import EVERYTHING, ROOT, system
from tools.scaling_moves import FEATURES, feature_of, quantity
from zebros.cloudformation import System, resolve
from zebros.cloudformation.phases import plan
from zebros.costs import Prices, Usage
from zebros.costs import monthly as bill
from zebros.phases import PHASES

_HALF_A_CENT = Decimal("0.005")


def priced(load: Usage) -> System:
    return resolve(ROOT / "template.yaml", {"Phase": load.phase, **load.parameters})


@pytest.mark.parametrize("phase", PHASES)
def test_the_cost_of_a_load_is_that_of_zebros_cost(phase: str) -> None:
    design = Usage.load(phase)
    resolved = priced(design)
    for users in (int(design.users), 3, 70, 180, 1500, 8000):
        load = design.with_users(users)
        found = bill(resolved, load, Prices.load())
        metered = {driver: quantity(driver, load) for driver in Driver}
        rounding = _HALF_A_CENT * len(found.lines)
        assert abs(monthly(phase, metered) - found.total) <= rounding, users


@pytest.mark.parametrize("phase", PHASES)
def test_beyond_the_largest_load_a_cost_goes_on_in_a_straight_line(phase: str) -> None:
    for driver in Driver:
        (*_, before, last) = document()["costs"][phase]["added"][driver]
        beyond = Decimal(last["at"]) * 2 - Decimal(before["at"])
        twice = added(phase, driver, beyond)
        for feature in Feature:
            end, start = (Decimal(one["usd"].get(feature, 0)) for one in (last, before))
            assert abs(twice[feature] - (2 * end - start)) < Decimal("1e-9")
        assert not any(added(phase, driver, Decimal(0)).values())


def test_between_two_quantities_a_cost_is_on_the_line_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [(0, 0), (10, 10), (20, 40)]
    curve = [{"at": at, "usd": {"reports": usd}} for at, usd in points]
    bent = {"costs": {"mvp": {"added": {"changes": curve}}}}
    monkeypatch.setattr("scaling.model.costs.document", lambda: bent)
    found = [
        added("mvp", Driver.CHANGES, Decimal(at))[Feature.REPORTS] for at in (0, 5, 10, 15, 30)
    ]
    assert found == [0, 5, 10, 25, 70]


def test_what_a_feature_costs_is_in_its_stacks() -> None:
    dearer = fixed("startup")
    for name in ("customers", "opportunities", "activities"):
        feature = Feature(name)
        assert dearer[feature] > fixed("mvp")[feature] + 50, "provisioned tables"
    assert fixed("enterprise")[Feature.REPORTS] > fixed("growth")[Feature.REPORTS] + 100
    assert fixed("growth")[Feature.PLATFORM] > fixed("startup")[Feature.PLATFORM] + 100


def test_every_stack_has_a_feature() -> None:
    stacks = {one.stack for one in system().resources.values()}
    assert {feature_of(one) for one in stacks} == set(Feature)
    assert feature_of("zebros") is Feature.PLATFORM
    assert feature_of("zebros/Worker/StandardWorker") is Feature.REPORTS
    assert feature_of("zebros/Worker/ImportWorker") is Feature.IMPORTS
    assert feature_of("zebros/WebSocket") is Feature.NOTIFICATIONS
    known = {one.split("/")[1] for one in stacks if "/" in one}
    assert known <= set(FEATURES)
    with pytest.raises(SystemExit, match="the stack Payments has no feature in FEATURES"):
        feature_of("zebros/Payments/Store")


@pytest.mark.parametrize(("origin", "target"), list(permutations(PHASES, 2)))
def test_a_move_does_what_the_plan_says(origin: str, target: str) -> None:
    options = {name: value for name, value in EVERYTHING.items() if name != "Phase"}
    expected = plan(ROOT / "template.yaml", origin, target, options)
    found = move(origin, target)
    assert found is not None
    gone = [one.name for one in expected.changes if one.effect == "removed"]
    replaced = [one.name for one in expected.changes if "replaced" in one.effect]
    assert list(found.limits) == expected.limits
    assert (sorted(found.removed), sorted(found.replaced)) == (sorted(gone), sorted(replaced))
    kept = [one.name for one in expected.changes if one.effect == "kept outside of the stack"]
    assert list(found.kept) == sorted(kept)
    everything = found.added + found.changed + len(gone) + len(replaced) + len(kept)
    assert everything == len(expected.changes)
    assert found.added == sum(one.effect == "added" for one in expected.changes)
    assert set(found.data_touched) == {one.name for one in expected.changes if one.holds_data}
    assert found.data_lost == ()
    workers = {one.name for one in expected.changes if one.name.endswith("WorkerTask")}
    assert found.workers_restart == bool(workers)
    assert found.parameters == {"Phase": target, "Deployment": "at-once"}


def test_a_move_to_the_same_phase_is_none() -> None:
    assert move("growth", "growth") is None


def test_a_phase_needs_the_parameters_without_a_default() -> None:
    up, further = move("startup", "growth"), move("growth", "enterprise")
    assert up is not None
    assert further is not None
    assert up.needs == ("CertificateArn", "DomainName", "HostedZoneId")
    assert further.needs == ("EdgeCertificateArn",)


def test_the_simulation_s_headroom_is_that_of_its_page() -> None:
    page = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    for phase, users in document()["carries"].items():
        assert f"| {phase} | " in page
        assert f"| {users:,} |" in page
    assert list(document()["carries"]) == sorted(PHASES)


def test_ranges_and_unit_prices_are_those_of_the_strategy_and_the_price_table() -> None:
    strategy = yaml.safe_load((ROOT / "strategy.yaml").read_text(encoding="utf-8"))
    ranges = {f"{name}Table": one for name, one in strategy["Capacity"].items()}
    assert document()["ranges"] == {
        name: {"low": one["Min"], "high": one["Max"]} for name, one in ranges.items()
    }
    # 0.625 USD a million write requests, 0.00065 a write unit and hour; reads 0.125 and 0.00013.
    prices = document()["prices"]
    assert prices["write"] == {"request": Decimal("6.25e-7"), "unit_hour": Decimal("0.00065")}
    assert prices["read"] == {"request": Decimal("1.25e-7"), "unit_hour": Decimal("0.00013")}
