"""The judge of chaos names every kind of fault that is put before it, and nothing that is right."""

import copy
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.chaos.traffic import COMPANY, TENANTS, Write, has_foreign
from tests.chaos.verdict import Judge, Verdict
from tests.unit.chaos.world import AT, World

ACME, GLOBEX = TENANTS


class Story:
    """Some writes of all tenants, after which everything is right."""

    def __init__(self) -> None:
        self.world = World()
        self.deals = {one: self.world.create(one, "opportunities") for one in (*TENANTS, COMPANY)}
        self.deal = self.deals[ACME]
        self.account = self.world.create(ACME, "accounts", name="Umbra")
        self.task = self.world.create(ACME, "tasks", status="open")
        self.changed = self.world.change(self.deal, amount={"minor_units": 7})
        self.won = self.world.create(ACME, "opportunities")
        self.world.change(self.won, "OpportunityWon", marked=False, stage="won", status="won")
        self.archived = self.world.create(ACME, "opportunities")
        self.world.change(self.archived, "OpportunityArchived", archived_at=AT)
        self.world.log.reports.append((ACME, "run"))
        self.world.reports["run"] = {"status": "failed", "reason": "too large"}

    def judge(self) -> Verdict:
        return Judge(cast("Any", self.world), self.world.log).judge()

    @property
    def lake(self) -> list[dict[str, Any]]:
        return self.world.lake[ACME]


def test_what_is_right_is_found_right() -> None:
    verdict = Story().judge()
    assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
    assert verdict.right
    assert verdict.checked["acknowledged"] == 10
    views = ("events", "records", "timeline entries", "board columns", "unread", "reports")
    assert all(verdict.checked[one] > 0 for one in (*views, "repeated", "report failed"))


def lose_the_last_write(story: Story) -> None:
    """As if the table had lost it too, so that nothing else is wrong."""
    lost = story.world.of(story.account)[-1]
    story.lake.remove(lost)
    story.world.records[ACME, "accounts"].clear()
    story.world.timelines.clear()


def lose_a_change(story: Story) -> None:
    """The change that came last of a record with several."""
    story.lake.remove(story.world.of(story.changed)[-1])


def lose_a_write_without_a_mark(story: Story) -> None:
    """Such as one that closes a deal: its version alone identifies it."""
    story.world.log.writes.append(Write(ACME, story.deal.record, "", 3))


def write_to_another_record(story: Story) -> None:
    """An acknowledged write whose event is about another record."""
    write = story.changed
    story.world.log.writes[story.world.log.writes.index(write)] = Write(
        ACME, story.won.record, write.mark, write.version
    )


@pytest.mark.parametrize(
    "fault",
    [lose_the_last_write, lose_a_change, lose_a_write_without_a_mark, write_to_another_record],
)
def test_a_lost_write_is_named(fault: Callable[[Story], None]) -> None:
    story = Story()
    fault(story)
    verdict = story.judge()
    assert len(verdict.lost) == 1
    assert not verdict.right


def create_twice(story: Story) -> None:
    """A repeated creation made a second record."""
    world = story.world
    again = copy.deepcopy(world.shown(story.account)) | {"id": "second"}
    world.publish(ACME, "accounts", "AccountCreated", again)


def change_twice(story: Story) -> None:
    """A change came again after another one."""
    world, mark = story.world, story.changed.mark
    world.change(story.deal)
    current = {**world.shown(story.deal), "custom_fields": {"mark": mark}, "version": 4}
    world.publish(ACME, "opportunities", "Updated", current)


def write_unknown_twice(story: Story) -> None:
    """Whether it succeeded is unknown, but it must not have done so twice."""
    create_twice(story)
    story.account.version = None


@pytest.mark.parametrize("fault", [create_twice, change_twice, write_unknown_twice])
def test_a_doubled_write_is_named(fault: Callable[[Story], None]) -> None:
    story = Story()
    fault(story)
    verdict = story.judge()
    assert len(verdict.doubled) == 1
    assert not verdict.right


def test_a_write_of_unknown_outcome_may_have_happened_or_not() -> None:
    story = Story()
    story.account.version = None
    story.world.log.writes.append(Write(ACME, "", "never happened"))
    verdict = story.judge()
    assert verdict.right
    assert verdict.checked["unknown"] == 2


def wrong_field(story: Story) -> None:
    story.world.records[ACME, "accounts"] = {
        key: {**one, "name": "Other"} for key, one in story.world.records[ACME, "accounts"].items()
    }


