"""The controller: the steps of the state machine (statemachines/scaling.asl.json).

Each step reads the history and the settings anew, may be repeated, and may be the first one after
a crash of the run before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any

from kernel.domain.clock import Clock
from scaling.events import Reason, Setting
from scaling.incoming import UnknownAlarm, alarm_change
from scaling.model import decision
from scaling.model.actions import Refused, ScalingAction
from scaling.model.alarm_names import rules_of
from scaling.model.changing import SettingChanged
from scaling.model.decision import Decision, decide
from scaling.model.inventory import Inventory
from scaling.model.parameters import parameter_of
from scaling.model.policy import Policy
from scaling.model.readings import Action, ActionState, Situation
from scaling.model.verification import Outcome, Verdict, verify
from scaling.repository.actions import ActionRepository
from scaling.repository.lease import Lease, LeaseRepository
from scaling.service.observer import Observer
from scaling.service.ports import SettingAdapter
from scaling.service.recording import Recorder
from scaling.service.steps import DONE, LOOK_S, Step

ROUNDS = 200
"""Looks of one execution, whose history Step Functions limits; the schedule goes on with a new
one."""
_OF_MINUTES = {Reason.IN_PROGRESS, Reason.COOLDOWN, Reason.ROOM, Reason.CONFLICT}
_LEASE = timedelta(seconds=3 * LOOK_S)


class Mode(StrEnum):
    """Whether the controller changes settings itself."""

    PROPOSE = "propose"
    APPLY = "apply"


class Controller:
    """The use cases of the state machine."""

    def __init__(
        self,
        policy: Policy,
        inventory: Inventory,
        adapters: Mapping[Setting, SettingAdapter],
        observer: Observer,
        actions: ActionRepository,
        lease: LeaseRepository,
        *,
        tenant: str,
        system: str,
        mode: Mode,
        now: Clock,
    ) -> None:
        self._policy, self._inventory, self._adapters = policy, inventory, adapters
        self._observer, self._actions, self._lease = observer, actions, lease
        self._tenant, self._system, self._mode, self._now = tenant, system, mode, now
        self._recorder = Recorder(actions, tenant, now)

    def begin(self, holder: str, message: Any) -> Step:
        """Read the message that started the execution, and get the lease."""
        try:
            alarm = alarm_change(message, self._system)
        except UnknownAlarm as error:
            self._recorder.refuse(Refused(Reason.UNKNOWN_ALARM, str(error)))
            return DONE
        if alarm and not (alarm.raised and (alarm.composite or rules_of(alarm.name))):
            return DONE
        return Step("verify") if self._extend(holder) else DONE

    def verify(self, holder: str) -> Step:
        """Keep or take back what was applied long enough ago."""
        if self._extend(holder) is None:
            return DONE
        for action in self._unfinished(ActionState.APPLIED):
            verdict = self._verdict(action)
            if verdict.outcome is Outcome.KEEP:
                self._recorder.save(action, action.keep(verdict.because, self._now()))
            elif verdict.outcome is Outcome.ROLL_BACK:
                self._judge_as_failed(action, verdict)
        for action in self._unfinished(ActionState.ROLLING_BACK):
            self._finish_rolling_back(action)
        return Step("decide")

    def decide(self, holder: str, rounds: int) -> Step:
        """Decide what to change now; a change is recorded before it is made."""
        lease = self._extend(holder)
        if lease is None:
            return DONE
        now, situation = self._now(), self._observer.situation(self._now())
        history = [one.as_action() for one in self._history() if self._counts(one)]
        found = decide(self._policy, situation, history, now)
        for lost in undone(history, situation):
            self._recorder.once(ScalingAction.refuse(self._tenant, _undone(lost), now, lost.at))
        for refusal in worth_recording(found, situation):
            self._recorder.refuse(
                Refused(refusal.reason, refusal.because, refusal.target, refusal.rule)
            )
        for change in found.changes:
            self._record(change, situation.settings[change.target].deployed, now)
        following = self._following(situation, rounds)
        return Step(following, rounds=rounds + 1, requests=lease.requests)

    def apply(self, holder: str) -> Step:
        """Make the changes that were recorded, also those of a run that crashed."""
        if self._extend(holder) is None:
            return DONE
        for action in self._unfinished(ActionState.APPLYING):
            self._apply(action)
        return Step("wait")

    def end(self, holder: str, requests: int) -> Step:
        """Give the lease back; when somebody has asked for it since the decision, look again."""
        return DONE if self._lease.release(Lease(holder, requests)) else Step("verify")

    def _counts(self, action: ScalingAction) -> bool:
        """Whether a decision depends on it; what was only proposed is no pause for a change."""
        return self._mode is Mode.PROPOSE or action.status is not ActionState.PROPOSED

    def _following(self, situation: Situation, rounds: int) -> str:
        if self._mode is Mode.PROPOSE:
            return "end"
        if self._unfinished(ActionState.APPLYING):
            return "apply"
        again = situation.alarms or any(one.unfinished for one in self._history())
        return "wait" if again and rounds < ROUNDS else "end"

    def _extend(self, holder: str) -> Lease | None:
        return self._lease.acquire(holder, self._now(), _LEASE)

    def _history(self) -> list[ScalingAction]:
        return self._actions.history(self._tenant)

    def _unfinished(self, status: ActionState) -> list[ScalingAction]:
        return [one for one in self._history() if one.status is status]

    def _verdict(self, action: ScalingAction) -> Verdict:
        given, now = action.as_action(), self._now()
        return verify(self._policy, given, self._observer.since(given, now), now)

    def _judge_as_failed(self, action: ScalingAction, verdict: Verdict) -> None:
        now = self._now()
        if self._mode is Mode.PROPOSE:
            because = (
                f"{verdict.because}; the controller only proposes now, so a person may set it to"
                f" {action.before} again"
            )
            self._recorder.save(action, action.keep(because, now))
            return
        change = action.roll_back(verdict.because, now, brought_nothing=verdict.brought_nothing)
        self._recorder.save(action, change)

    def _finish_rolling_back(self, action: ScalingAction) -> None:
        assert action.after is not None
        assert action.before is not None
        if self._change(action, action.after, action.before):
            self._recorder.save(action, action.rolled_back(self._now()))

    def _apply(self, action: ScalingAction) -> None:
        assert action.after is not None
        assert action.before is not None
        if self._mode is Mode.PROPOSE:
            return
        if self._change(action, action.before, action.after):
            self._recorder.save(action, action.applied(self._now()))

    def _change(self, action: ScalingAction, before: int, after: int) -> bool:
        """Change a setting; an action whose setting somebody else has changed is abandoned."""
        target = action.as_action().target
        resource = self._inventory.resource(target)
        if resource is None:
            self._recorder.save(
                action, action.abandon(f"{target} does not exist any more", self._now())
            )
            return False
        try:
            self._adapters[target.setting].apply(resource, before, after)
        except SettingChanged as error:
            self._recorder.save(action, action.abandon(str(error), self._now()))
            return False
        return True

    def _record(self, change: decision.Change, deployed: int, now: datetime) -> None:
        if self._mode is Mode.APPLY:
            self._recorder.save(None, ScalingAction.begin(self._tenant, change, deployed, now))
        else:
            self._recorder.once(ScalingAction.propose(self._tenant, change, deployed, now))


def undone(history: Sequence[Action], situation: Situation) -> Iterator[Action]:
    """The latest kept changes whose setting has its deployed value again: a deployment did that.

    A setting whose deployed value is the changed one was made permanent.
    """
    latest = {one.target: one for one in sorted(history, key=attrgetter("at"))}
    for target, action in latest.items():
        current = situation.settings.get(target)
        if current is None or action.state is not ActionState.KEPT or not action.raises:
            continue
        if current.value == current.deployed < action.after:
            yield action


def _undone(action: Action) -> Refused:
    because = (
        f"{action.target} was {action.after} and has its deployed value again, by a deployment or"
        f" a person; to make it permanent, deploy {parameter_of(action.target, action.after)}"
    )
    return Refused(Reason.CHANGED_BY_OTHERS, because, action.target, action.rule)


def worth_recording(found: Decision, situation: Situation) -> Iterator[decision.Refusal]:
    """The refusals that people should know of: those that do not end by themselves in minutes.

    Missing values count only where no resource of the rule has any: an alarm of all functions
    together is raised by one of them, and the others may have no requests.
    """
    known = {rule for (rule, _), one in situation.readings.items() if any(map(_known, one.values))}
    for one in found.refusals:
        if one.reason in _OF_MINUTES or (one.reason is Reason.NO_DATA and one.rule in known):
            continue
        yield one


def _known(value: float | None) -> bool:
    return value is not None
