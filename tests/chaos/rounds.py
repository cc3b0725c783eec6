"""Rounds of chaos: traffic under faults, then calm, then the verdict."""

import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.chaos.checker import is_right, linearizability
from tests.chaos.company import Company
from tests.chaos.mayhem import Mayhem
from tests.chaos.operations import Operation, Operator, Rebuild
from tests.chaos.restoring import Restoration
from tests.chaos.traffic import TENANTS, Log, Traffic
from tests.chaos.upgrading import Upgrade
from tests.chaos.verdict import Judge, Verdict
from tests.flows.conftest import Crm

OPERATIONS = 5
"""Kinds of operations, of which each round has the next one."""
_SETTLE_S = 300


@dataclass
class Round:
    """What one round did and found."""

    number: int
    seed: int
    faults: Counter[str]
    answers: Counter[str]
    settled_s: float
    operation: str
    """What an operator did meanwhile, and the outcome of each attempt."""
    redriven: int
    """Messages that had failed five times, and were redriven."""
    verdict: Verdict
    linearizable: dict[str, str] = field(default_factory=dict)
    """By tenant: what the checker says of the history of the hot record."""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict.right and all(map(is_right, self.linearizable.values()))

    def line(self) -> str:
        """The round in one line."""
        checked = self.verdict.checked
        return (
            f"round {self.number}, seed {self.seed}: {sum(self.faults.values())} faults, "
            f"{checked['acknowledged']:,} writes acknowledged, {checked['unknown']} unknown, "
            f"{len(self.verdict.lost)} lost, {len(self.verdict.doubled)} doubled, "
            f"{len(self.verdict.wrong)} wrong; settled in {self.settled_s:.0f} s, "
            f"{self.redriven} redriven; {self.operation}; "
            f"hot records: {', '.join(self.linearizable.values())}"
        )


class Chaos:
    """Rounds on one running CRM; what is written accumulates."""

    def __init__(self, crm: Crm, seed: int, first: int = 1) -> None:
        self._crm, self._seed = crm, seed
        self._log = Log()
        self._traffic = Traffic(crm, self._log, seed, first)
        self._number = first - 1
        self._deaths: dict[str, list[float]] = defaultdict(list)
        self._company = Company(crm, seed)
        self._traffic.prepare()
        crm.shorten_visibility()

    def round(self, seconds: float) -> Round:
        """One round of so many seconds of traffic."""
        self._number += 1
        self._crm.renew_tokens()
        before = Counter(self._log.answers)
        started = {tenant: len(history) for tenant, history in self._log.hot.items()}
        operation = self._operation(self._number)
        operation.prepare()
        operator = Operator(self._crm, operation, f"{self._seed} {self._number} operator")
        with (
            Mayhem(self._crm, f"{self._seed} {self._number}", self._deaths) as mayhem,
            ThreadPoolExecutor() as one,
        ):
            operated = one.submit(operator.run)
            self._traffic.run(seconds)
            operator.calm.set()
            operated.result()
        self._crm.until(self._answers, 120)
        operator.finish()  # a consumer that it had paused must run again
        settled_s, redriven = self._settle()
        operation.look()
        judge = Judge(self._crm, self._log)
        verdict = judge.judge()
        operation.judge(judge.events, verdict)
        return Round(
            self._number,
            self._seed,
            mayhem.faults,
            Counter(self._log.answers) - before,
            settled_s,
            operator.text(),
            redriven,
            verdict,
            {
                tenant: linearizability(self._log.hot[tenant][started[tenant] :])
                for tenant in TENANTS
            },
        )

    def _operation(self, number: int) -> Operation:
        """What the operator does in a round: the first ones are those that change records."""
        match number % OPERATIONS:
            case 1:
                return Restoration(self._crm, self._company, number // OPERATIONS)
            case 2:
                return Upgrade(self._crm, self._company)
            case other:
                return Rebuild({3: "timeline", 4: "inbox", 0: "board"}[other])

    def _settle(self) -> tuple[float, int]:
        """Wait until everything is processed; dead-letter messages are redriven once."""
        began = time.monotonic()
        self._crm.settle(_SETTLE_S, dead_letters=False)
        found = self._crm.zebros.json("events", "redrive", "--all")
        redriven = sum(one["redriven"] for one in found)
        if redriven:
            self._crm.settle(_SETTLE_S)
        return time.monotonic() - began, redriven

    def _answers(self) -> bool:
        return self._crm("GET", "/pipelines").is_success
