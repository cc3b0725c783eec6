"""The steps of the state machine of the controller (statemachines/scaling.asl.json).

A step is called with {"step", "execution", ...} and returns what follows: {"next", "seconds",
"rounds", "requests"}.
"""

from collections.abc import Callable
from typing import Any

from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from scaling.bootstrap import controller, usage
from scaling.incoming import is_schedule
from scaling.service.steps import Step


def _begin(execution: str, message: Any, **_: Any) -> Step:
    if is_schedule(message):
        usage().update_all_tiers()
    return controller().begin(execution, message)


def _verify(execution: str, **_: Any) -> Step:
    return controller().verify(execution)


def _decide(execution: str, rounds: int, **_: Any) -> Step:
    return controller().decide(execution, rounds)


def _apply(execution: str, **_: Any) -> Step:
    return controller().apply(execution)


def _end(execution: str, requests: int, **_: Any) -> Step:
    return controller().end(execution, requests)


STEPS: dict[str, Callable[..., Step]] = {
    "begin": _begin,
    "verify": _verify,
    "decide": _decide,
    "apply": _apply,
    "end": _end,
}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Carry out the step that the state machine names."""
    with working_on(lambda: {"execution": event["execution"]}):
        found = STEPS[event["step"]](**{k: v for k, v in event.items() if k != "step"})
    logger().info("step", step=event["step"], execution=event["execution"], next=found.next)
    return found._asdict()
