"""Rounds of moves under traffic, each with a cut or a death at one of its steps.

A round moves the writes to the other region. At the step that its number chooses, the operator's
command is killed, and either the network is cut for some seconds, or every process of the region
that is being left is killed. A killed region comes back after the other one writes.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from tests.component.regions.verdict import Verdict
from tests.regions.checks import (
    Subscribers,
    lost_of,
    verdict_of,
    wait_until_equal,
    wrongly_listed,
)
from tests.regions.platforms import EAST, WEST, Platforms
from tests.regions.traffic import Users
from zebros.client import aws
from zebros.client.connection import STACK
from zebros.regions.deployed import fences, region
from zebros.regions.moves import Moves, Options

STEPS = ("begin", "stop", "wait", "replicate", "open", "relay")
LOST_STEPS = ("begin", "wait", "open", "relay", "complete")
KINDS = ("cut", "loss")
WAIT_S = 20.0
"""A permit is valid for 15 s, and no request of these users is under way for 3 s: by the rule of
services/kernel/runtime/fence.py that are 20 s. `zebros region` waits 50 s."""
_PATIENCE_S = 120.0
_WINDOW = timedelta(minutes=10)
"""Each round begins with two regions that are the same."""


class Crash(BaseException):
    """The operator's command was killed."""


@dataclass
class Round:
    """What one round did and found."""

    number: int
    kind: str
    step: str
    source: str
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged writes that are not in the history that survived."""
    listed: int = 0
    """Writes that `rejoin` lists as lost: the same ones, and those without an answer."""
    doubled: int = 0
    """Events that the subscriber saw a second time, in all rounds until now."""
    rpo_s: float = 0.0
    """The time before the death in which the lost writes were acknowledged."""
    rto_s: float = 0.0
    """The longest time in which no write was acknowledged."""
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The round in one line."""
        return (
            f"round {self.number}: {self.kind} of {self.source} at {self.step}, "
            f"{self.acknowledged} writes acknowledged, {self.lost} lost, {self.listed} listed, "
            f"RPO {self.rpo_s:.1f} s, RTO {self.rto_s:.0f} s"
            f"{'; WRONG: ' + '; '.join(self.wrong) if self.wrong else ''}"
        )


