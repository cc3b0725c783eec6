"""Tables of the page: the stages at a glance, each move, and where the sizes do not fit."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from tools.growing.simulated import Simulated
from tools.growing.systems import KEYCLOAK, REGIONS, bill, cost, secondary, system
from zebros.cloudformation import System
from zebros.cloudformation.difference import LOSING, Change, Effect, difference
from zebros.cloudformation.phases import limits
from zebros.phases import PHASES
from zebros.simulation.study import TIERS

MINUTES = {
    "AWS::ElastiCache::ReplicationGroup": 15,
    "AWS::DAX::Cluster": 15,
    "AWS::RDS::DBInstance": 15,
    "AWS::CloudFront::Distribution": 10,
    "AWS::DynamoDB::GlobalTable": 10,
    "AWS::ECS::Service": 10,
    "AWS::EC2::NatGateway": 3,
    "AWS::ApplicationAutoScaling::ScalableTarget": 3,
}
"""How long a resource of a type takes until it is ready, as AWS's documents and users of it report;
nothing was measured in AWS. All others are ready within a minute."""
_DEFAULT_MINUTES = 5
"""Of a deployment that has none of them."""
_FACTORS = 3
"""A phase that carries so many times what it is made for is called far too large."""


_PARTS = 3
"""Services of a bill that are named."""


def glance(known: Simulated) -> Iterator[str]:
    """A row for each phase: its users, cost, latency, and what it carries."""
    yield (
        "| phase | made for | USD a month | for each user | carries, by the simulation | what then fails |"
        " with all that the controller may add | what then fails |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for phase in PHASES:
        users, found = TIERS[phase], known.headroom[phase]
        usd = cost(system(phase), users, phase)
        yield (
            f"| {phase} | {users:,} | {usd:,.0f} | {usd / users:,.2f} | {found.carries:,} |"
            f" {found.then} | {found.raised:,} | {found.then_raised} |"
        )


def move(origin: str, target: str, users: int, known: Simulated) -> Iterator[str]:
    """What a move of phase does, for a number of users: a table of two columns."""
    before, after = system(origin), system(target)
    costs = (cost(before, users, target), cost(after, users, target))
    own = cost(system(target, KEYCLOAK), users, target) - costs[1]
    yield f"| with {users:,} users | {origin} to {target} |"
    yield "| --- | --- |"
    yield from _effects(before, after)
    yield f"| USD a month | {costs[0]:,.0f} before, {costs[1]:,.0f} after: {_factor(*costs)} |"
    parts = list(bill(after, users, target).parts.items())[:_PARTS]
    yield f"| most of it | {', '.join(f'{name} {usd:,.0f}' for name, usd in parts)} |"
    yield f"| a Keycloak of the system's own | {own:,.0f} USD a month more |"
    found = known.headroom[target]
    yield (
        f"| the simulation | {target} carries {found.carries:,} users; then fails: {found.then} |"
    )
    row = known.rows[target, users]
    p50, p95, p99 = row.latency_ms
    yield f"| latency | {p50} / {p95} / {p99} ms at the 50th, 95th and 99th percentile |"
    yield f"| used most | {row.used_most} |"
    back = limits(difference(after, before), after, before)
    yield f"| back | deploy `Phase={origin}`. {_sentences(back) or 'There is no limit.'} |"


def regions(users: int) -> Iterator[str]:
    """What a second region does and costs: a table of two columns."""
    one, two = system("enterprise"), system("enterprise", REGIONS)
    usd = cost(one, users, "enterprise"), cost(two, users, "enterprise")
    passive = cost(secondary(), users, "enterprise", "secondary")
    yield f"| with {users:,} users | one region to two |"
    yield "| --- | --- |"
    yield from _effects(one, two)
    yield (
        f"| USD a month | {usd[0]:,.0f} before; {usd[1]:,.0f} in the primary and {passive:,.0f} in"
        f" the secondary after: {_factor(usd[0], usd[1] + passive)} |"
    )


def verdict(known: Simulated) -> Iterator[str]:
    """For each number of users: the strategy's phase, and the cheapest one that carries it."""
    yield "| users | by the strategy | USD a user | carries | cheapest that carries | USD a user | the strategy's costs |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for users in known.users:
        phase = strategy_phase(users)
        row, best = known.rows[phase, users], known.cheapest(users)
        yield (
            f"| {users:,} | {phase} | {row.cost:,.2f} | {'yes' if row.carries else '**no**'} |"
            + (
                f" {best.phase} | {best.cost:,.2f} | {_times(row.cost / best.cost)} |"
                if best
                else " none | | |"
            )
        )


