"""A simulated day with the controller: its own steps, started and repeated as in AWS."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from scaling.events import Setting
from scaling.model.actions import ScalingAction
from scaling.model.inventory import parse_inventory
from scaling.model.policy import Policy
from scaling.model.policy_file import prices
from scaling.model.readings import Target
from scaling.repository.actions import ActionRepository
from scaling.repository.lease import LeaseRepository
from scaling.service.controller import Controller, Mode
from scaling.service.observer import Observer
from scaling.service.steps import Step
from tools.scaling_day.metrics import (
    START,
    SYSTEM,
    SimulatedMetrics,
    alarms_of,
    physical,
    raised_event,
)
from tools.scaling_day.records import ActionsInMemory, LeaseInMemory
from tools.scaling_day.settings import SimulatedSetting
from zebros.simulation.hours import HOUR_S
from zebros.simulation.measurements import MINUTE_S, Measurements, Metric
from zebros.simulation.parts import Steps
from zebros.simulation.study import Study
from zebros.simulation.system import Result, Simulation

TENANT = "operator"
SCHEDULE = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}
_EVALUATED_S = 1
"""Alarms are evaluated so long after the end of a minute."""


@dataclass(frozen=True, slots=True)
class Day:
    """What happened."""

    result: Result
    measurements: Measurements
    actions: tuple[ScalingAction, ...]
    """Changes, proposals and refusals, in their order."""
    settings: Mapping[Target, tuple[int, int]]
    """What was deployed, and what there is in the end, of settings that differ."""
    worst_month: float
    """USD a month that everything above the deployed settings may cost, as the budget counts."""
    paid: float
    """USD of this day for functions and tasks of workers, by their use."""


class ControlledDay:
    """A simulation of one day with the controller in one mode."""

    def __init__(
        self,
        study: Study,
        simulation: Simulation,
        *,
        mode: Mode,
        policy: Policy,
        targets: str = "",
    ) -> None:
        """`simulation` measures. `targets` are those of the templates unless others are given."""
        assert simulation.measurements is not None
        self.simulation, self._measurements = simulation, simulation.measurements
        self._system = study.system
        self._metrics = SimulatedMetrics(self._measurements, study.system)
        self._alarms = tuple(alarms_of(study.system))
        self._raised: frozenset[str] = frozenset()
        self._executions = 0
        self.actions = ActionsInMemory()
        inventory = parse_inventory(
            targets or physical(study.system.resources["ScalingTargets"].properties["Value"])
        )
        adapters = {kind: SimulatedSetting(kind, self.simulation) for kind in Setting}
        self._observer = Observer(policy, inventory, adapters, self, self._metrics, prices())
        self._controller = Controller(
            policy,
            inventory,
            adapters,
            self._observer,
            cast(ActionRepository, self.actions),
            cast(LeaseRepository, LeaseInMemory()),
            tenant=TENANT,
            system=SYSTEM,
            mode=mode,
            now=self.now,
        )

    def now(self) -> datetime:
        """The time in the simulation."""
        return START + timedelta(seconds=self.simulation.env.now)

    def raised(self) -> frozenset[str]:
        """The alarms that are raised: the port Alarms of the controller."""
        return self._raised

    def run(self, hours: float = 24) -> Day:
        """Simulate the day, or its first hours."""
        env = self.simulation.env
        env.process(self._watch())
        env.process(self._schedule())
        result = self.simulation.run_day(hours)
        settings = self._observer.settings()
        above = {one: now for one, now in settings.items() if now.value != now.deployed}
        return Day(
            result,
            self._measurements,
            tuple(self.actions.records.values()),
            {one: (now.deployed, now.value) for one, now in above.items()},
            sum(max(0, one.value - one.deployed) * one.unit_cost for one in above.values()),
            self._paid(),
        )

    def _watch(self) -> Steps:
        """Evaluate the alarms every minute; one that is raised anew starts an execution."""
        env = self.simulation.env
        yield env.timeout(_EVALUATED_S)
        while True:
            yield env.timeout(MINUTE_S)
            minute = int(env.now // MINUTE_S)
            raised = {one.name for one in self._alarms if one.raised(self._metrics, minute)}
            fresh = sorted(raised - self._raised)
            self._raised = frozenset(raised)
            for name in fresh:
                env.process(self._execute(raised_event(name)))

    def _schedule(self) -> Steps:
        """The hourly look."""
        env = self.simulation.env
        yield env.timeout(2 * _EVALUATED_S)
        while True:
            env.process(self._execute(SCHEDULE))
            yield env.timeout(HOUR_S)

    def _execute(self, message: Mapping[str, Any]) -> Steps:
        """One execution of statemachines/scaling.asl.json."""
        self._executions += 1
        holder, controller = f"execution-{self._executions}", self._controller
        step, rounds, requests = controller.begin(holder, message), 0, 0
        while step.next != "done":
            match step.next:
                case "verify":
                    step = controller.verify(holder)
                case "decide":
                    step = controller.decide(holder, rounds)
                    rounds, requests = step.rounds, step.requests
                case "apply":
                    step = controller.apply(holder)
                case "wait":
                    yield self.simulation.env.timeout(step.seconds)
                    step = Step("verify")
                case "end":
                    step = controller.end(holder, requests)

    def _paid(self) -> float:
        """By the prices that the controller knows."""
        known = prices()
        gb_s = sum(one.gb_s for one in self.simulation.functions.values())
        task = self._system.resources.get("StandardWorkerTask")
        tasks = self._measurements.values(
            Metric("RunningTaskCount", "StandardWorkerService"), 0, self._measurements.minutes
        )
        hour = 0.0
        if task:
            cpu, ram = (int(task.properties[name]) / 1024 for name in ("Cpu", "Memory"))
            hour = cpu * known["vcpu_hour"] + ram * known["gb_hour"]
        return float(gb_s * known["gb_second"] + sum(tasks) / 60 * hour)
