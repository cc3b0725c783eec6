"""Alarms are evaluated as CloudWatch's user guide describes it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from zebros.monitoring.alarms import MetricAlarm, composite_members, raised
from zebros.monitoring.cloudwatch import Query, Values

AT = 6_030.0
"""Half a minute after a period began, which is not evaluated yet."""
LAST = 5_940.0
"""The start of the last period that has ended."""


class Recorded:
    """Values by the name of a metric, the latest last; None is a period without data."""

    def __init__(self, **values: Sequence[float | None]) -> None:
        self.given = values
        self.asked: list[Query] = []

    def values(self, queries: Sequence[Query], start: float, end: float) -> list[Values]:
        self.asked += queries
        return [self._of(one, start, end) for one in queries]

    def _of(self, query: Query, start: float, end: float) -> Values:
        given = self.given[query.name]
        moments = (LAST - query.period * place for place in range(len(given)))
        found = dict(zip(moments, reversed(given), strict=False))
        found[LAST + query.period] = 1_000.0  # the period that has not ended
        return {at: one for at, one in found.items() if one is not None and start <= at}


def properties(**more: Any) -> dict[str, Any]:
    return {
        "AlarmName": "late",
        "Namespace": "N",
        "MetricName": "M",
        "Dimensions": [{"Name": "Queue", "Value": {"Ref": "Q"}}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        "Threshold": 10,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    } | more


def name_of(value: Any) -> str:
    return value if isinstance(value, str) else f"name-of-{value['Ref']}"


def alarm(**more: Any) -> MetricAlarm:
    return MetricAlarm.of(properties(**more), name_of)


def several(expression: str) -> MetricAlarm:
    parts: list[Mapping[str, Any]] = [
        {
            "Id": f"m{name}",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "N", "MetricName": name, "Dimensions": []},
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for name in ("A", "B")
    ]
    given = properties(Metrics=[*parts, {"Id": "all", "Expression": expression}])
    for name in ("Namespace", "MetricName", "Dimensions", "Statistic", "Period"):
        del given[name]
    return MetricAlarm.of(given, name_of)


_ = None


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([11, 11, 11], True),
        ([10, 11, 11], False),
        ([11, 11, 10], False),
        ([11, 11, 11, 0], False),
        ([0, 11, 11, 11], True),
        # "If some data points in the evaluation range are missing, but the total number of existing
        # data points retrieved is equal to or more than the alarm's Evaluation Periods, CloudWatch
        # evaluates the alarm state based on the most recent real data points."
        ([11, 11, _, 11], True),
        ([11, 11, 11, _, _], True),
        ([11, 11, 11, _, _, _], False),
        # "…is lower than the number of Evaluation Periods, CloudWatch fills in the missing data
        # points with the result you specified."
        ([_, _, _, 11, 11], False),
        ([_, _, _, _, _], False),
    ],
)
def test_three_of_three_periods(values: list[float | None], wanted: bool) -> None:
    assert alarm().is_raised(Recorded(M=values), AT) == wanted


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([11, 0, 11], True), ([0, 0, 11], False), ([_, _, 11, _, 11], True), ([_] * 5, False)],
)
def test_two_of_three_periods(values: list[float | None], wanted: bool) -> None:
    assert alarm(DatapointsToAlarm=2).is_raised(Recorded(M=values), AT) == wanted


def test_missing_data_may_be_breaching() -> None:
    down = alarm(ComparisonOperator="LessThanThreshold", TreatMissingData="breaching", Threshold=1)
    assert down.is_raised(Recorded(M=[_, _, _]), AT)
    assert down.is_raised(Recorded(M=[_, _, 0]), AT)
    assert not down.is_raised(Recorded(M=[_, _, 1]), AT)
    assert not down.is_raised(Recorded(M=[1, 1, 1]), AT)


def test_a_percentile_and_the_names_are_asked_for() -> None:
    source = Recorded(M=[])
    given = properties(ExtendedStatistic="p95", Period=300)
    del given["Statistic"]
    MetricAlarm.of(given, name_of).is_raised(source, AT)
    assert source.asked == [Query("N", "M", "p95", 300, {"Queue": "name-of-Q"})]


def test_a_sum_counts_what_is_there() -> None:
    assert several("SUM(METRICS())").is_raised(Recorded(A=[6, 6, 6], B=[6, 6, 6]), AT)
    assert several("SUM(METRICS())").is_raised(Recorded(A=[6, 11, 6], B=[6, _, 6]), AT)
    assert not several("SUM(METRICS())").is_raised(Recorded(A=[6, 6, 6], B=[6, _, 6]), AT)


def test_a_maximum_is_the_highest() -> None:
    assert several("MAX(METRICS())").is_raised(Recorded(A=[11, 0, 11], B=[0, 11, 0]), AT)
    assert not several("MAX(METRICS())").is_raised(Recorded(A=[6, 6, 6], B=[6, 6, 6]), AT)


@pytest.mark.parametrize(
    "more",
    [{"TreatMissingData": "ignore"}, {"ComparisonOperator": "GreaterThanOrEqualToThreshold"}],
)
def test_what_our_alarms_do_not_use_is_rejected(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="late uses what is not known here"):
        alarm(**more)


def test_an_unknown_expression_is_rejected() -> None:
    with pytest.raises(ValueError, match="not known"):
        several("AVG(METRICS())")


def test_a_composite_alarm_is_raised_by_one_of_its_members() -> None:
    rules = {"group": 'ALARM("late") OR ALARM("other")', "rest": 'ALARM("other")'}
    assert raised([alarm()], rules, Recorded(M=[11, 11, 11]), AT) == {"late", "group"}
    assert raised([alarm()], rules, Recorded(M=[0]), AT) == set()


@pytest.mark.parametrize("rule", ['ALARM("a") AND ALARM("b")', 'NOT ALARM("a")', 'OK("a")'])
def test_an_unknown_rule_is_rejected(rule: str) -> None:
    with pytest.raises(ValueError, match="not known"):
        composite_members(rule)
