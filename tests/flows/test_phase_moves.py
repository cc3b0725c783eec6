"""A deployed system is moved through the phases under load, by the commands of docs/growing.md.

These are unmodified `sam deploy`s of what `zebros up` has built; after the last one the system is
moved back by one phase. Where AWS differs: a subscriber gets an event at least once there, never
less; a table changes between on demand and provisioned within minutes, and a few times a day at
most (docs/adr/0015); its capacity scales, while the platform stays at the minimum; and parameters
of domains, certificates and regions mean nothing to the platform: tests/unit/tools/test_growing.py
resolves the templates with them. What exists only in AWS (network, caches, domains) is tested in
tests/template.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.flows.conftest import ROOT, RUNNING, Crm, Zebros, up_options
from tests.flows.figures import record_figure
from tests.flows.moving_traffic import COLLECTIONS, Sent, Subscriber, Traffic, Window
from tests.template.test_phases import MEMORY, OWN_SIZES, SIZES
from tests.unit.tools.growing_page import commands
from zebros.phases import PHASES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
"""The first test deploys six times, four times with traffic."""

MOVES = (
    ("mvp", "startup"),
    ("startup", "growth"),
    ("growth", "enterprise"),
    ("enterprise", "growth"),
)
RECORDS = 40
"""Records of each collection before the first move."""
REQUESTS = 100
"""At least as many requests during each move."""

ELSEWHERE = {
    "region": "two regions: tests/flows/test_regions.py",
    "simulate": "tests/unit/tools/test_growing.py",
    "cost": "tests/unit/tools/test_growing.py",
    "phase": "tests/unit/tools/test_growing.py",
}
"""Commands of the page that are carried out by other tests."""
OF_TWO_REGIONS = "ReplicaRegion"
"""A parameter that the local platform, which is one region, cannot deploy."""

# "DynamoDB capacity (read and write units, min-max): customers 25-100, contacts 50-200,
# opportunities 25-100, activities 100-400; the same for every GSI."
CAPACITY = {"customers": 25, "contacts": 50, "opportunities": 25, "activities": 100}
# "DynamoDB: on-demand | provisioned + autoscaling | + DAX | advanced GSIs, DAX multi-AZ." So only
# the first phase is on demand.
ON_DEMAND = ("mvp",)
# Ours: what a large company has cannot be deleted by mistake (docs/adr/0015).
PROTECTED = ("growth", "enterprise")


@dataclass
class Move:
    """One move, and what was seen of it."""

    before: str
    after: str
    seconds: float = 0
    sent: list[Sent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    reports: int = 0
    differences: list[str] = field(default_factory=list)
    lost: dict[str, set[str]] = field(default_factory=dict)
    """By collection: what a list has and was not written, or lacks."""
    memory: dict[str, int] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    mappings: set[str] = field(default_factory=set)
    versions: dict[str, list[int]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    pushed: Counter[str] = field(default_factory=Counter)
    window_is_open: bool = False
    written: dict[str, int] = field(default_factory=dict)
    """The version of each record that was written, by id."""
    tasks: set[str] = field(default_factory=set)
    """The ids of the tasks that were written."""

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"


class Moving:
    """A platform of its own, because a move changes what other tests run on."""

    def __init__(self, zebros: Zebros) -> None:
        self.crm, self.zebros = Crm(zebros), zebros
        self.traffic, self.subscriber = Traffic(self.crm), Subscriber(self.crm)
        self.window = Window(self.crm)
        self.given: list[dict[str, str]] = []
        self.found: list[dict[str, str]] = []
        """The parameters of each deployment of the page, and those that the stack then had."""
        self.printed: list[tuple[list[str], CompletedProcess[str]]] = []
        """Each `zebros` command of the page, and what it did."""

    def follow_the_page(self) -> Iterator[Move]:
        """Carry out the commands of docs/growing.md; yields what was seen of each move."""
        phase = PHASES[0]
        for program, *words in commands():
            if program == "sam" and words[:2] == ["deploy", "--parameter-overrides"]:
                given = dict(one.split("=", 1) for one in words[2:])
                if OF_TWO_REGIONS in given:
                    continue
                before, phase = phase, given.get("Phase", phase)
                if phase == before:
                    self.deploy(*words[2:])
                else:
                    yield self.move(before, phase, *words[2:])
                self.given.append(given)
                self.found.append(self.parameters())
            elif program == "zebros" and words[0] not in ELSEWHERE:
                own = words[2:] if words[0] == "--stack" else words
                self.printed.append((own, self.zebros(*own, check=False)))

    def move(self, before: str, after: str, *parameters: str) -> Move:
        """Move the stack while requests are sent, and look at everything afterwards."""
        move, traffic = Move(before, after), self.traffic
        sent, faults, reports = len(traffic.sent), len(traffic.faults), len(traffic.reports)
        with traffic.running():
            began = time.monotonic()
            self.deploy(*parameters)
            move.seconds = time.monotonic() - began
            move.sent = traffic.sent[sent:]
        move.sent += [one for one in traffic.sent[sent + len(move.sent) :] if one.failed]
        move.faults = traffic.faults[faults:]
        move.reports = len(traffic.reports) - reports
        self.subscriber.receive_all()
        move.versions, move.twice = self.subscriber.versions(), self.subscriber.twice()
        move.pushed, move.window_is_open = Counter(self.window.notified), self.window.is_open
        move.differences = traffic.differences()
        move.lost = {one: traffic.listed(one) ^ traffic.written(one) for one in COLLECTIONS}
        move.written = {one: record.version for one, record in traffic.records.items()}
        move.tasks = traffic.written("tasks")
        self._look(move)
        return move

    def deploy(self, *parameters: str) -> None:
        """`sam deploy` of what `zebros up` has built; other parameters keep their value."""
        built = self.zebros.home / "build" / "template.yaml"
        self.crm.sam(
            ROOT, "deploy", "--template-file", str(built), "--config-file",
            str(ROOT / "samconfig.toml"), "--parameter-overrides", *parameters,
        )  # fmt: skip

    def parameters(self) -> dict[str, str]:
        """The parameters of the stack."""
        (stack,) = self.crm.client("cloudformation").describe_stacks(StackName="zebros")["Stacks"]
        return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}

    def _look(self, move: Move) -> None:
        functions, tables = self.crm.client("lambda"), self.crm.client("dynamodb")
        for name, deployed in self.crm.state["functions"].items():
            aliases = functions.list_aliases(FunctionName=deployed)["Aliases"]
            called = aliases[0]["AliasArn"] if aliases else deployed
            found = functions.get_function_configuration(FunctionName=called)
            move.memory[name] = found["MemorySize"]
        for name in self.crm.state["tables"].values():
            move.tables[name.split("-")[1]] = tables.describe_table(TableName=name)["Table"]
        pages = functions.get_paginator("list_event_source_mappings").paginate()
        move.mappings = {one["UUID"] for page in pages for one in page["EventSourceMappings"]}

    def close(self) -> None:
        self.window.close()
        self.crm.http.close()


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    zebros = Zebros(Path(RUNNING) if RUNNING else tmp_path_factory.mktemp("moves") / "home")
    if not RUNNING:
        zebros.up(*up_options())
    try:
        moving = Moving(zebros)
        yield moving
        moving.close()
    finally:
        if not RUNNING:
            zebros("down")


@pytest.fixture(scope="module")
def moves(moving: Moving) -> dict[str, Move]:
    """All moves, one after the other; the first one is none: the system as it was deployed."""
    moving.traffic.load(RECORDS)
    first = Move("", PHASES[0])
    moving.subscriber.receive_all()
    moving._look(first)
    last = (PHASES[-1], PHASES[-2])
    done = [first, *moving.follow_the_page(), moving.move(*last, f"Phase={last[1]}")]
    assert [(one.before, one.after) for one in done[1:]] == list(MOVES)
    return {str(one): one for one in done}


@pytest.fixture(params=[f"{before} to {after}" for before, after in MOVES])
def move(request: pytest.FixtureRequest, moves: dict[str, Move]) -> Move:
    return moves[request.param]


def test_no_request_fails_during_a_move(move: Move) -> None:
    kinds = Counter(one.kind for one in move.sent)
    slowest = max(one.milliseconds for one in move.sent)
    record_figure(
        f"{move}: sam deploy {move.seconds:.0f} s, {len(move.sent)} requests, {move.reports} "
        f"reports, {len(move.written)} records, slowest answer {slowest / 1000:.1f} s"
    )
    assert [one for one in move.sent if one.failed] == []
    assert move.faults == []
    assert len(move.sent) > REQUESTS
    assert kinds.keys() == {"create", "change", "read", "list", "repeat", "report"}
    assert move.reports > 0


def test_every_record_is_as_it_was_answered_last(move: Move) -> None:
    assert move.differences == []
    assert move.lost == {one: set() for one in COLLECTIONS}
    assert len(move.written) > len(COLLECTIONS) * RECORDS


def test_every_version_of_every_record_is_published_once(move: Move) -> None:
    assert move.twice == []
    published = {one: move.versions.get(one, []) for one in move.written}
    assert published == {one: list(range(1, last + 1)) for one, last in move.written.items()}


def test_a_window_that_was_open_before_the_moves_gets_every_notification_once(move: Move) -> None:
    assert move.pushed == dict.fromkeys(move.tasks, 1)
    assert move.window_is_open


def test_every_function_has_the_memory_of_the_phase(move: Move) -> None:
    sizes = SIZES | OWN_SIZES
    assert move.memory == {name: sizes.get(name, MEMORY[move.after]) for name in move.memory}
    assert sizes.keys() < move.memory.keys(), "others have the default of the phase"


def test_tables_and_their_streams_stay(move: Move, moves: dict[str, Move]) -> None:
    for name, first in moves[" to mvp"].tables.items():
        now = move.tables[name]
        for kept in ("TableId", "TableArn", "CreationDateTime", "LatestStreamArn"):
            assert now[kept] == first[kept], name
    assert move.mappings == moves[" to mvp"].mappings, "no position in a stream is lost"


def test_tables_have_the_capacity_of_the_phase(move: Move) -> None:
    for name, table in move.tables.items():
        provisioned = name in CAPACITY and move.after not in ON_DEMAND
        units = CAPACITY[name] if provisioned else 0
        mode = "PROVISIONED" if provisioned else "PAY_PER_REQUEST"
        assert table["BillingModeSummary"]["BillingMode"] == mode, name
        for one in (table, *table["GlobalSecondaryIndexes"]):
            found = one["ProvisionedThroughput"]
            assert (found["ReadCapacityUnits"], found["WriteCapacityUnits"]) == (units, units), name


def test_tables_are_protected_from_growth_on(move: Move) -> None:
    protected = {name: table["DeletionProtectionEnabled"] for name, table in move.tables.items()}
    assert protected == dict.fromkeys(protected, move.after in PROTECTED)


@pytest.mark.usefixtures("moves")
def test_the_stack_has_the_parameters_of_the_page(moving: Moving) -> None:
    for given, found in zip(moving.given, moving.found, strict=True):
        assert given.items() <= found.items()
    assert moving.parameters()["ScalingMode"] == "apply"


@pytest.mark.usefixtures("moves")
def test_the_other_commands_of_the_page_end_well(moving: Moving) -> None:
    assert len(moving.printed) > 3
    for words, done in moving.printed:
        printed = done.stdout + done.stderr
        if words[0] == "tenants":  # the platform has added its tenants already
            assert "already" in printed
        else:
            assert done.returncode == 0, f"{words}: {printed}"
    assert json.loads(moving.zebros("--json", "top", "--once").stdout)
    assert "as deployed" in moving.zebros("scale", "drift").stdout
