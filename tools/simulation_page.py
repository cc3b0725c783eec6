"""`make simulation`: simulates every phase with every number of users, and writes the tables of
docs/simulation.md between its markers. It takes some minutes, so `make drift` does not check it; a
test compares two rows of the page with the simulation.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

from scaling.model.policy import Policy, Setting
from scaling.model.policy_file import policy_of
from tools.drift import ROOT
from tools.sections import with_section
from zebros.costs import Prices
from zebros.costs.prices import FILE as PRICES
from zebros.phases import PHASES
from zebros.simulation.sizes import Sizes
from zebros.simulation.study import TIERS, USERS, Study
from zebros.simulation.system import Result
from zebros.simulation.work import load_work

PAGE = ROOT / "docs" / "simulation.md"
MINUTES, REQUESTS = 30, 100_000


def row(phase: str, users: int, found: Result, cost: str) -> str:
    """A row of the table of phases and users."""
    p50, p95, p99 = found.latency_ms
    part = found.bottleneck
    answer = "yes" if found.carries else "**no**"
    return (
        f"| {phase} | {users:,} | {answer} | {p50:.0f} / {p95:.0f} / {p99:.0f} | {found.failed:.1%} |"
        f" {found.event_lag_s[1]:.1f} | {found.report_wait_s:.0f} | {cost} |"
        f" {part.name}, {part.share:.0%} | {part.moved_by} |"
    )


def simulated(study: Study, users: int) -> Result:
    """The simulation of a row."""
    return study.simulate(users, MINUTES, requests=REQUESTS)


def rows() -> Iterator[str]:
    """The table of phases and users."""
    prices = Prices.load(PRICES)
    yield "| phase | users | carries | p50 / p95 / p99, ms | failed | events, s | reports wait, s | USD a user | used most | grows with |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for phase in PHASES:
        study = Study(ROOT / "template.yaml", phase, load_work())
        for users in USERS:
            print(phase, users, file=sys.stderr, flush=True)
            cost = f"{study.cost_per_user(users, prices):,.2f}"
            yield row(phase, users, simulated(study, users), cost)


def headroom() -> Iterator[str]:
    """The table of the most users that a phase carries."""
    yield "| phase | made for | carries | what then fails | with all that the controller may add | what then fails |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for phase in PHASES:
        study = Study(ROOT / "template.yaml", phase, load_work())
        own, more = study.carried(), study.carried(with_controller(study))
        print(phase, own.users, more.users, file=sys.stderr, flush=True)
        yield (
            f"| {phase} | {TIERS[phase]:,} | {own.users:,} | {_failing(own.result)} |"
            f" {more.users:,} | {_failing(more.result)} |"
        )


def raised(sizes: Sizes, policy: Policy) -> Sizes:
    """The sizes with every setting at the ceiling of the controller."""

    def most(setting: Setting, deployed: int) -> int:
        return policy.limits[setting].ceiling(deployed)

    functions = {
        name: replace(
            one,
            memory=most(Setting.MEMORY, one.memory),
            concurrency=most(Setting.CONCURRENCY, one.concurrency)
            if one.has_share
            else one.concurrency,
        )
        for name, one in sizes.functions.items()
    }
    tables = {
        name: replace(one, range=(one.range[0], most(Setting.CAPACITY, one.range[1])))
        if one.range
        else one
        for name, one in sizes.tables.items()
    }
    workers = sizes.workers and replace(sizes.workers, most=most(Setting.TASKS, sizes.workers.most))
    return replace(sizes, functions=functions, tables=tables, workers=workers)


def with_controller(study: Study) -> Sizes:
    """What the controller may give the phase at most."""
    return raised(study.sizes, policy_of(study.phase, budget=0))


def _failing(found: Result) -> str:
    if found.refused:
        return max(found.refused, key=lambda reason: found.refused[reason])
    return "latency" if found.latency_ms[1] > 200 else "a backlog grows"


def main() -> None:
    """Write the tables."""
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in (("users", rows()), ("headroom", headroom())):
        text = with_section(text, name, lines)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
