"""Rounds of chaos: traffic under faults, then calm, then the verdict."""

import json
import math
import shutil
import subprocess
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.mayhem import Mayhem
from tests.chaos.traffic import TENANTS, HotOperation, Log, Traffic
from tests.chaos.verdict import Judge, Verdict
from tests.flows.conftest import Crm

LINEARIZABILITY = Path(__file__).parent / "linearizability"
OPERATIONS = (
    ("events", "rebuild", "board"),
    ("events", "rebuild", "timeline"),
    ("events", "rebuild", "inbox"),
    ("upgrade",),
)
"""What an operator does while traffic and faults go on."""
_VISIBILITY_S = 20
"""When a message that a killed consumer had received returns; in AWS after 3 to 11 minutes."""
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
    """What an operator did meanwhile; repeated when it failed under the faults."""
    redriven: int
    """Messages that had failed five times, and were redriven."""
    verdict: Verdict
    linearizable: dict[str, str] = field(default_factory=dict)
    """By tenant: what porcupine says of the history of the hot record, or why it did not run."""

    @property
    def right(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict.right and set(self.linearizable.values()) <= {"Ok", "no Go"}

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

    def __init__(self, crm: Crm, seed: int) -> None:
        self._crm, self._seed = crm, seed
        self._log = Log()
        self._traffic = Traffic(crm, self._log, seed)
        self._number = 0
        self._deaths: dict[str, list[float]] = defaultdict(list)
        self._traffic.prepare()
        for name, url in crm.state["resources"]["queues"].items():
            if name.endswith("Queue"):
                short = {"VisibilityTimeout": str(_VISIBILITY_S)}
                crm.sqs.set_queue_attributes(QueueUrl=url, Attributes=short)

    def round(self, seconds: float) -> Round:
        """One round of so many seconds of traffic."""
        self._number += 1
        self._crm.renew_tokens()
        before = Counter(self._log.answers)
        started = {tenant: len(history) for tenant, history in self._log.hot.items()}
        words = OPERATIONS[self._number % len(OPERATIONS)]
        with (
            Mayhem(self._crm, f"{self._seed} {self._number}", self._deaths) as mayhem,
            ThreadPoolExecutor() as one,
        ):
            operation = one.submit(self._crm.zebros, *words, check=False)
            self._traffic.run(seconds)
            done = operation.result()
        settled_s, redriven = self._settle()
        if done.returncode:
            assert "Traceback" not in done.stderr, done.stderr
            self._crm.zebros(*words)
            self._crm.settle(_SETTLE_S)
        verdict = Judge(self._crm, self._log).judge()
        linearizable = {
            tenant: self._linearizable(self._log.hot[tenant], started[tenant]) for tenant in TENANTS
        }
        answers = Counter(self._log.answers) - before
        return Round(
            self._number,
            self._seed,
            mayhem.faults,
            answers,
            settled_s,
            f"{' '.join(words)}{', repeated' if done.returncode else ''}",
            redriven,
            verdict,
            linearizable,
        )

    def _settle(self) -> tuple[float, int]:
        """Wait until everything is processed; dead-letter messages are redriven once."""
        began = time.monotonic()
        self._crm.until(self._answers, 120)
        self._crm.settle(_SETTLE_S, dead_letters=False)
        found = self._crm.zebros.json("events", "redrive", "--all")
        redriven = sum(one["redriven"] for one in found)
        if redriven:
            self._crm.settle(_SETTLE_S)
        return time.monotonic() - began, redriven

    def _answers(self) -> bool:
        return self._crm("GET", "/pipelines").is_success

    def _linearizable(self, history: list[HotOperation], start: int) -> str:
        """What the checker says of the operations of this round.

        They begin with the version and the value that the round before has left, which the first
        read of this round shows.
        """
        operations = history[start:]
        first = min((one for one in operations if one.kind == "read"), key=lambda one: one.expected)
        if shutil.which("go") is None:
            return "no Go"
        document: dict[str, Any] = {"version": first.expected, "value": first.value}
        document["operations"] = [
            {**asdict(one), "returned": one.returned if math.isfinite(one.returned) else None}
            for one in operations
        ]
        done = subprocess.run(
            ["go", "run", "."],
            cwd=LINEARIZABILITY,
            input=json.dumps(document),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or done.stderr.strip()[-500:]
