"""The circuit breaker in front of a cache."""

import pytest

from kernel.cache.circuit import CircuitBreaker
from tests.unit.kernel.cache.memory import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(clock, jitter=lambda: 0.0)


def test_calls_are_made_as_long_as_they_succeed(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        assert breaker.allows()
        breaker.succeeded()


def test_one_failure_stops_calls_for_half_a_second(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed()
    assert not breaker.allows()
    clock.pass_(0.49)
    assert not breaker.allows()
    clock.pass_(0.02)
    assert breaker.allows()


def test_after_a_pause_only_one_caller_tries(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed()
    clock.pass_(0.5)
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_every_failure_doubles_the_pause_up_to_thirty_seconds(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    pauses = []
    for _ in range(9):
        breaker.failed()
        start = clock()
        while not breaker.allows():
            clock.pass_(0.125)
        pauses.append(clock() - start)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    breaker.succeeded()
    breaker.failed()
    clock.pass_(0.5)
    assert breaker.allows(), "a success forgets the failures before it"


def test_the_pause_is_up_to_half_shorter_at_random(clock: Clock) -> None:
    breaker = CircuitBreaker(clock, jitter=lambda: 1.0)
    breaker.failed()
    clock.pass_(0.25)
    assert breaker.allows()
