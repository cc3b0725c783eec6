"""Which region may write, when, and what its clocks may do meanwhile."""

from collections.abc import Callable

import pytest

from kernel.domain.errors import ReadOnlyRegion
from kernel.runtime import aws
from kernel.runtime.fence import (
    IN_FLIGHT_S,
    MOVING,
    OPEN,
    REFRESH_S,
    RETRY_S,
    VALID_S,
    WAIT_S,
    Fence,
    FenceRecord,
)
from kernel.runtime.log import logger

EAST, WEST = "us-east-1", "us-west-2"
EAST_WRITES = FenceRecord(1, OPEN, EAST)
WEST_WRITES = FenceRecord(3, OPEN, WEST)


class Process:
    """A process of the east with clocks and a record that a test sets."""

    def __init__(self, record: FenceRecord | None = EAST_WRITES, *, primary: bool = False) -> None:
        self.record, self.cut, self.reads = record, False, 0
        self.monotonic, self.wall = 1000.0, 1_800_000_000.0
        self.while_reading: Callable[[], None] = lambda: None
        self.fence = Fence(
            EAST,
            self._read,
            is_primary=primary,
            monotonic=lambda: self.monotonic,
            wall=lambda: self.wall,
        )

    def _read(self) -> FenceRecord | None:
        self.reads += 1
        record = self.record
        self.while_reading()
        if self.cut:
            raise OSError("cut")
        return record

    def passes(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def may_write(self) -> bool:
        try:
            self.fence.check()
        except ReadOnlyRegion:
            return False
        return True

    def why_not(self) -> str:
        with pytest.raises(ReadOnlyRegion) as refused:
            self.fence.check()
        return refused.value.detail


def test_the_region_that_the_record_names_may_write() -> None:
    assert Process(EAST_WRITES).may_write()


def test_another_region_may_not_and_says_who_writes() -> None:
    assert Process(WEST_WRITES).why_not().startswith("This region is read-only")


def test_nobody_may_write_while_writes_move_not_even_the_next_writer() -> None:
    assert Process(FenceRecord(2, MOVING, EAST)).why_not().startswith("Writes are moving")


@pytest.mark.parametrize("primary", [True, False])
def test_before_the_first_move_the_primary_writes(primary: bool) -> None:
    assert Process(None, primary=primary).may_write() is primary


def test_a_hundred_writes_within_the_refresh_read_the_record_once() -> None:
    process = Process()
    for _ in range(100):
        assert process.may_write()
        process.passes(REFRESH_S / 100)
    assert process.reads == 1
    process.passes(0.1)
    assert process.may_write()
    assert process.reads == 2


def test_a_process_that_is_cut_off_writes_until_its_permit_is_too_old() -> None:
    process = Process()
    assert process.may_write()
    process.cut = True
    process.passes(VALID_S)
    assert process.may_write()
    process.passes(0.001)
    assert process.why_not().startswith("Which region writes cannot be read")


def test_a_process_whose_cut_is_over_writes_again() -> None:
    process = Process()
    process.cut = True
    assert not process.may_write()
    process.cut = False
    process.passes(RETRY_S)
    assert process.may_write()


def test_the_record_is_not_read_more_often_than_once_a_second() -> None:
    process = Process(WEST_WRITES)
    for _ in range(10):
        assert not process.may_write()
        process.passes(RETRY_S / 10)
    assert process.reads == 1


def test_a_read_that_fails_is_counted_and_one_that_works_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []

    def counted() -> list[int]:
        before = list(found)
        found.clear()
        return before

    for level in ("warning", "error"):
        write = lambda _message, **fields: found.append(fields["FenceUnread"])  # noqa: E731
        monkeypatch.setattr(logger(), level, write)
    process = Process()
    assert process.may_write()
    assert counted() == []
    process.cut = True
    for _ in range(2):
        process.passes(REFRESH_S + RETRY_S)
        assert process.may_write()
    assert counted() == [1, 1]
    process.cut, process.record = False, EAST_WRITES._replace(epoch=0)
    process.passes(VALID_S)
    assert not process.may_write()
    assert counted() == [1], "a record from the past cannot be used either"


def test_a_move_is_seen_at_the_next_refresh() -> None:
    process = Process()
    assert process.may_write()
    process.record = FenceRecord(2, MOVING, WEST)
    process.passes(REFRESH_S + 0.1)
    assert not process.may_write()


def test_a_permit_is_as_old_as_the_beginning_of_its_read() -> None:
    """The record may have changed while its answer was under way."""
    process = Process()
    process.while_reading = lambda: process.passes(VALID_S + 1)
    assert not process.may_write()


def test_a_returned_primary_reads_the_record_before_it_writes() -> None:
    process = Process()
    assert process.may_write()
    process.passes(3600)
    process.record = WEST_WRITES
    assert not process.may_write()


def test_an_epoch_from_the_past_gives_no_permit() -> None:
    """A table that was restored, or copied, says what was right once."""
    process = Process(FenceRecord(3, OPEN, EAST))
    assert process.may_write()
    process.record = FenceRecord(1, OPEN, EAST)
    process.passes(REFRESH_S + 0.1)
    assert not process.may_write()


def test_an_epoch_from_the_past_is_refused_also_after_a_move_away() -> None:
    process = Process(WEST_WRITES)
    assert not process.may_write()
    process.record = EAST_WRITES
    process.passes(RETRY_S)
    assert not process.may_write()


def test_a_record_that_vanished_after_a_move_gives_no_permit() -> None:
    process = Process(FenceRecord(3, OPEN, EAST), primary=True)
    assert process.may_write()
    process.record = None
    process.passes(REFRESH_S + 0.1)
    assert not process.may_write()


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_one_clock_that_stands_still_does_not_keep_a_permit(clock: str) -> None:
    process = Process()
    assert process.may_write()
    process.cut = True
    setattr(process, clock, getattr(process, clock) + VALID_S + 1)
    assert not process.may_write()


def test_a_time_of_day_that_is_set_back_ends_the_permit() -> None:
    process = Process()
    assert process.may_write()
    process.cut = True
    process.wall -= 3600
    assert not process.may_write()


def test_a_move_waits_longer_than_any_permit_and_any_request() -> None:
    config = aws._CONFIG
    assert config.connect_timeout + config.read_timeout < IN_FLIGHT_S
    assert REFRESH_S + RETRY_S < VALID_S
    assert (VALID_S, WAIT_S) == (15, 50), "as docs/adr/0048 says"
    # A process whose clock is slower by a tenth has let its permit and a request end by then.
    assert pytest.approx(WAIT_S * 0.9) == VALID_S + IN_FLIGHT_S
