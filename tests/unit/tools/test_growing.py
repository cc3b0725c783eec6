"""docs/growing.md: its figures, and its commands that need no deployed system.

tests/flows/test_phase_moves.py carries out the others.
"""

import re
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from tests.unit.tools.growing_page import TEXT, beginning_with, commands
from tools.drift import ROOT
from tools.growing import quotas, stages
from tools.growing.__main__ import parts
from tools.growing.simulated import Simulated, simulated
from tools.growing.systems import KEYCLOAK, PARAMETERS, REGIONS, secondary, system
from tools.sections import cells, section
from zebros import cli
from zebros.cloudformation import resolve
from zebros.phases import PHASES

KNOWN = simulated()
OFFLINE = ("simulate", "cost", "phase")
ELSEWHERE = {"region": "two regions: tests/component/regions/test_operators.py"}
"""Commands of `zebros` that other tests carry out."""
ON_A_PLATFORM = {"top", "scale", "events", "tenants"}
"""Commands of `zebros` that tests/flows/test_phase_moves.py carries out."""


def test_generated_parts_are_up_to_date() -> None:
    for name, lines in parts(KNOWN):
        assert section(TEXT, name) == list(lines), "run `make contracts`"


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_carried_out_by_a_test(words: list[str]) -> None:
    program, *rest = words
    if program == "zebros":
        rest = rest[2:] if rest[0] == "--stack" else rest
        assert rest[0] in {*OFFLINE, *ELSEWHERE, *ON_A_PLATFORM}
    else:
        assert program in ("sam", "aws", "export")


