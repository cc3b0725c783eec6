"""The usage of all tenants together, and the load of a month."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from scaling.model.costs import Driver
from scaling.model.usage import DayOfUsage, Meter
from scaling.model.usage_totals import MONTH, latest, load_of, together
from tests.unit.scaling.tenants import TODAY, days, level


def users(values: dict[int, float]) -> list[DayOfUsage]:
    return level(Meter.USERS, values)


def by_day(several: list[DayOfUsage], meter: Meter = Meter.USERS) -> dict[int, int]:
    return {
        (TODAY - one.day).days: int(one.values[meter]) for one in several if meter in one.values
    }


def test_the_users_of_a_day_are_those_of_all_tenants() -> None:
    found = together({"acme": users({2: 10, 1: 12, 0: 13}), "globex": users({1: 5, 0: 5})})
    assert by_day(found) == {2: 10, 1: 17, 0: 18}


def test_a_level_without_a_value_stays_for_four_weeks() -> None:
    everybody = users(dict.fromkeys(range(31), 1.0))
    found = by_day(together({"acme": users({30: 10}), "globex": everybody}))
    assert found == {ago: 11 if ago >= 2 else 1 for ago in range(31)}


def test_what_happened_on_a_day_does_not_stay() -> None:
    usage = {"acme": level(Meter.REQUESTS, {1: 100}), "globex": level(Meter.REQUESTS, {0: 7})}
    assert by_day(together(usage), Meter.REQUESTS) == {1: 100, 0: 7}


@given(st.permutations(["a", "b", "c"]))
def test_the_order_of_tenants_does_not_matter(order: list[str]) -> None:
    usage = {"a": days(3), "b": users({4: 9, 1: 2}), "c": level(Meter.DATA_MB, {3: 5})}
    assert together({name: usage[name] for name in order}) == together(usage)


def test_the_load_of_a_month_is_the_pace_of_four_weeks() -> None:
    found = load_of(days(100, data_mb=500, length=60), TODAY)
    # 80 of 100 users are active on 20 of 28 days.
    assert found[Driver.USER_DAYS] == Decimal(80 * 20) * MONTH / 28
    assert found[Driver.CHANGES] == found[Driver.USER_DAYS] * 45
    assert found[Driver.REPORT_SECONDS] == found[Driver.USER_DAYS] * 2
    assert found[Driver.DATA_MB] == 500


def test_a_short_history_counts_since_its_first_day() -> None:
    # Friday; the week before it has five workdays.
    found = load_of(days(100, length=8), TODAY)
    assert found[Driver.USER_DAYS] == Decimal(80 * 5) * MONTH / 7


def test_today_is_not_over_and_does_not_count() -> None:
    busy = DayOfUsage(TODAY, {Meter.REQUESTS: Decimal(10**9)})
    assert load_of([*days(100)[:-1], busy], TODAY) == load_of(days(100), TODAY)
    assert not any(load_of([busy], TODAY).values())
    assert not any(load_of([], TODAY).values())


def test_the_latest_value_is_the_last_one_that_there_is() -> None:
    assert latest(users({3: 8, 1: 9}), Meter.USERS) == 9
    assert latest(users({3: 8}), Meter.DATA_MB) is None
    assert TODAY - timedelta(days=1) == users({1: 9})[0].day
