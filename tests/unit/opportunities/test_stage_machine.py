"""The stage machine: an opportunity is consistent after any sequence of changes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.aggregate import Change
from kernel.domain.errors import CrmError, Invalid, RuleViolation
from kernel.domain.ids import new_id
from opportunities.events.opportunities import OpportunityFields
from opportunities.events.pipelines import ForecastCategory, PipelineFields, StageKind
from opportunities.model.opportunities import CloseDetails, Opportunity
from opportunities.model.pipelines import Pipeline

NOW = datetime(2026, 5, 1, 9, 30, tzinfo=UTC)
TODAY = date(2026, 5, 2)
"""The day in a zone east of UTC, such as Pacific/Kiritimati."""
PIPELINE = Pipeline.default("acme")
OPEN = ["lead", "qualified", "proposal", "negotiation"]

stages = st.sampled_from([*OPEN, "won", "lost"])
dates = st.dates(date(2020, 1, 1), TODAY + timedelta(days=1))
days = st.none() | dates
reasons = st.sampled_from(["", "   ", "price", " no budget "])
fields = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b"])},
    optional={
        "amount": st.sampled_from(
            [{"minor_units": n, "currency": "USD"} for n in (0, 1250)]  # 0: lost ones in imports
        ),
        "opened_on": st.dates(date(2019, 1, 1), date(2026, 1, 1)),
        "region": st.sampled_from(["north", "south"]),
        "owner_id": st.sampled_from(["ann", "bob"]),
        "team_id": st.sampled_from(["north", "south"]),
    },
).map(OpportunityFields.model_validate)
verbs = st.one_of(
    st.tuples(st.just("move"), stages),
    st.tuples(st.just("win"), dates),
    st.tuples(st.just("lose"), reasons, dates),
    st.tuples(st.just("reopen"), stages),
    st.tuples(st.just("update"), fields),
    st.tuples(st.just("reassign"), st.sampled_from(["ann", "bob"])),
)

Outcome = Change[Opportunity]


def carry_out(opportunity: Opportunity, verb: tuple[Any, ...], at: datetime) -> Outcome:
    match verb:
        case "move", stage:
            return opportunity.move(PIPELINE.stage(stage), at)
        case "win", day:
            return opportunity.win(PIPELINE.first_stage(StageKind.WON), at, TODAY, day)
        case "lose", reason, day:
            return opportunity.lose(PIPELINE.first_stage(StageKind.LOST), at, reason, TODAY, day)
        case "reopen", stage:
            return opportunity.reopen(PIPELINE.stage(stage), at)
        case "update", wanted:
            return opportunity.update(wanted, TODAY)
        case "reassign", owner:
            return opportunity.reassign(owner, None)
    raise AssertionError(verb)


def ensure_consistent(opportunity: Opportunity) -> None:
    """Check the invariants of an opportunity."""
    stage = PIPELINE.stage(opportunity.stage)
    assert (
        opportunity.stage_name,
        opportunity.status,
        opportunity.probability,
        opportunity.forecast_category,
    ) == (*(stage.name, stage.kind, stage.probability, stage.forecast_category),)
    closed = opportunity.status is not StageKind.OPEN
    assert (opportunity.closed_on is not None) == closed
    assert (opportunity.lost_reason is not None) == (opportunity.status is StageKind.LOST)
    if opportunity.lost_reason is not None:
        assert opportunity.lost_reason.strip() == opportunity.lost_reason != ""
    assert (opportunity.forecast_category is ForecastCategory.CLOSED) == (
        opportunity.status is StageKind.WON
    )
    assert (opportunity.forecast_category is ForecastCategory.OMITTED) == (
        opportunity.status is StageKind.LOST
    )


def opened(wanted: OpportunityFields, stage: str = "lead", **closing: Any) -> Outcome:
    return Opportunity.create(
        *("acme", new_id(), wanted, PIPELINE, PIPELINE.stage(stage), "ann", NOW, TODAY),
        CloseDetails(**closing),
    )


@given(fields, st.lists(verbs, max_size=15))
def test_an_opportunity_is_consistent_after_any_sequence_of_transitions(
    wanted: OpportunityFields, sequence: list[tuple[Any, ...]]
) -> None:
    opportunity, _ = opened(wanted)
    ensure_consistent(opportunity)
    for number, verb in enumerate(sequence):
        at = NOW + timedelta(minutes=number)
        try:
            after, events = carry_out(opportunity, verb, at)
        except (RuleViolation, Invalid):
            continue  # rejected: the opportunity is unchanged
        ensure_consistent(after)
        assert (after == opportunity) == (not events), (
            "the state changed exactly when an event was published"
        )
        if events:
            assert events[-1].current == after, "the last event has the state"
        assert after.id == opportunity.id
        if after.stage != opportunity.stage:
            assert after.stage_entered_at == at
        opportunity = after


@given(fields, st.lists(verbs, max_size=15))
def test_only_winning_and_losing_close_and_only_reopening_opens(
    wanted: OpportunityFields, sequence: list[tuple[Any, ...]]
) -> None:
    opportunity, _ = opened(wanted)
    for verb in sequence:
        try:
            after, events = carry_out(opportunity, verb, NOW)
        except (RuleViolation, Invalid):
            continue
        if after.status is not opportunity.status:
            (event,) = events
            was, became = opportunity.status, after.status
            assert (type(event).__name__, was, became) in (
                ("OpportunityWon", StageKind.OPEN, StageKind.WON),
                ("OpportunityLost", StageKind.OPEN, StageKind.LOST),
                ("OpportunityReopened", StageKind.WON, StageKind.OPEN),
                ("OpportunityReopened", StageKind.LOST, StageKind.OPEN),
            )
            assert event.model_dump()["from_stage"] == opportunity.stage
        opportunity = after


@given(fields, stages, days, reasons)
def test_an_opportunity_imported_as_closed_publishes_its_creation_and_its_closing(
    wanted: OpportunityFields, stage: str, closed_on: date | None, reason: str
) -> None:
    too_early = bool(wanted.opened_on and (closed_on or TODAY) < wanted.opened_on)
    why = reason if stage == "lost" else None
    if (stage == "lost" and not reason.strip()) or (stage in ("won", "lost") and too_early):
        with pytest.raises(Invalid, match=r"^(lost_reason|closed_on):"):
            opened(wanted, stage, closed_on=closed_on, lost_reason=why)
        return
    if stage in OPEN:
        closed_on = None
    opportunity, events = opened(wanted, stage, closed_on=closed_on, lost_reason=why)
    ensure_consistent(opportunity)
    ends = {"won": ["OpportunityWon"], "lost": ["OpportunityLost"]}.get(stage, [])
    assert [type(event).__name__ for event in events] == ["OpportunityCreated", *ends]
    assert opportunity.stage == stage
    if ends:
        assert opportunity.closed_on == (closed_on or TODAY)


@given(fields, fields)
def test_changes_of_amount_and_owner_have_their_own_events(
    first: OpportunityFields, second: OpportunityFields
) -> None:
    opportunity, _ = opened(first)
    after, events = opportunity.update(second, TODAY)
    names = [type(event).__name__ for event in events]
    own = {"amount", "owner_id", "team_id"}
    others = {n for n in OpportunityFields.model_fields if n not in own}
    assert ("OpportunityAmountChanged" in names) == (first.amount != second.amount)
    assert ("OpportunityReassigned" in names) == (
        (first.owner_id, first.team_id) != (second.owner_id, second.team_id)
    )
    assert ("OpportunityUpdated" in names) == any(
        getattr(first, n) != getattr(second, n) for n in others
    )
    assert (after == opportunity) == (names == [])


def a_closed(stage: str) -> Opportunity:
    reason = "price" if stage == "lost" else None
    return opened(OpportunityFields(name="x"), stage, lost_reason=reason)[0]


@pytest.mark.parametrize(
    ("stage", "closing", "field"),
    [
        ("lead", {"closed_on": TODAY}, "closed_on"),
        ("lead", {"lost_reason": "price"}, "lost_reason"),
        ("won", {"lost_reason": "price"}, "lost_reason"),
    ],
)
def test_close_details_that_do_not_fit_the_status_are_rejected(
    stage: str, closing: Any, field: str
) -> None:
    with pytest.raises(Invalid, match=rf"^{field}: .*this one is (open|won)"):
        opened(OpportunityFields(name="x"), stage, **closing)
    opportunity = opened(OpportunityFields(name="x"), stage)[0]
    with pytest.raises(Invalid, match=f"^{field}:"):
        opportunity.apply_import(
            OpportunityFields(name="x"), None, CloseDetails(**closing), NOW, TODAY
        )


@given(st.sampled_from(["won", "lost"]), fields, fields, days, st.none() | st.just("budget"))
def test_a_closed_opportunity_imported_again_is_corrected(
    stage: str,
    first: OpportunityFields,
    second: OpportunityFields,
    closed_on: date | None,
    reason: str | None,
) -> None:
    """Days in any order: the new ones are compared with each other, not with previous ones."""
    reason = reason if stage == "lost" else None
    opportunity, _ = opened(
        first, stage, closed_on=None, lost_reason="price" if stage == "lost" else None
    )
    closing = CloseDetails(closed_on, reason)
    if second.opened_on and (closed_on or TODAY) < second.opened_on:
        with pytest.raises(Invalid, match=r"^closed_on: is before opened_on"):
            opportunity.apply_import(second, None, closing, NOW, TODAY)
        return
    after, events = opportunity.apply_import(second, PIPELINE.stage(stage), closing, NOW, TODAY)
    ensure_consistent(after)
    assert after.closed_on == (closed_on or opportunity.closed_on)
    assert after.lost_reason == (reason or opportunity.lost_reason)
    assert (after == opportunity) == (not events)
    changed = {n for f in events for n in f.model_dump().get("changed", [])}
    ends = {n for n in ("closed_on", "lost_reason") if getattr(after, n) != getattr(opportunity, n)}
    assert changed & {"closed_on", "lost_reason"} == ends
    assert not ends or events[0].model_dump()["previous"].keys() >= ends


def test_an_opportunity_does_not_open_after_its_closing_day() -> None:
    opportunity, _ = opened(OpportunityFields(name="x"), "won", closed_on=TODAY)
    after, _ = opportunity.update(OpportunityFields(name="x", opened_on=TODAY), TODAY)
    late = OpportunityFields(name="x", opened_on=TODAY + timedelta(days=1))
    with pytest.raises(Invalid, match=r"^opened_on: is after closed_on"):
        after.update(late, TODAY)
    still_open, _ = opened(OpportunityFields(name="x"))
    assert still_open.update(late, TODAY)[0].opened_on == late.opened_on


@pytest.mark.parametrize(("stage", "wanted"), [("won", "lost"), ("lost", "won"), ("won", "lead")])
def test_an_import_cannot_move_a_closed_opportunity_to_another_stage(
    stage: str, wanted: str
) -> None:
    closing = CloseDetails(lost_reason="price" if wanted == "lost" else None)
    with pytest.raises(RuleViolation, match="reopen it") as rejected:
        a_closed(stage).apply_import(
            OpportunityFields(name="x"), PIPELINE.stage(wanted), closing, NOW, TODAY
        )
    assert [error.field for error in rejected.value.errors] == ["stage"]


@pytest.mark.parametrize("stage", ["won", "lost"])
@pytest.mark.parametrize("verb", [("move", "lead"), ("win", TODAY), ("lose", "price", TODAY)])
def test_a_closed_opportunity_cannot_be_moved_won_or_lost(
    stage: str, verb: tuple[Any, ...]
) -> None:
    with pytest.raises(RuleViolation, match="Only an open opportunity"):
        carry_out(a_closed(stage), verb, NOW)


@pytest.mark.parametrize("stage", ["won", "lost"])
def test_an_opportunity_is_not_moved_into_a_closed_stage(stage: str) -> None:
    opportunity, _ = opened(OpportunityFields(name="x"))
    with pytest.raises(RuleViolation, match=f"POST …/{stage}"):
        carry_out(opportunity, ("move", stage), NOW)
    with pytest.raises(CrmError):
        carry_out(a_closed("won"), ("reopen", stage), NOW)


def test_an_open_opportunity_cannot_be_reopened() -> None:
    opportunity, _ = opened(OpportunityFields(name="x"))
    with pytest.raises(RuleViolation):
        carry_out(opportunity, ("reopen", "lead"), NOW)


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_an_opportunity_is_not_lost_without_a_reason(reason: str) -> None:
    opportunity, _ = opened(OpportunityFields(name="x"))
    with pytest.raises(Invalid, match="say why"):
        carry_out(opportunity, ("lose", reason, None), NOW)


def test_an_opportunity_does_not_close_before_it_was_opened() -> None:
    opportunity, _ = opened(OpportunityFields(name="x", opened_on=TODAY))
    for verb in (("win", date(2026, 4, 30)), ("lose", "price", date(2026, 4, 30))):
        with pytest.raises(Invalid, match="before opened_on"):
            carry_out(opportunity, verb, NOW)
    assert carry_out(opportunity, ("win", TODAY), NOW)[0].closed_on == TODAY


def test_the_time_in_a_stage_is_in_seconds_and_never_negative() -> None:
    opportunity, _ = opened(OpportunityFields(name="x"))
    later = NOW + timedelta(days=2, seconds=5)
    moved, (event,) = carry_out(opportunity, ("move", "proposal"), later)
    assert event.model_dump()["seconds_in_stage"] == 2 * 86400 + 5
    _, (won,) = carry_out(moved, ("win", None), NOW)
    assert won.model_dump()["seconds_in_stage"] == 0, "clocks of two machines may disagree"


def test_an_opportunity_reassigned_to_its_owner_is_unchanged() -> None:
    opportunity, _ = opened(OpportunityFields(name="x", owner_id="ann", team_id="north"))
    assert opportunity.reassign("ann", "north") == (opportunity, ())
    for owner, team in (("ann", "south"), ("bob", "north")):
        after, (event,) = opportunity.reassign(owner, team)
        assert (after.owner_id, after.team_id) == (owner, team)
        data = event.model_dump()
        assert (data["previous_owner_id"], data["previous_team_id"]) == ("ann", "north")


def stage_list(*kinds: str) -> list[dict[str, Any]]:
    return [
        {"key": f"s{i}", "name": f"S{i}", "probability": 10, "kind": kind}
        for i, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (("open", "open", "won"), "exactly one must be of kind won and one of kind lost"),
        (("open", "lost", "lost"), "exactly one"),
        (("open", "won", "won", "lost"), "exactly one"),
        (("won", "lost"), "at least 3"),
        (("open", *(["open"] * 18), "won", "lost"), "at most 20"),
    ],
)
def test_a_pipeline_has_one_stage_for_won_and_one_for_lost(kinds: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PipelineFields.model_validate({"name": "p", "stages": stage_list(*kinds)})


def test_a_pipeline_has_every_key_once() -> None:
    listed = stage_list("open", "won", "lost")
    listed[1]["key"] = "s0"
    with pytest.raises(ValueError, match="every key must be unique"):
        PipelineFields.model_validate({"name": "p", "stages": listed})
