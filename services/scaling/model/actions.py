"""The scaling action: one change of a setting, from its decision to its end. No AWS, no clock.

    proposed                                          people may make it
    applying -> applied -> kept | rolling_back -> rolled_back
    applying -> refused                               somebody else has changed the setting
    refused                                           nothing was changed

A state with "ing" is written before the setting is changed, so that after a crash the next run
finishes what was begun. Its transitions publish no event.
"""

import hashlib
from datetime import datetime
from string import digits
from typing import ClassVar, NamedTuple, Self

from kernel.domain.aggregate import Aggregate, Change, new_record
from kernel.domain.events import DomainEvent
from kernel.domain.ids import ids_at
from kernel.domain.principal import SYSTEM_USER
from scaling.events import (
    Reason,
    ScalingActionApplied,
    ScalingActionKept,
    ScalingActionProposed,
    ScalingActionRefused,
    ScalingActionRolledBack,
    ScalingActionState,
    ScalingActionUpdated,
)
from scaling.model import decision
from scaling.model.parameters import parameter_of
from scaling.model.readings import UNFINISHED, Action, ActionState, Target

_BASE32 = digits + "ABCDEFGHJKMNPQRSTVWXYZ"
_CENTS = 100
_SENTENCE = 500


class Refused(NamedTuple):
    """Why nothing is changed; without a target when the reason concerns none."""

    reason: Reason
    because: str
    target: Target | None = None
    rule: str | None = None


class ScalingAction(ScalingActionState, Aggregate):
    """A scaling action with its tenant."""

    updated_event: ClassVar[type[DomainEvent]] = ScalingActionUpdated

    @classmethod
    def begin(
        cls, tenant: str, change: decision.Change, deployed: int, at: datetime
    ) -> Change["ScalingAction"]:
        """A change that is about to be made; nothing is published before it is."""
        return Change(cls._of(tenant, ids_at(at, 1)[0], ActionState.APPLYING, change, deployed, at))

    @classmethod
    def propose(
        cls, tenant: str, change: decision.Change, deployed: int, at: datetime
    ) -> Change["ScalingAction"]:
        """A change for people to make; the same one is proposed once a day."""
        what = (change.target, change.rule, str(change.before), str(change.after))
        record_id = id_of_day(at, "proposed", *map(str, what))
        action = cls._of(tenant, record_id, ActionState.PROPOSED, change, deployed, at)
        return Change(action, (ScalingActionProposed(current=action),))

    @classmethod
    def refuse(
        cls, tenant: str, refused: Refused, at: datetime, day: datetime | None = None
    ) -> Change["ScalingAction"]:
        """A refusal; one for a target, rule and reason a day, of other things by their sentence.

        With `day`, it is that of this day, also when it is found on later ones.
        """
        target = refused.target
        what = target or refused.because
        record_id = id_of_day(day or at, str(what), refused.rule or "", refused.reason)
        action = cls(
            **new_record(tenant, record_id, SYSTEM_USER, at),
            status=ActionState.REFUSED,
            since=at,
            because=refused.because[:_SENTENCE],
            setting=target.setting if target else None,
            resource=target.resource if target else None,
            rule=refused.rule,
            reason=refused.reason,
        )
        return Change(action, (ScalingActionRefused(current=action),))

    @classmethod
    def _of(
        cls,
        tenant: str,
        record_id: str,
        status: ActionState,
        change: decision.Change,
        deployed: int,
        at: datetime,
    ) -> "ScalingAction":
        return cls(
            **new_record(tenant, record_id, SYSTEM_USER, at),
            status=status,
            since=at,
            because=change.because[:_SENTENCE],
            setting=change.target.setting,
            resource=change.target.resource,
            rule=change.rule,
            before=change.before,
            after=change.after,
            deployed=deployed,
            parameter=_parameter(change, deployed),
            reading=change.reading,
            monthly_cents=round(change.monthly_cost * _CENTS),
        )

    @property
    def label(self) -> str:
        """What it changes."""
        return str(self.as_action().target) if self.setting else ""

    def as_restored(self, current: Self | None, _at: datetime) -> Self | None:
        """Not brought to an earlier state, which would say what no setting has any more.

        A lost one is put back: what it says happened, and decisions read it.
        """
        return self if current is None else None

    def as_created_later(self, _at: datetime, *, lost: bool) -> Self:  # noqa: ARG002 - of the base
        """As it is: the setting was changed, whatever the time to which the table is restored."""
        return self

    @property
    def unfinished(self) -> bool:
        """Whether something is still to be done."""
        return self.status in UNFINISHED

    def applied(self, at: datetime) -> Change[Self]:
        """The setting was changed."""
        return self._to(ActionState.APPLIED, ScalingActionApplied, at)

    def keep(self, because: str, at: datetime) -> Change[Self]:
        """The change was verified, and stays."""
        return self._to(ActionState.KEPT, ScalingActionKept, at, because=because)

    def roll_back(self, because: str, at: datetime, *, brought_nothing: bool) -> Change[Self]:
        """The change was verified, and is about to be taken back."""
        changes = {"because": because, "brought_nothing": brought_nothing}
        return self._to(ActionState.ROLLING_BACK, None, at, **changes)

    def rolled_back(self, at: datetime) -> Change[Self]:
        """The setting has its value from before again."""
        return self._to(ActionState.ROLLED_BACK, ScalingActionRolledBack, at)

    def abandon(self, because: str, at: datetime) -> Change[Self]:
        """Somebody else has changed the setting: what they did stays."""
        reason = Reason.CHANGED_BY_OTHERS
        return self._to(
            ActionState.REFUSED, ScalingActionRefused, at, because=because, reason=reason
        )

    def as_action(self) -> Action:
        """The part that a decision reads; only of an action with a setting."""
        assert self.setting is not None
        assert self.resource is not None
        return Action(
            Target(self.setting, self.resource),
            self.rule or "",
            self.before or 0,
            self.after or 0,
            self.status,
            self.since,
            self.reading or 0.0,
            self.brought_nothing,
        )

    def _to(
        self, status: ActionState, event: type[DomainEvent] | None, at: datetime, **changes: object
    ) -> Change[Self]:
        if isinstance(because := changes.get("because"), str):
            changes["because"] = because[:_SENTENCE]
        after = self.with_changes(status=status, since=at, **changes)
        return Change(after, (event(current=after),) if event else ())


def _parameter(change: decision.Change, deployed: int) -> str | None:
    """What to deploy so that the value stays; nothing for the one that is deployed."""
    return parameter_of(change.target, change.after) if change.after != deployed else None


def id_of_day(at: datetime, *what: str) -> str:
    """A ULID with the time of the day's start, and a hash in place of random bits."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    digest = hashlib.sha256("\n".join(what).encode()).digest()
    number = int.from_bytes(digest[:10])
    return ids_at(midnight, 1)[0][:10] + "".join(
        _BASE32[number >> (5 * i) & 31] for i in reversed(range(16))
    )
