"""The scaling controller under six loads: load, reading and setting, with thresholds and limits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import batched

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.model.policy import Policy, Rule
from scaling.model.policy_file import policy_of
from scaling.model.readings import Current, Target
from tools.plots.drawing import BLUE, GREEN, GREY, ORANGE, RED, styled, svg
from tools.scaling_loop import loads
from tools.scaling_loop.closed_loop import ClosedLoop, Course
from tools.scaling_loop.loads import DAY, HOUR, Load
from tools.scaling_loop.plant import CONCURRENCY, MEMORY, TASKS, Demand, Plant

from tools.scaling_loop.plant import CAPACITY, PROVISIONED, REPLICAS  # isort: skip

PHASE, BUDGET = "growth", 2_000.0
DEPLOYED = {
    MEMORY: Current(512, 512, 0.01),
    CONCURRENCY: Current(20, 20),
    PROVISIONED: Current(10, 10, 5.0),
    TASKS: Current(10, 10, 20.0),
    CAPACITY: Current(100, 100, 0.5),
    REPLICAS: Current(1, 1, 20.0),
}
SHOWN = (
    (CONCURRENCY, "concurrency_in_use", "concurrency in use, %", "concurrency of a function"),
    (TASKS, "tasks_in_use", "workers in use, %", "maximum of workers"),
)
"""The settings of the columns, and the rule that moves each."""
DEMAND = Demand(requests_a_second=0.75, reports_a_minute=0.05)
_SAMPLE_HOURS = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """A load over some days."""

    title: str
    load: Load
    days: int
    noise: float = 0.02


SHAPES: dict[str, Shape] = {
    "step": Shape("a step up on day 2, back on day 5", loads.spike(60, 300, 2 * DAY, 3 * DAY), 20),
    "ramp": Shape("a ramp from day 1 to day 8", loads.ramp(20, 350, DAY, 8 * DAY), 12),
    "spike": Shape("a spike of 45 minutes on day 2", loads.spike(60, 350, 2 * DAY, 45), 12),
    "noise": Shape("a steady load, readings with 15 % of noise", loads.constant(220), 12, 0.15),
    "sawtooth": Shape("a sawtooth with three teeth a day", loads.sawtooth(20, 300, DAY / 3), 12),
    "business-days": Shape("three weeks of business days", loads.business_days(5, 280), 21),
}  # fmt: skip


def course_of(shape: Shape, policy: Policy) -> Course:
    """What the controller does under the load; always the same."""
    loop = ClosedLoop(policy, Plant(DEMAND), DEPLOYED, noise=shape.noise, seed=1)
    return loop.run(shape.load, shape.days * DAY)


def draw(shape: Shape) -> str:
    """The plot of a load as SVG."""
    policy = policy_of(PHASE, BUDGET)
    course = course_of(shape, policy)
    with styled():
        figure = Figure(figsize=(8, 5), layout="constrained")
        rows = figure.subplots(3, len(SHOWN), sharex=True, squeeze=False)
        figure.suptitle(f"The controller under {shape.title}", fontsize=10)
        for column, (target, name, label, title) in enumerate(SHOWN):
            rule = next(one for one in policy.rules if one.name == name)
            load, reading, setting = (axes[column] for axes in rows)
            load.set_title(title)
            load.plot(*_sampled(course, course.users, max), color=GREY)
            load.set_ylabel("users at work")
            load.set_ylim(0, max(course.users) * 1.1)
            _reading(reading, course, target, rule, label)
            _setting(setting, course, target, policy)
            setting.set_xlabel("day")
        figure.align_ylabels()
        return svg(figure, f"Load, readings and settings over {shape.days} days: {shape.title}")


def _reading(axes: Axes, course: Course, target: Target, rule: Rule, label: str) -> None:
    values = [one[rule.name, target.resource] or 0.0 for one in course.seen]
    axes.plot(*_sampled(course, values, max), color=BLUE, label="reading")
    axes.axhline(rule.above, color=RED, linestyle="--", label=f"threshold {rule.above:g}")
    axes.axhline(rule.clear, color=GREEN, linestyle=":", label=f"clear {rule.clear:g}")
    axes.set_ylabel(label)
    axes.set_ylim(0, 130)
    axes.legend(loc="upper right", ncols=3)


def _setting(axes: Axes, course: Course, target: Target, policy: Policy) -> None:
    deployed = DEPLOYED[target].deployed
    ceiling = policy.limits[target.setting].ceiling(deployed)
    days, values = _sampled(course, course.of(target), lambda some: some[-1])
    axes.step(days, values, where="post", color=ORANGE, label="setting")
    axes.axhline(ceiling, color=GREY, linestyle="--", label=f"ceiling {ceiling}")
    axes.axhline(deployed, color=GREY, linestyle=":", label=f"deployed {deployed}")
    axes.set_ylabel("setting")
    axes.set_ylim(0, ceiling * 1.4)
    axes.legend(loc="upper right", ncols=3)


def _sampled[T: float](
    course: Course, values: Sequence[T], of: Callable[[Sequence[T]], T]
) -> tuple[list[float], list[T]]:
    """Days and one value for some hours each, so that the file is small."""
    step = course.minutes[1] - course.minutes[0]
    size = int(_SAMPLE_HOURS * HOUR / step)
    days = [some[0] / DAY for some in batched(course.minutes, size, strict=False)]
    return days, [of(some) for some in batched(values, size, strict=False)]
