"""The stated load: complete, explained, and what the strategy says of each phase."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.zebros.costs.design import rule, usage
from zebros.costs.usage import FILE, HOURS, Usage, gb
from zebros.errors import BadInput
from zebros.phases import PHASES

TEXT = FILE.read_text(encoding="utf-8")


def load(folder: Path, text: str, phase: str = "growth", role: str = "primary") -> Usage:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return Usage.load(phase, role, file)


@pytest.mark.parametrize("phase", PHASES)
def test_every_number_has_a_unit_and_a_reason(phase: str) -> None:
    for one in Usage.load(phase).assumptions.values():
        assert one.value > 0
        assert one.unit
        assert len(one.why) > 5


def test_a_phase_is_priced_at_the_load_for_which_the_strategy_has_it() -> None:
    # "startup (phase 1, <=25 users), growth (phase 2, <=100 users), enterprise (phase 3, 250+
    # users)"
    users = {phase: Usage.load(phase).users for phase in PHASES}
    assert users["mvp"] < 25
    assert (users["startup"], users["growth"]) == (25, 100)
    assert users["enterprise"] >= 250
    # "data | < 5 GB | 5-50 GB | > 50 GB", a row of the strategy
    data = {phase: Usage.load(phase).data_gb for phase in PHASES}
    assert data["mvp"] < data["startup"] < 5 < data["growth"] < 50 < data["enterprise"]


def test_a_load_follows_from_its_users() -> None:
    made = usage()
    assert (made.requests, made.writes, made.reads) == (1_000_000, 200_000, 800_000)
    assert (made.events, made.reports, made.sessions) == (400_000, 1_000, 2_000)
    assert made.busy_hours * 2 == HOURS == 730


def test_other_users_scale_what_depends_on_them() -> None:
    design = Usage.load("growth")
    twice = design.with_users(200)
    assert (twice.users, twice.requests) == (200, 2 * design.requests)
    assert twice.data_gb == 2 * design.data_gb
    assert twice["custom_metrics"] == design["custom_metrics"]
    scaled = {n for n, one in design.assumptions.items() if twice[n] != one.value}
    grows = {
        *("users", "data_gb", "data_growth_gb", "files_gb", "files_growth_gb"),
        *("network_gb", "balancer_units", "database_gb", "database_io"),
    }
    assert scaled == grows


@pytest.mark.parametrize("users", [0, -5])
def test_a_number_of_users_must_be_positive(users: int) -> None:
    with pytest.raises(BadInput, match=f"The number of users must be above 0, not {users}."):
        usage().with_users(users)


def test_one_user_is_enough() -> None:
    assert usage().with_users(1).requests == 10_000


def test_stored_data_grows_by_month() -> None:
    made = usage(data_gb=10, data_growth_gb=2, files_gb=20, files_growth_gb=3)
    assert (made.after(2).data_gb, made.after(2).files_gb) == (14, 26)
    assert made.after(2).after(1).data_gb == 16


def test_sizes_become_gb() -> None:
    assert gb(Decimal(1024), kb=Decimal(1024)) == 1
    assert gb(Decimal(1024), each=Decimal(1024**2)) == 1


def test_the_first_matching_rule_counts() -> None:
    first, rest = rule("A*", factor=1), rule("*", factor=2)
    made = usage()
    made = Usage("growth", "primary", made.assumptions, {"queues": (first, rest)}, {})
    assert made.rule("queues", "Ab") is first
    assert made.rule("queues", "Ba") is rest
    only = Usage("growth", "primary", made.assumptions, {"queues": (first,)}, {})
    with pytest.raises(BadInput, match=r"no rule of \[\[queues\]\] for Ba\."):
        only.rule("queues", "Ba")


def test_a_missing_assumption_is_named() -> None:
    with pytest.raises(BadInput, match=r"^The usage file has no value for image_gb\.$"):
        usage()["image_gb"]


def test_what_is_looked_up_is_remembered() -> None:
    made = usage()
    _ = made.reports
    assert made.used == {"users", "reports_per_user"}


def test_parameters_are_those_of_all_phases_of_the_phase_and_of_the_role(tmp_path: Path) -> None:
    text = TEXT.replace("[parameters.growth]", '[parameters.growth]\nWorkerImage = "b"')
    growth = load(tmp_path, text).parameters
    assert (growth["WorkerImage"], growth["DomainName"]) == ("b", "crm.example.com")
    assert load(tmp_path, TEXT, role="secondary").parameters["RegionRole"] == "secondary"
    assert load(tmp_path, text, "mvp").parameters == {"WorkerImage": "worker:1"}


@pytest.mark.parametrize(
    ("phase", "role", "message"),
    [
        ("big", "primary", "There is no phase 'big'; there are mvp, startup, growth, enterprise."),
        ("growth", "third", "There is no region role 'third'; there are primary, secondary."),
    ],
)
def test_an_unknown_phase_or_role_is_rejected(phase: str, role: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        Usage.load(phase, role)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("growth = 100\n", "growth = 0\n", "mine.toml: users must be above 0, not 0."),
        ("growth = 100\n", "growth = -1\n", "mine.toml: users must be above 0, not -1."),
        ("growth = 100\n", "", "mine.toml: users has no number for the phase growth."),
        ("growth = 100\n", "growth = nan\n", "users has no number for the phase growth."),
        ("[values.users]", "[values.user]", "mine.toml has no value for users."),
        ('unit = "people"\n', "", "mine.toml: users has no unit."),
        ('why = "a year has about', 'because = "a year has', "mine.toml: working_days has no why."),
        (
            'calls = "requests"\nfactor = 0.1',
            'calls = "hits"\nfactor = 0.1',
            "calls must be one o",
        ),
        ("factor = 0.1\ncpu_ms = 6", "factor = 0\ncpu_ms = 6", "Authorizer: factor must be a numb"),
        ("factor = 0.1\ncpu_ms = 6", "factor = 0.1", "Authorizer: cpu_ms must be a number above"),
        ("writes = 0.15\n", "", "[[tables]] CustomersTable: writes must be a number above 0."),
        (
            "wait_ms = 12\n",
            "wait_ms = 12\nwrite_wait_ms = 0\n",
            "[[functions]] CustomersApi: write_wait_ms must be a number above 0.",
        ),
        ('match = "CustomersTable"\n', "", "mine.toml: [[tables]] has no match."),
        ('WorkerImage = "worker:1"', "WorkerImage = 1", "parameter WorkerImage must be a text."),
    ],
)
def test_a_wrong_entry_is_rejected_by_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in TEXT
    with pytest.raises(BadInput) as caught:
        load(tmp_path, TEXT.replace(old, new, 1))
    assert message in caught.value.message
