"""What an operator does while traffic and faults go on: a command, repeated until it succeeds."""

import random
import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.chaos.verdict import Events, Verdict
from tests.flows.conftest import Crm, Zebros

_ATTEMPTS = 4
"""How often a command is tried under faults; after them it must succeed."""
_BEGINS_S = (0.5, 4.0)
"""When it begins, so that there are faults already."""
_KILLED_S = (1.0, 5.0)
"""When the first attempt is killed, if it is."""
_TIMEOUT_S = 600


class Operation(Protocol):
    """A command, what it needs, and how its outcome is judged."""

    @property
    def words(self) -> tuple[str, ...]:
        """The command; known after `prepare`."""
        ...

    @property
    def killed(self) -> bool:
        """Whether the operator's command is killed sometimes, and not the system alone."""
        ...

    def prepare(self) -> None:
        """Make what the command will find, before the traffic begins."""
        ...

    def look(self) -> None:
        """Read what it has left, before the verdict makes reports, whose owners are notified."""
        ...

    def judge(self, events: dict[str, Events], verdict: Verdict) -> None:
        """Add what is wrong afterwards; `events` are those of the lake by tenant."""
        ...


@dataclass(frozen=True)
class Rebuild:
    """`zebros events rebuild`, of which the verdict on every view shows the outcome."""

    projection: str
    killed: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The command."""
        return ("events", "rebuild", self.projection)

    def prepare(self) -> None:
        """Nothing: the records are there."""

    def look(self) -> None:
        """Nothing: every view is read anyway."""

    def judge(self, events: dict[str, Events], verdict: Verdict) -> None:
        """Nothing: every view is compared anyway."""


@dataclass
class Operator:
    """Carries a command out, again after it was refused or killed."""

    crm: Crm
    operation: Operation
    seed: str
    calm: threading.Event = field(default_factory=threading.Event)
    """Set when the traffic has ended: whatever has failed is then tried after the faults."""
    outcomes: list[str] = field(default_factory=list)
    """Of each attempt: killed, refused, or completed."""

    def run(self) -> None:
        """Try under faults."""
        chance = random.Random(self.seed)
        self.calm.wait(chance.uniform(*_BEGINS_S))
        ends = chance.uniform(*_KILLED_S)
        if self.operation.killed and chance.random() < 0.7:
            self._attempt(ends)
        while not self.completed and len(self.outcomes) < _ATTEMPTS and not self.calm.is_set():
            self._attempt(_TIMEOUT_S)
            self.calm.wait(chance.uniform(0.5, 2.0))

    def finish(self) -> None:
        """Try once more, when nothing fails any more, unless it is completed."""
        if not self.completed:
            self.crm.zebros(*self.operation.words)
            self.outcomes.append("completed")

    @property
    def completed(self) -> bool:
        """Whether the command has succeeded."""
        return self.outcomes[-1:] == ["completed"]

    def text(self) -> str:
        """The command and its outcomes in a few words."""
        return f"{' '.join(self.operation.words)}: {', '.join(self.outcomes)}"

    def _attempt(self, seconds: float) -> None:
        """Run the command; it is killed when it takes longer."""
        code, error = run_for(self.crm.zebros, self.operation.words, seconds)
        if code is None:
            self.outcomes.append("killed")
            return
        assert "Traceback" not in error, error
        self.outcomes.append("refused" if code else "completed")


def run_for(zebros: Zebros, words: tuple[Any, ...], seconds: float) -> tuple[int | None, str]:
    """Run a command; returns its exit code and what it printed to stderr.

    None in place of the code: it was killed after so many seconds.
    """
    try:
        done = zebros(*words, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stderr
