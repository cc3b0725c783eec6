"""Reads what a decision depends on: settings, alarms and metrics."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from scaling.events import Setting
from scaling.model.alarm_names import rules_of
from scaling.model.decision import is_high, scale_of
from scaling.model.inventory import Inventory, Resource
from scaling.model.policy import Policy, Rule
from scaling.model.policy_file import rules_with_alarms
from scaling.model.readings import Action, Current, Reading, Situation, Target
from scaling.model.series import Source, errors_of, source_of
from scaling.model.tuning import Curve
from scaling.model.unit_costs import unit_cost
from scaling.service.ports import Alarms, Metrics, SettingAdapter

_AUTHORIZER, _CAPACITY_IN_USE = "Authorizer", "capacity_in_use"
_LATEST = 12
"""Periods of which the values are read."""
_FAILS, _MORE_OFTEN = 5, 2
"""A function fails more often when it has so many errors more than so many times as before."""
type Settings = dict[Target, Current]


@dataclass(frozen=True, slots=True)
class _Wanted:
    rule: Rule
    target: Target
    resource: Resource
    source: Source

    @property
    def key(self) -> str:
        return f"{self.rule.name} {self.target.resource}"


class Observer:
    """Reads the situation."""

    def __init__(
        self,
        policy: Policy,
        inventory: Inventory,
        adapters: Mapping[Setting, SettingAdapter],
        alarms: Alarms,
        metrics: Metrics,
        prices: Mapping[str, Any],
        curves: Mapping[str, Curve] = MappingProxyType({}),
    ) -> None:
        self._policy, self._inventory, self._adapters = policy, inventory, adapters
        self._alarms, self._metrics, self._prices = alarms, metrics, prices
        self._curves = curves

    def settings(self) -> Settings:
        """Every setting that exists now, with its cost."""
        found: Settings = {}
        for target in self._inventory.targets():
            resource = self._inventory.resources[target.resource]
            current = self._adapters[target.setting].setting(resource)
            if current is not None:
                found[target] = current
        return {target: self._priced(target, found) for target in found}

    def _priced(self, target: Target, settings: Settings) -> Current:
        memory = settings.get(Target(Setting.MEMORY, target.resource))
        resource = self._inventory.resources[target.resource]
        cost = unit_cost(target.setting, resource, self._prices, memory.value if memory else None)
        return settings[target]._replace(unit_cost=cost)

    def situation(self, now: datetime) -> Situation:
        """What to decide by."""
        settings = self.settings()
        alarms = {rule for name in self._alarms.raised() for rule in rules_of(name)}
        readings = self._latest(self._wanted(settings, alarms), settings, now)
        quiet = [
            one
            for one in self._wanted(settings, {rule.name for rule in self._policy.rules})
            if one.rule.lowers and settings[one.target].value > settings[one.target].deployed
        ]
        for key, peak in self._peaks(quiet, settings, now).items():
            readings[key] = Reading(readings.get(key, Reading(())).values, peak)
        settings = _with_use(settings, readings)
        raised = alarms | {
            one.rule.name
            for one in self._wanted(settings, set())
            if self._high(one, settings, readings)
        }
        return Situation(
            settings,
            readings,
            alarms=frozenset(raised),
            useful_memory=self._useful_memory(),
            unmeasured=self._unmeasured(settings),
        )

    def _unmeasured(self, settings: Settings) -> frozenset[tuple[str, str]]:
        """Such as the memory in use of the authorizer, which is no API."""
        return frozenset(
            (rule.name, target.resource)
            for rule in self._policy.rules
            for target in settings
            if target.setting is rule.setting and self._source(rule, target) is None
        )

    def _useful_memory(self) -> dict[str, int]:
        """By measured function; a rule expects as much of a step as verification does."""
        expected = [rule.effect for rule in self._policy.rules if rule.needs_processor]
        share = min(expected, default=0.0)
        found = {name: curve.useful(share) for name, curve in self._curves.items()}
        return {name: useful for name, useful in found.items() if useful is not None}

    def since(self, action: Action, now: datetime) -> Situation:
        """What to verify a change by: values from after its settling time only."""
        settings = self.settings()
        settled = action.at + self._policy.limits[action.target.setting].settle
        if now <= settled:
            return Situation(settings)
        wanted = [
            one
            for one in self._wanted(settings, {action.rule})
            if one.target == action.target and one.rule.name == action.rule
        ]
        readings = self._latest(wanted, settings, now, settled)
        failing = frozenset({action.target.resource} if self._fails(action, settled, now) else ())
        return Situation(settings, readings, failing=failing)

    def _wanted(self, settings: Settings, alarms: Iterable[str]) -> list[_Wanted]:
        """What to read: for rules whose alarm is raised, and for rules without an alarm."""
        with_alarm = rules_with_alarms()
        wanted = []
        for rule in self._policy.rules:
            if rule.name in with_alarm and rule.name not in alarms:
                continue
            for target in settings:
                source = self._source(rule, target)
                if source is not None:
                    resource = self._inventory.resources[target.resource]
                    wanted.append(_Wanted(rule, target, resource, source))
        return wanted

    def _source(self, rule: Rule, target: Target) -> Source | None:
        if target.setting is not rule.setting:
            return None
        users = self._inventory.resources.get(_AUTHORIZER)
        resource = self._inventory.resources[target.resource]
        return source_of(rule.name, resource, users.id if users else "")

    def _latest(
        self,
        wanted: list[_Wanted],
        settings: Settings,
        now: datetime,
        since: datetime | None = None,
    ) -> dict[tuple[str, str], Reading]:
        """The latest values of each reading, from a time on; a period without data is None."""
        readings: dict[tuple[str, str], Reading] = {}
        for period, several in _by_period(wanted).items():
            end = _floor(now, period)
            start = end - _LATEST * timedelta(seconds=period)
            if since is not None:
                start = max(start, _floor(since + timedelta(seconds=period - 1), period))
            moments = [start + n * timedelta(seconds=period) for n in range(_LATEST)]
            moments = [moment for moment in moments if moment < end]
            for one, values in self._read(several, period, start, end, settings):
                known = tuple(values.get(moment) for moment in moments)
                readings[one.rule.name, one.target.resource] = Reading(known)
        return readings

    def _peaks(
        self, wanted: list[_Wanted], settings: Settings, now: datetime
    ) -> dict[tuple[str, str], float]:
        """The highest values of the quiet time, of readings that are known for all of it."""
        peaks = {}
        for period, several in _by_period(wanted).items():
            # CloudWatch has values of a minute for 15 days, of five minutes for 63.
            end = _floor(now, period)
            start = end - self._policy.quiet
            for one, values in self._read(several, period, start, end, settings):
                if values and min(values) < start + timedelta(days=1):
                    peaks[one.rule.name, one.target.resource] = max(values.values())
        return peaks

    def _read(
        self,
        wanted: list[_Wanted],
        period: int,
        start: datetime,
        end: datetime,
        settings: Settings,
    ) -> list[tuple[_Wanted, dict[datetime, float]]]:
        if start >= end or not wanted:
            return [(one, {}) for one in wanted]
        groups = {one.key: one.source.series for one in wanted}
        found = self._metrics.fetch(groups, period, start, end)
        return [(one, _combined(one, found[one.key], settings)) for one in wanted]

    def _high(
        self, one: _Wanted, settings: Settings, readings: Mapping[tuple[str, str], Reading]
    ) -> bool:
        """Whether a rule without an alarm is too high."""
        reading = readings.get((one.rule.name, one.target.resource), Reading(()))
        return bool(is_high(one.rule, reading, scale_of(one.rule, settings[one.target])))

    def _fails(self, action: Action, settled: datetime, now: datetime) -> bool:
        """Whether a function fails more often than for as long before the change."""
        resource = self._inventory.resource(action.target)
        if resource is None or action.target.setting not in (
            Setting.MEMORY,
            Setting.CONCURRENCY,
            Setting.PROVISIONED,
        ):
            return False
        source = errors_of(resource)
        length = now - settled
        spans = ((action.at - length, action.at), (settled, now))
        before, after = (
            self._metrics.fetch({"errors": source.series}, source.period, *span)["errors"][0]
            for span in spans
        )
        return sum(after.values()) > _MORE_OFTEN * sum(before.values()) + _FAILS


def _by_period(wanted: list[_Wanted]) -> dict[int, list[_Wanted]]:
    found: dict[int, list[_Wanted]] = defaultdict(list)
    for one in wanted:
        found[one.source.period].append(one)
    return found


def _combined(
    one: _Wanted, several: list[dict[datetime, float]], settings: Settings
) -> dict[datetime, float]:
    """One value for each moment, of the setting in percent where the rule is about that."""
    moments = sorted({moment for values in several for moment in values})
    share = 100 / settings[one.target].value if one.source.of_setting else 1.0
    return {
        moment: share * one.source.combine([each[moment] for each in several if moment in each])
        for moment in moments
    }


def _with_use(settings: Settings, readings: Mapping[tuple[str, str], Reading]) -> Settings:
    """The settings, with what tables have provisioned below their maximum; a metric says it."""
    found = dict(settings)
    for target, current in settings.items():
        values = readings.get((_CAPACITY_IN_USE, target.resource), Reading(())).values
        percent = next((value for value in reversed(values) if value is not None), None)
        if target.setting is Setting.CAPACITY and percent is not None:
            found[target] = current._replace(in_use=round(percent * current.value / 100))
    return found


def _floor(at: datetime, period: int) -> datetime:
    seconds = at.timestamp() // period * period
    return datetime.fromtimestamp(seconds, at.tzinfo)
