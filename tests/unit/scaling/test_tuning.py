"""The power-tuning curve: how far more memory shortens the duration of a function."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.model.decision import decide
from scaling.model.tuning import Curve, CurveError, parse_curves
from tests.unit.scaling.situations import GROWTH, MEMORY, NOW, situation

SHARE = 0.1
sizes = st.lists(
    st.sampled_from([128, 192, 256, 320, 512, 640, 1024, 1536, 2048, 3008]),
    min_size=2, max_size=8, unique=True,
)  # fmt: skip
durations = st.floats(1, 10_000, allow_nan=False)


@st.composite
def curves(draw: Any) -> Curve:
    """A curve of any shape, also a noisy one."""
    return Curve(tuple((size, draw(durations)) for size in sorted(draw(sizes))))


def test_a_text_is_read_by_function() -> None:
    found = parse_curves("CustomersApi 512=210 128=812.5 256=402; ReportingApi 128=9 256=9;")
    assert found["CustomersApi"] == Curve(((128, 812.5), (256, 402.0), (512, 210.0)))
    assert set(found) == {"CustomersApi", "ReportingApi"}
    assert parse_curves("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A 128=1 256;", "A: '256' must be megabytes, =, and milliseconds"),
        ("A 128=1 256=nan;", "A: '256=nan' must be megabytes, =, and milliseconds"),
        ("A 128=1 256=-1;", "A: '256=-1' must be megabytes, =, and milliseconds"),
        ("A 128=1 256=fast;", "A: '256=fast' must be megabytes, =, and milliseconds"),
        ("A 128=1 -1=1;", "A: '-1=1' must be megabytes, =, and milliseconds"),
        ("A 128=1;", "A: must have at least two sizes"),
        ("A;", "A: must have at least two sizes"),
    ],
)
def test_a_wrong_text_is_rejected_by_name(text: str, message: str) -> None:
    with pytest.raises(CurveError) as found:
        parse_curves(text)
    assert str(found.value) == message


@pytest.mark.parametrize(
    ("points", "useful"),
    [
        (((128, 800), (256, 400), (512, 200), (1024, 195)), 512),
        (((128, 800), (256, 400), (512, 200), (1024, 100)), None),
        (((128, 100), (256, 99), (512, 101)), 128),
        # A pause of the curve is no end of it.
        (((128, 400), (256, 390), (512, 200), (1024, 200)), 512),
        # Exactly a tenth is what a step must bring.
        (((128, 100), (256, 90)), 128),
        (((128, 100), (256, 89.9)), None),
    ],
)
def test_memory_is_useful_until_the_duration_falls_no_further(
    points: tuple[tuple[int, float], ...], useful: int | None
) -> None:
    assert Curve(points).useful(SHARE) == useful


@given(curves())
def test_beyond_the_useful_size_nothing_is_faster_and_before_it_something_is(curve: Curve) -> None:
    useful = curve.useful(SHARE)
    known = dict(curve.points)
    if useful is None:
        assert known[curve.points[-1][0]] < known[curve.points[-2][0]] * (1 - SHARE)
        return
    for size, duration in curve.points:
        later = [one for other, one in curve.points if other > size]
        if size >= useful:
            assert all(one >= known[useful] * (1 - SHARE) for one in later)
        else:
            assert min(later) < duration * (1 - SHARE)


@given(curves(), st.integers(2, 47).map(lambda units: units * 64), st.integers(1, 3))
def test_no_step_for_latency_ends_beyond_what_is_useful(
    curve: Curve, value: int, part: int
) -> None:
    useful = curve.useful(SHARE)
    deployed = max(128, value // part // 64 * 64)
    measured = {} if useful is None else {"CustomersApi": useful}
    found, without = (
        decide(
            GROWTH,
            situation(
                *("api_latency", MEMORY, 250, 250, 250),
                value=value, deployed=deployed, useful_memory=one,
            ),
            [],
            NOW,
        )
        for one in (measured, {})
    )  # fmt: skip
    if useful is None:
        assert found == without
        return
    for change in found.changes:
        assert value < change.after <= useful
        assert change.after <= without.changes[0].after
    if without.changes and useful >= value + 64:
        assert found.changes, "a useful step is made"
