"""Which rules an alarm triggers, by its name without the system's."""

import re
from functools import cache

from scaling.model.policy_file import alarms

_PLACES = {"{type}": "(?:Api|Relay|Consumer|Other)", "{name}": r"\w+Table"}
_OWN_SERVICES = re.compile("^(?:Analytics|Import)(?=Worker)")
"""The workers for large reports and for imports have alarms of their own, of the same kinds."""


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    made = []
    for name, rules in alarms().items():
        pattern = re.escape(name).replace(r"\{", "{").replace(r"\}", "}")
        for place, expression in _PLACES.items():
            pattern = pattern.replace(place, expression)
        made.append((re.compile(pattern), rules))
    return tuple(made)


def rules_of(alarm: str) -> tuple[str, ...]:
    """The rules; none for an alarm that is no trigger."""
    name = _OWN_SERVICES.sub("", alarm)
    return tuple(rule for one, rules in _patterns() if one.fullmatch(name) for rule in rules)
