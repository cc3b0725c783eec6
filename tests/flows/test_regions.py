"""A system of two regions on two platforms: failover, failback, and the loss of the primary.

Users of both tenants write all the time, where a region lets them. The tests depend on their order:
each begins with what the one before has left. The first move is the command, which waits 50 s. The
second one waits as long as these users need (tests/regions/rounds.py).
"""

import getpass
import os
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import Crm
from tests.flows.figures import record_figure
from tests.regions.checks import (
    Subscribers,
    check_projections,
    check_report,
    verdict_of,
    wait_until_equal,
    wrongly_listed,
)
from tests.regions.platforms import EAST, WEST, Platforms
from tests.regions.rounds import moves_from
from tests.regions.traffic import TENANTS, Users
from zebros.errors import BadInput

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("regions")]
RUNNING = os.environ.get("ZEBROS_REGIONS_HOME")
"""Set while working on these tests: a folder with two running platforms, which are left running."""
SEED = 12
by_hand = pytest.mark.skipif(
    "ZEBROS_REGION_LOSS" not in os.environ, reason="set ZEBROS_REGION_LOSS=1 on an idle machine"
)
"""On a busy machine a region may need longer to start again than these tests wait."""


class Story:
    """What the tests of this module share."""

    def __init__(self, platforms: Platforms) -> None:
        self.platforms = platforms
        self.users = Users(platforms, SEED)
        self.subscribers = Subscribers(platforms)
        for crm in platforms.crms.values():
            crm.shorten_visibility()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    platforms = Platforms(Path(RUNNING) if RUNNING else tmp_path_factory.mktemp("regions"))
    try:
        began = time.monotonic()
        platforms.use() if RUNNING else platforms.start()
        record_figure(f"regions: two platforms in {time.monotonic() - began:.0f} s")
        platforms.delays(0.1, 1.5, SEED)
        yield Story(platforms)
    finally:
        if not RUNNING:
            platforms.stop()


def refused(platforms: Platforms, region: str) -> dict[str, Any]:
    """The answer of a region to a write."""
    answer = platforms.crms[region]("POST", "/opportunities", {"name": "Refused"})
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


def test_the_secondary_reads_and_refuses_writes(story: Story) -> None:
    platforms = story.platforms
    with story.users.writing():
        time.sleep(6)
    wait_until_equal(platforms)
    assert refused(platforms, WEST)["type"] == "urn:zebros:problem:read-only-region"
    assert story.users.blocks() == [EAST]
    story.subscribers.receive(EAST)
    assert check_projections(platforms, EAST, "acme") == check_projections(platforms, WEST, "acme")


def rebuild(story: Story, region: str, *, lost: str = "") -> None:
    """What the runbook says after a loss, and after the return of the region; then all is right."""
    for projection in ("board", "timeline", "inbox", "usage"):
        story.platforms.zebros[region]("events", "rebuild", projection, "--all-tenants")
    story.subscribers.receive(region, lost=lost)
    for tenant in TENANTS:
        check_projections(story.platforms, region, tenant)


def refused_move(story: Story, *words: object) -> str:
    """What the command prints that refuses a move of writes, which changes no fence record."""
    before = story.platforms.operate("status")
    done = story.platforms.operate("failover", *words, check=False)
    assert done.returncode == BadInput.exit_code, done.stderr
    assert story.platforms.operate("status") == before
    return " ".join(done.stderr.split())


def test_a_failover_to_the_primary_is_refused_with_an_event(story: Story) -> None:
    printed = refused_move(story, "--to", EAST)
    assert f"{EAST} is the region that writes already." in printed
    assert f"event: {EAST} publishes RegionMoveRefused" in printed
    story.subscribers.receive(EAST)
    (event,) = story.subscribers.refusals()
    assert (event["reason"], event["target"], event["writer"]) == ("writes_already", EAST, EAST)
    assert (event["operator"], event["current_epoch"]) == (getpass.getuser(), 0)
    wait_until_equal(story.platforms)


def test_after_a_failover_everything_goes_on_in_the_secondary(story: Story) -> None:
    platforms, users = story.platforms, story.users
    with users.writing():
        time.sleep(3)
        moved = platforms.operate("failover")
        time.sleep(8)
    assert moved["fence"]["writer"] == WEST
    assert users.blocks() == [EAST, WEST]
    assert users.wrong == []
    assert refused(platforms, EAST)["type"] == "urn:zebros:problem:read-only-region"
    story.subscribers.receive(WEST)
    wait_until_equal(platforms)
    verdict = verdict_of(platforms, users, story.subscribers)
    assert verdict.lost == []
    for tenant in TENANTS:
        check_projections(platforms, WEST, tenant)
        check_report(platforms, WEST, tenant)
    (pause,) = [seconds for seconds, _, after in users.pauses() if after == WEST]
    record_figure(
        f"regions: failover, {verdict.acknowledged} writes acknowledged, 0 lost, "
        f"{verdict.doubled} events seen twice, no region wrote for "
        f"{moved['seconds_without_writes']:.0f} s, users waited {pause:.0f} s"
    )