class Rounds:
    """Rounds on two running platforms; what is written accumulates."""

    def __init__(self, platforms: Platforms, seed: int, first: int = 1) -> None:
        self._platforms = platforms
        self._seed, self._number = seed, first - 1
        self.users, self.subscribers = Users(platforms, seed), Subscribers(platforms)
        self.answers: Counter[str] = self.users.answers
        self._known_lost: set[tuple[str, int]] = set()
        for crm in platforms.crms.values():
            crm.shorten_visibility()
        aws.use_no_account()

    def round(self) -> Round:
        """One move, with what happens at its step."""
        self._number += 1
        self._rng = random.Random(f"{self._seed} {self._number}")
        for crm in self._platforms.crms.values():
            crm.renew_tokens()
        kind = KINDS[self._number % 2]
        steps = STEPS if kind == "cut" else LOST_STEPS
        step = steps[(self._number // 2) % len(steps)]
        endpoint = str(self._platforms.crms[WEST].state["endpoint"])
        source = fences(STACK, WEST, EAST, endpoint).read().writer
        done = Round(self._number, kind, step, source)
        self._platforms.delays(0.05, self._rng.choice((0.5, 1.5, 3.0)), self._rng.randrange(10**6))
        began, first = time.monotonic(), len(self.users.acknowledged)
        play = self._play_cut if kind == "cut" else self._play_loss
        killed, stakes = play(source, step)
        self.subscribers.receive(EAST if source == WEST else WEST)
        wait_until_equal(self._platforms)
        self._judge(done, first, began, killed, stakes)
        return done

    def _play_cut(self, source: str, step: str) -> tuple[float | None, list[Any]]:
        """A move that waits for its source, which is cut off at a step for some seconds."""
        target = EAST if source == WEST else WEST

        def disturb() -> None:
            self._platforms.cut(self._rng.choice((source, target)))

        with self.users.writing():
            time.sleep(self._rng.uniform(2, 5))
            try:
                moves_from(source, self._platforms, crash_at(step, disturb)).move(
                    target, lost=False
                )
            except Crash:
                time.sleep(self._rng.uniform(1, 8))
                self._platforms.cut("")
                moves_from(source, self._platforms).move(target, lost=False)
            time.sleep(self._rng.uniform(3, 5))
        return None, []

    def _play_loss(self, source: str, step: str) -> tuple[float | None, list[Any]]:
        """A move without its source, whose processes all die; before, it is cut off for a while."""
        target = EAST if source == WEST else WEST
        killed: list[float] = []

        def die() -> None:
            self._platforms.kill(source)
            killed.append(time.monotonic())

        with self.users.writing():
            time.sleep(self._rng.uniform(2, 5))
            self._platforms.cut(source)
            time.sleep(self._rng.uniform(0.5, 4))
            try:
                moves_from(source, self._platforms, crash_at(step, die)).move(target, lost=True)
            except Crash:
                time.sleep(self._rng.uniform(0, 3))
                moves_from(source, self._platforms).move(target, lost=True)
            time.sleep(self._rng.uniform(3, 5))
            self._platforms.up(source)
            time.sleep(2)
        self._platforms.cut("")
        outcome = moves_from(source, self._platforms).rejoin()
        return killed[0], [one.document() for one in outcome.at_stake]

    def _judge(
        self, done: Round, first: int, began: float, killed: float | None, stakes: list[Any]
    ) -> None:
        try:
            verdict: Verdict = verdict_of(self._platforms, self.users, self.subscribers)
        except AssertionError as fault:
            done.wrong.append(str(fault)[:2000])
            return
        lost = {(one.key, one.version): one for one in verdict.lost}
        new = {key: one for key, one in lost.items() if key not in self._known_lost}
        self._known_lost |= lost.keys()
        listed = lost_of(stakes)
        if wrong := wrongly_listed(set(new), stakes, self.users):
            done.wrong.append(f"lost and not listed, or listed and not lost: {sorted(wrong)}")
        if any(one["outcome"] != "lost" for one in stakes):
            done.wrong.append("a write is still pending after rejoin")
        written = sorted(self.users.acknowledged[first:], key=lambda one: one.at)
        regions = [one.region for one in written]
        if regions != sorted(regions, key=lambda name: name != done.source):
            done.wrong.append("both regions acknowledged writes at the same time")
        done.acknowledged, done.lost, done.listed = len(written), len(new), len(listed)
        done.doubled = verdict.doubled
        times = [began, *(one.at for one in written)]
        done.rto_s = max(b - a for a, b in pairwise(times))
        if new:
            last = max(one.at for one in written if one.region == done.source)
            done.rpo_s = last - min(one.at for one in new.values())
        done.wrong += self.users.wrong
        self.users.wrong.clear()


def moves_from(
    source: str, platforms: Platforms, progress: Callable[[str, str], None] = lambda *_: None
) -> Moves:
    """Moves of an operator who works in the other region, as `zebros region` makes them."""
    aws.use_no_account()
    addresses = {name: str(crm.state["endpoint"]) for name, crm in platforms.crms.items()}
    regions = {name: region(STACK, name, address) for name, address in addresses.items()}
    other = EAST if source == WEST else WEST
    options = Options(wait_s=WAIT_S, patience_s=_PATIENCE_S, window=_WINDOW, at_once=2)
    return Moves(fences(STACK, other, EAST, addresses[other]), regions, "ops", options, progress)


def crash_at(step: str, disturb: Callable[[], None]) -> Callable[[str, str], None]:
    """A listener of a move's progress that disturbs it at a step, and kills the command."""
    left = [True]

    def progress(name: str, _text: str) -> None:
        if name == step and left:
            left.clear()
            disturb()
            raise Crash

    return progress
