"""Shapes of load over time, as users at work by the minute of the simulation."""

import math
from collections.abc import Callable

type Load = Callable[[float], float]
"""The concurrent users at a minute."""

HOUR, DAY = 60.0, 1440.0


def constant(users: float) -> Load:
    """Always the same."""

    def always(_minute: float) -> float:
        return users

    return always


def step(low: float, high: float, at: float) -> Load:
    """One level before a minute, another one from then on."""
    return lambda minute: low if minute < at else high


def ramp(low: float, high: float, start: float, end: float) -> Load:
    """From one level to another in a straight line."""

    def users(minute: float) -> float:
        share = min(1.0, max(0.0, (minute - start) / (end - start)))
        return low + (high - low) * share

    return users


def spike(low: float, high: float, at: float, minutes: float) -> Load:
    """A level, and for some minutes another one."""
    return lambda minute: high if at <= minute < at + minutes else low


def sawtooth(low: float, high: float, period: float) -> Load:
    """A rise in a straight line that begins again after every period."""
    return lambda minute: low + (high - low) * (minute % period) / period


def business_days(night: float, day: float) -> Load:
    """People at work from eight to six from Monday to Friday, most of them about eleven and three.

    Minute 0 is a Monday's midnight.
    """

    def users(minute: float) -> float:
        hour, weekday = minute % DAY / HOUR, int(minute // DAY) % 7
        if weekday > 4 or not 8 <= hour < 18:
            return night
        lunch = 1 - 0.3 * math.exp(-((hour - 13) ** 2))
        edges = min(1.0, hour - 7, 19 - hour)
        return night + (day - night) * lunch * edges

    return users