def test_a_notification_is_sent_once_by_the_region_that_writes(story: Story) -> None:
    crm = story.platforms.crms[WEST]
    body = {"title": "Call back", "assignee_id": "rep", "due_on": "2027-02-28"}
    task = crm("POST", "/tasks", body, tenant="globex").raise_for_status().json()

    def about() -> list[str]:
        items = crm("GET", "/notifications?limit=100", tenant="globex", user="rep").json()["items"]
        return [one["id"] for one in items if one["about"]["id"] == task["id"]]

    crm.until(lambda: bool(about()))
    story.subscribers.receive(WEST)
    assert len(about()) == 1
    wait_until_equal(story.platforms)


def test_an_epoch_from_the_past_is_refused_with_an_event_of_the_region_that_writes(
    story: Story,
) -> None:
    printed = refused_move(story, "--to", EAST, "--epoch", 0)
    assert "The fence epoch 0 is from the past: it is 1." in printed
    story.subscribers.receive(WEST)
    _, event = story.subscribers.refusals()
    assert (event["reason"], event["target"], event["writer"]) == ("past_epoch", EAST, WEST)
    assert (event["epoch"], event["current_epoch"]) == (0, 1)
    wait_until_equal(story.platforms)


def test_after_a_failback_the_primary_has_everything(story: Story) -> None:
    platforms, users = story.platforms, story.users
    with users.writing():
        time.sleep(2)
        moved = moves_from(WEST, platforms).move(EAST, lost=False)
        time.sleep(6)
    assert moved.fence.writer == EAST
    assert users.blocks() == [EAST, WEST, EAST]
    assert refused(platforms, WEST)["type"] == "urn:zebros:problem:read-only-region"
    story.subscribers.receive(EAST)
    wait_until_equal(platforms)
    verdict = verdict_of(platforms, users, story.subscribers)
    assert (verdict.lost, users.wrong) == ([], [])
    check_projections(platforms, EAST, "globex")
    check_report(platforms, EAST, "globex")
    record_figure(
        f"regions: failback, {verdict.acknowledged} writes acknowledged, 0 lost, "
        f"{verdict.doubled} events seen twice, no region wrote for "
        f"{moved.seconds_without_writes:.0f} s"
    )


@by_hand
def test_after_the_loss_of_the_primary_its_users_go_on_in_the_secondary(story: Story) -> None:
    """It is cut off while it is written, then every process of it is killed."""
    platforms, users = story.platforms, story.users
    before = len(users.acknowledged)
    with users.writing():
        # The first requests of a region that has just begun to write take seconds.
        Crm.until(lambda: len(users.acknowledged) >= before + 12, 60)
        platforms.cut(EAST)
        time.sleep(2)
        platforms.kill(EAST)
        moved = platforms.operate("failover", "--lost")
        time.sleep(8)
    assert (moved["fence"]["writer"], moved["failed"]) == (WEST, [])
    assert users.wrong == [], "no user is refused after the opening, whatever arrived in part"
    assert users.blocks()[-2:] == [EAST, WEST]
    writes = users.acknowledged[before:]
    (pause,) = [seconds for seconds, _, after in users.pauses()[-1:] if after == WEST]
    record_figure(
        f"regions: loss of the primary, {len(writes)} writes acknowledged, {moved['completed']}, "
        f"no region wrote for {moved['seconds_without_writes']:.0f} s, users waited {pause:.0f} s"
    )
    rebuild(story, WEST, lost=EAST)


@by_hand
def test_the_lost_primary_returns_and_its_writes_at_stake_are_listed_exactly(story: Story) -> None:
    platforms, users = story.platforms, story.users
    platforms.up(EAST)
    with users.writing():
        time.sleep(1)
        platforms.cut("")
        assert refused(platforms, EAST)["type"] == "urn:zebros:problem:read-only-region"
        rejoined = platforms.operate("rejoin")
        time.sleep(3)
    assert (rejoined["failed"], users.wrong) == ([], [])
    assert {one["outcome"] for one in rejoined["at_stake"]} <= {"lost"}
    story.subscribers.receive(WEST)
    wait_until_equal(platforms)
    verdict = verdict_of(platforms, users, story.subscribers)
    lost = {(one.key, one.version) for one in verdict.lost}
    assert not wrongly_listed(lost, rejoined["at_stake"], users)
    record_figure(
        f"regions: return of the primary, {verdict.acknowledged} writes acknowledged, "
        f"{len(verdict.lost)} lost, all of them listed, {rejoined['completed']}, "
        f"{verdict.doubled} events seen twice"
    )
    rebuild(story, WEST)
    check_report(platforms, WEST, "acme")


@by_hand
def test_after_the_loss_the_primary_writes_again(story: Story) -> None:
    platforms, users = story.platforms, story.users
    with users.writing():
        moved = moves_from(WEST, platforms).move(EAST, lost=False)
        time.sleep(4)
    assert (moved.fence.writer, users.wrong) == (EAST, [])
    story.subscribers.receive(EAST)
    wait_until_equal(platforms)


def test_both_regions_end_with_the_same_items(story: Story) -> None:
    story.subscribers.receive(EAST)
    wait_until_equal(story.platforms)
    assert story.users.answers["500"] == 0
