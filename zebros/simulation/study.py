"""The strategy's own question: do the sizes of a phase carry its tier, and how much more?"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from zebros.cloudformation import System, resolve
from zebros.costs import Prices, monthly
from zebros.costs.usage import Usage
from zebros.errors import BadInput
from zebros.phases import PHASES
from zebros.simulation.hours import Hours
from zebros.simulation.sizes import Sizes
from zebros.simulation.system import Result, Simulation

USERS = (25, 100, 250, 1_000, 10_000, 100_000)
TIERS: Mapping[str, int] = {"mvp": 5, "startup": 25, "growth": 100, "enterprise": 250}
"""The users for which the strategy has a phase; a first team for mvp."""
MOST_USERS = 200_000
_QUICK = 20_000
"""Requests of each simulation while the most users are looked for."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How many users a phase carries."""

    users: int
    """The most for whom everything is as it should be."""
    result: Result
    """With a tenth more users: what is not."""


class Study:
    """Simulations of one phase with any number of users."""

    def __init__(
        self,
        template: Path,
        phase: str,
        work: Mapping[str, float],
        parameters: Mapping[str, str] | None = None,
        seed: int = 1,
    ) -> None:
        """Raises BadInput for an unknown phase and for parameters that the templates reject."""
        if phase not in PHASES:
            raise BadInput(f"There is no phase {phase!r}.", hint=f"One of {', '.join(PHASES)}.")
        self.phase, self._work, self._seed = phase, work, seed
        self._usage = Usage.load(phase)
        given = {"ReserveConcurrency": "yes", **self._usage.parameters, **(parameters or {})}
        self.system: System = resolve(template, {"Phase": phase, **given})
        self.sizes = Sizes.of(self.system)

    def simulate(
        self, users: int, minutes: float = 30, *, requests: int | None = None,
        sizes: Sizes | None = None,
    ) -> Result:  # fmt: skip
        """The busiest hour of so many users, or a part of it."""
        usage = self._usage.with_users(users)
        simulation = Simulation(sizes or self.sizes, usage, self._work, self._seed)
        return simulation.run(minutes) if requests is None else simulation.run(minutes, requests)

    def day(self, users: int, hours: Hours, sizes: Sizes | None = None) -> Simulation:
        """A simulation of a day of so many users, which `run_day` runs.

        Raises BadInput for hours that are not a day with the requests of usage.toml.
        """
        wanted = float(self._usage["business_hours"]) / self._work["peak"]
        if abs(hours.busiest_hours - wanted) > wanted / 1000:
            raise BadInput(
                f"The hours of a day are {hours.busiest_hours:g} of the busiest one together; they"
                f" must be {wanted:g}, which is business_hours of usage.toml by peak."
            )
        usage = self._usage.with_users(users)
        return Simulation(sizes or self.sizes, usage, self._work, self._seed, hours)

    def cost_per_user(self, users: int, prices: Prices) -> Decimal:
        """USD a month for each user, with the cost that does not depend on them."""
        return monthly(self.system, self._usage.with_users(users), prices).total / users

    def carried(self, sizes: Sizes | None = None) -> Carried:
        """The most users that the phase carries, within a tenth."""
        low, high = 0, 5
        found: Result | None = None
        while high <= MOST_USERS:
            result = self.simulate(high, requests=_QUICK, sizes=sizes)
            if not result.carries:
                found = result
                break
            low, high = high, high * 2
        while high > low * 1.1 + 1:
            middle = (low + high) // 2
            result = self.simulate(middle, requests=_QUICK, sizes=sizes)
            if result.carries:
                low = middle
            else:
                high, found = middle, result
        return Carried(low, found or result)