def archived_without_event(story: Story) -> None:
    story.world.shown(story.task)["archived_at"] = AT
    (event,) = story.world.of(story.task)
    event["data"]["current"] = {
        k: v for k, v in event["data"]["current"].items() if k != "archived_at"
    }


def not_listed(story: Story) -> None:
    world = story.world
    world.unlisted[ACME, "accounts"] = world.records.pop((ACME, "accounts"))


def record_gone(story: Story) -> None:
    story.world.records[ACME, "tasks"].clear()


def foreign_record(story: Story) -> None:
    """A list has a record of another tenant."""
    theirs = story.world.shown(story.deals[GLOBEX])
    story.world.records[ACME, "opportunities"][theirs["id"]] = theirs


def foreign_event(story: Story) -> None:
    """A tenant's part of the lake has an event of another tenant."""
    story.lake.append({**story.lake[0], "tenantid": GLOBEX})


def foreign_answer(story: Story) -> None:
    """A reader has seen another's record."""
    story.world.log.wrong.append("acme got from /accounts: globex 7 1")


def shared_event_id(story: Story) -> None:
    story.lake[-1]["id"] = story.lake[0]["id"]


def gap(story: Story) -> None:
    """A sequence number that no event has."""
    story.world.of(story.changed)[-1]["sequence"] = "3"


def sequence_again(story: Story) -> None:
    story.world.of(story.changed)[-1]["sequence"] = "1"


def column_count(story: Story) -> None:
    story.world.columns[ACME]["new"][0] += 1


def column_sum(story: Story) -> None:
    story.world.columns[ACME]["won"][1] -= 1


def timeline_entry_missing(story: Story) -> None:
    story.world.timelines[ACME, f"account/{story.account.answer['id']}"].pop()


def timeline_entry_twice(story: Story) -> None:
    entries = story.world.timelines[ACME, f"task/{story.task.answer['id']}"]
    entries.append(entries[0])


def no_notice(story: Story) -> None:
    story.lake[:] = [one for one in story.lake if one["type"] != "NotificationSent"]


def notice_twice(story: Story) -> None:
    (won,) = [one for one in story.lake if one["type"] == "OpportunityWon"]
    story.world.notify(ACME, won["id"])


def unread_counter(story: Story) -> None:
    story.world.counted[ACME, "rep"] += 1


def report_total(story: Story) -> None:
    story.world.totals[ACME]["won"] += 1


def report_without_reason(story: Story) -> None:
    story.world.reports["run"] = {"status": "failed"}


def repeated_creation(story: Story) -> None:
    story.world.repeated[story.task.key] = {"id": "another"}


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (wrong_field, "'name': 'Other'"),
        (archived_without_event, "archived_at"),
        (not_listed, "is in no list"),
        (record_gone, "None, not"),
        (foreign_record, "acme /opportunities lists"),
        (foreign_event, "acme's lake has an event of globex"),
        (foreign_answer, "acme got from"),
        (shared_event_id, " share "),
        (gap, "has the sequences [1, 3]"),
        (sequence_again, "has the sequences [1, 1]"),
        (column_count, "acme board new"),
        (column_sum, "acme board won"),
        (timeline_entry_missing, "acme timeline of account/"),
        (timeline_entry_twice, "acme timeline of task/"),
        (no_notice, ": 0 notices"),
        (notice_twice, ": 2 notices"),
        (unread_counter, "acme rep: "),
        (report_total, "acme win rate"),
        (report_without_reason, "failed without a reason"),
        (repeated_creation, " again: 200"),
    ],
)
def test_a_wrong_view_is_named(fault: Callable[[Story], None], text: str) -> None:
    story = Story()
    fault(story)
    verdict = story.judge()
    assert any(text in one for one in verdict.wrong), verdict.wrong
    assert not verdict.right


@pytest.mark.parametrize("other", [GLOBEX, COMPANY])
def test_an_answer_with_another_tenants_record_is_recognized(other: str) -> None:
    assert has_foreign(f'{{"name":"{other} hot"}}', ACME, "7")
    assert has_foreign(f'{{"name":"{other} 7 1 write 3"}}', ACME, "7")
    assert not has_foreign(f'{{"name":"{ACME} 7 1 write 3"}}', ACME, "7")
    assert not has_foreign(f'{{"text":"{other} is in another tier"}}', ACME, "7")