def misfits(known: Simulated) -> Iterator[str]:
    """Plain sentences: which sizes do not carry their tier, and which are far too large."""
    for phase in PHASES:
        found = known.headroom[phase]
        times = found.carries / found.made_for
        if times < 1:
            yield (
                f"- **{phase} does not carry its tier**: {found.carries:,} of {found.made_for:,}"
                f" users; then fails: {found.then}."
            )
        elif times >= _FACTORS:
            yield (
                f"- **{phase} is far too large for its tier**: it is made for {found.made_for:,}"
                f" users and carries {found.carries:,}, {times:,.0f} times as many."
            )
    for smaller, larger in pairwise(PHASES):
        one, other = known.headroom[smaller], known.headroom[larger]
        if other.carries <= one.carries:
            yield (
                f"- **{larger} carries no more than {smaller}** ({other.carries:,} and"
                f" {one.carries:,} users): what fails first is {other.then}, and the strategy's ranges"
                " of tables are the same in both."
            )
    for users in known.users:
        if known.cheapest(users) is None:
            able = [one for one in PHASES if known.headroom[one].raised >= users]
            with_controller = (
                f"{', '.join(able)} does with all that the controller may add"
                if able
                else "not even with all that the controller may add"
            )
            yield (
                f"- **No phase carries {users:,} users with the strategy's sizes**: "
                f"{known.rows[PHASES[-1], users].failed} of the requests fail at {PHASES[-1]};"
                f" {with_controller}."
            )
    waits = {one: known.rows[PHASES[0], one].report_wait_s for one in known.users}
    slow = [users for users, wait in waits.items() if wait > 120]
    if slow:
        yield (
            f"- **{PHASES[0]}'s one worker is the first to be late**: with {slow[0]:,} users a"
            f" large report waits at least {waits[slow[0]]:,} s (95th percentile)."
        )


def strategy_phase(users: int) -> str:
    """The phase that the strategy has for a number of users."""
    return next((phase for phase in PHASES if users <= TIERS[phase]), PHASES[-1])


def _effects(before: System, after: System) -> Iterator[str]:
    changes = difference(before, after)
    counts = [
        f"{len(found)} {effect}"
        for effect in Effect
        if (found := [one for one in changes if one.effect is effect])
    ]
    yield f"| resources | {', '.join(counts)} |"
    replaced = [one.name for one in changes if one.effect in LOSING and not one.holds_data]
    if replaced:
        yield f"| replaced | {', '.join(replaced)} |"
    lost = [one.name for one in changes if one.effect in LOSING and one.holds_data]
    kept = sum(one.holds_data for one in changes)
    yield f"| data | {kept} resources with data are touched; replaced or removed: {', '.join(lost) or 'none'} |"
    yield f"| limits | {_sentences(limits(changes, before, after)) or 'none'} |"
    yield f"| takes | {_minutes(changes)} |"


def _minutes(changes: list[Change]) -> str:
    """The longest steps, and the sum of one of each kind."""
    found = dict[str, tuple[int, str]]()
    for one in changes:
        if one.type in MINUTES and _waits(one):
            found[one.type] = (MINUTES[one.type], one.name)
    total = sum(minutes for minutes, _ in found.values()) or _DEFAULT_MINUTES
    longest = sorted(found.values(), reverse=True)[:3]
    names = ", ".join(f"{name} {minutes}" for minutes, name in longest)
    return f"at most about {total} minutes (an estimate){f': {names}' if names else ''}"


def _waits(one: Change) -> bool:
    """Whether CloudFormation waits for it: what it makes, and what changes its nodes."""
    return one.effect in (Effect.ADDED, Effect.REPLACED, Effect.MAYBE_REPLACED) or one.type in (
        "AWS::DynamoDB::GlobalTable",
        "AWS::ECS::Service",
    )


def _sentences(found: object) -> str:
    """Limits, each kind once: the tables of one sentence are named together."""
    groups = dict[str, list[str]]()
    for one in sorted(map(str, found)):  # type: ignore[call-overload]
        name, colon, rest = one.partition(": ")
        if not colon:
            name, rest = "", one
        groups.setdefault(rest, []).append(name)
    return "; ".join(
        f"{', '.join(filter(None, names))}: {rest.rstrip('.')}" if any(names) else rest.rstrip(".")
        for rest, names in groups.items()
    )


def _factor(before: Decimal, after: Decimal) -> str:
    return _times(after / before) if before else ""


def _times(factor: Decimal) -> str:
    return f"{factor:,.1f} times as much"
