"""Metrics count requests by the same business hours for which functions are kept ready."""

import re
from datetime import time

from kernel.domain.time_zones import BUSINESS_DAYS, BUSINESS_ENDS, BUSINESS_STARTS
from tests.template.test_functions import targets

NAMES = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def test_the_code_has_the_hours_of_the_templates() -> None:
    schedules = {
        tuple(action["Schedule"] for action in target["ScheduledActions"])
        for target in targets("growth").values()
    }
    ((start, end),) = schedules
    hours = []
    for schedule in (start, end):
        found = re.fullmatch(r"cron\((\d+) (\d+) \? \* (\w+)-(\w+) \*\)", schedule)
        assert found, schedule
        minute, hour, first, last = found.groups()
        hours.append(time(int(hour), int(minute)))
        assert range(NAMES.index(first), NAMES.index(last) + 1) == BUSINESS_DAYS
    assert hours == [BUSINESS_STARTS, BUSINESS_ENDS]
