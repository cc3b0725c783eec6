"""The messages that start the controller, and the part of events that usage meters read.

The controller starts by alarms of CloudWatch, and by its schedule. Source: "Alarm events and
EventBridge" of the CloudWatch user guide, for metric alarms and composite ones. An alarm is a
message when its state changes, and not again while it lasts.
"""

from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernel.messaging.upcasting import EventUpcasters

UPCASTERS: EventUpcasters = {}
"""How events of older versions are read; no event has a second version yet."""

ALARM_STATE_CHANGE, SCHEDULED = "CloudWatch Alarm State Change", "Scheduled Event"
_SHOWN = 80


class UnknownAlarm(ValueError):
    """A message has an unknown shape; the text is one sentence for people."""


class AlarmChange(NamedTuple):
    """An alarm whose state has changed."""

    name: str
    """Without the system's name in front."""
    raised: bool
    composite: bool


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _State(_Part):
    value: str = Field(pattern="^(ALARM|OK|INSUFFICIENT_DATA)$")


class _Configuration(_Part):
    metrics: list[dict[str, Any]] | None = None
    """Of a metric alarm."""
    alarm_rule: str | None = Field(None, alias="alarmRule")
    """Of a composite alarm."""


class _Detail(_Part):
    alarm_name: str = Field(alias="alarmName", min_length=1, max_length=255)
    state: _State
    configuration: _Configuration


class ReportFile(_Part):
    """The file of a report."""

    size_bytes: int = 0


class MeteredRecord(_Part):
    """What the meters read of a record, whatever its type."""

    archived_at: datetime | None = None
    active: bool = True
    """Of a person."""
    started_at: datetime | None = None
    """Of a report run: when its last attempt began."""
    ended_at: datetime | None = None
    outcome: ReportFile | None = None


def is_schedule(message: Any) -> bool:
    """Whether a message is the hourly one."""
    return isinstance(message, dict) and message.get("detail-type") == SCHEDULED


def alarm_change(event: Any, system: str) -> AlarmChange | None:
    """The alarm of an EventBridge event; None for the schedule. Raises UnknownAlarm."""
    kind = event.get("detail-type") if isinstance(event, dict) else None
    if kind == SCHEDULED:
        return None
    if kind != ALARM_STATE_CHANGE:
        raise UnknownAlarm(
            f"A message of the type {_short(kind)} is no alarm; detail-type must be"
            f" {ALARM_STATE_CHANGE!r}."
        )
    try:
        detail = _Detail.model_validate(event.get("detail"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(["detail", *map(str, first["loc"])])
        raise UnknownAlarm(f"The message of an alarm is wrong: {field}: {first['msg']}.") from error
    if (detail.configuration.metrics is None) == (detail.configuration.alarm_rule is None):
        raise UnknownAlarm(
            f"The alarm {_short(detail.alarm_name)} is neither a metric alarm nor a composite one:"
            " detail.configuration must have either metrics or alarmRule."
        )
    name = detail.alarm_name.removeprefix(f"{system}-")
    if name == detail.alarm_name:
        raise UnknownAlarm(
            f"The alarm {_short(name)} is not of this system: its name must begin with {system}-."
        )
    composite = detail.configuration.alarm_rule is not None
    return AlarmChange(name, detail.state.value == "ALARM", composite)


def _short(value: object) -> str:
    return repr(value)[:_SHOWN]