@pytest.mark.parametrize(
    "words", [one for name in OFFLINE for one in beginning_with("zebros", name)], ids=" ".join
)
def test_a_command_without_a_system_succeeds(words: list[str], capsys: Any) -> None:
    short = ["--minutes", "1"] if words[1] == "simulate" else []
    assert cli.main([*words[1:], *short]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


def overrides(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if re.match(r"[A-Z]\w+=", word))


def test_the_deployments_of_the_page_follow_each_other_and_are_accepted() -> None:
    """Each adds its parameters to those of the deployments before, as CloudFormation does."""
    given: dict[str, str] = {}
    phases = []
    for words in beginning_with("sam", "deploy"):
        given |= overrides(words)
        assert resolve(ROOT / "template.yaml", given).resources
        phases.append(given.get("Phase", "mvp"))
    assert list(dict.fromkeys(phases)) == list(PHASES)
    assert given.keys() >= REGIONS.keys()


@pytest.mark.parametrize("words", beginning_with("aws"), ids=" ".join)
def test_a_call_of_aws_exists_with_its_parameters(words: list[str]) -> None:
    _, service, operation, *rest = words
    model = botocore.session.get_session().get_service_model(service)
    by_name = {name.lower(): name for name in model.operation_names}
    shape = model.operation_model(by_name[operation.replace("-", "")]).input_shape
    options = {word.removeprefix("--").replace("-", "").lower() for word in rest[::2]}
    assert options <= {name.lower() for name in shape.members}
    assert {name.lower() for name in shape.required_members} <= options


def test_quota_codes_of_the_page_are_those_of_the_table() -> None:
    codes = {word for one in beginning_with("aws") for word in one if word.startswith("L-")}
    assert codes == set(re.findall(r"\bL-[0-9A-F]{8}\b", " ".join(section(TEXT, "quotas"))))


def asked(service: str, code: str) -> int:
    (words,) = (
        one
        for one in beginning_with("aws", "service-quotas", "request-service-quota-increase")
        if one[4] == service and code in one
    )
    return int(words[-1])


@pytest.mark.parametrize("place", [2, 3])
def test_the_quota_that_is_asked_for_suffices_for_every_phase(place: int) -> None:
    quota, code = quotas.QUOTAS[place], quotas.QUOTAS[place].note[:10]
    needs = [quota.needs(system(phase, KEYCLOAK), phase, 0) for phase in PHASES]
    assert quota.default < max(needs) <= asked("fargate", code)


def test_the_shares_of_the_first_phases_fit_into_the_quota_that_is_asked_for() -> None:
    lambdas = quotas.QUOTAS[0]
    needs = {phase: lambdas.needs(system(phase), phase, 0) for phase in PHASES}
    assert needs["growth"] <= asked("lambda", "L-B99A9384") < needs["enterprise"]
    assert needs["mvp"] == 2 * 100 + 100, "twice the shares, and what must stay unreserved"


def test_quotas_follow_the_templates_and_the_load() -> None:
    assert quotas.rate_of(25, "startup") == pytest.approx(25 * 300 / 36_000 * 2)
    table = [cells(line) for line in quotas.table(dict.fromkeys(PHASES, 1_000_000))]
    rate = next(one for one in table if one[0] == "API Gateway: Throttle rate")
    assert rate[1:6] == ["10,000", "**16,667**", "**16,667**", "**16,667**", "**16,667**"]
    spot = next(one for one in table if "Spot" in one[0])
    # Weights of three and one: 10 tasks of half a vCPU, 10 of four, and 10 of one.
    assert spot[5] == f"**{int((5 + 40 + 10) * 3 / 4) + 1}**"
    writes = next(one for one in table if one[0].startswith("DynamoDB"))
    assert writes[2] == "0", "mvp is on demand"


# --- what the page says about the sizes ---


def changed(phase: str, **fields: Any) -> Simulated:
    other = replace(KNOWN.headroom[phase], **fields)
    return Simulated(KNOWN.rows, {**KNOWN.headroom, phase: other})


def test_a_phase_that_does_not_carry_its_tier_is_named() -> None:
    small = changed("growth", carries=80)
    assert any(
        one.startswith("- **growth does not carry its tier**: 80 of 100 users;")
        for one in stages.misfits(small)
    )
    assert not any("does not carry its tier" in one for one in stages.misfits(KNOWN))


def test_a_phase_that_is_far_too_large_is_named_and_one_that_fits_is_not() -> None:
    found = "\n".join(stages.misfits(changed("startup", carries=74)))
    assert "startup is far too large" not in found
    assert "growth is far too large" in found
    exact = "\n".join(stages.misfits(changed("startup", carries=75)))
    assert "carries 75, 3 times as many" in exact


def test_a_phase_that_carries_no_more_than_the_one_before_is_named() -> None:
    larger = changed("enterprise", carries=KNOWN.headroom["growth"].carries + 1)
    found = "\n".join(stages.misfits(larger))
    assert "carries no more than" not in found
    same = changed("enterprise", carries=KNOWN.headroom["growth"].carries)
    assert "enterprise carries no more than growth" in "\n".join(stages.misfits(same))


def test_users_whom_no_phase_carries_are_named_with_who_does_after_all() -> None:
    rows = {key: replace(one, carries=False) for key, one in KNOWN.rows.items()}
    found = [one for one in stages.misfits(Simulated(rows, KNOWN.headroom)) if "No phase" in one]
    assert len(found) == len(KNOWN.users)
    assert all("with all that the controller may add" in one for one in found)
    nobody = {key: replace(one, raised=0) for key, one in KNOWN.headroom.items()}
    found = [one for one in stages.misfits(Simulated(rows, nobody)) if "not even" in one]
    assert len(found) == len(KNOWN.users)


def test_the_cheapest_phase_that_carries_the_users_is_found() -> None:
    best = KNOWN.cheapest(100)
    assert best is not None
    costs = [KNOWN.rows[phase, 100].cost for phase in PHASES if KNOWN.rows[phase, 100].carries]
    assert best.cost == min(costs)
    dear = {**KNOWN.rows, (best.phase, 100): replace(best, carries=False)}
    other = Simulated(dear, KNOWN.headroom).cheapest(100)
    assert other is not None
    assert (other.phase, other.carries) != (best.phase, False)
    assert other.cost == sorted(costs)[1]


@pytest.mark.parametrize(
    ("users", "phase"),
    [(5, "mvp"), (6, "startup"), (25, "startup"), (100, "growth"), (101, "enterprise")],
)
def test_the_phase_of_the_strategy_is_the_one_that_is_made_for_the_users(
    users: int, phase: str
) -> None:
    assert stages.strategy_phase(users) == phase


def test_a_move_names_what_is_replaced_its_limits_and_its_time() -> None:
    found = dict(cells(line)[:2] for line in stages.move("growth", "enterprise", 250, KNOWN))
    assert "Dax" in found["replaced"]
    assert found["data"].endswith("replaced or removed: none")
    assert "Dax 15" in found["takes"]
    assert found["most of it"].startswith("DAX ")
    first = dict(cells(line)[:2] for line in stages.move("mvp", "startup", 25, KNOWN))
    assert "replaced" not in first
    assert "within 24 hours" in first["limits"]
    assert "within 24 hours" in first["back"]


def test_two_regions_cost_what_both_stacks_cost() -> None:
    found = dict(cells(line)[:2] for line in stages.regions(250))
    numbers = [int(one.replace(",", "")) for one in re.findall(r"[\d,]+\d", found["USD a month"])]
    before, primary, passive = numbers[:3]
    assert before < primary
    assert 0 < passive < primary
    assert f"{(primary + passive) / before:.1f} times" in found["USD a month"]
    assert secondary().resources.keys() != system("enterprise").resources.keys()


def test_every_phase_has_the_parameters_of_the_page() -> None:
    assert PARAMETERS["ReserveConcurrency"] == "yes"
    assert {"WorkerImage", "DomainName"} <= PARAMETERS.keys()
