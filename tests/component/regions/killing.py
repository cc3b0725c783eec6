"""Commands of operators that are killed at a step."""

import pytest

from tests.component.regions.world import World


class Crash(BaseException):
    """The operator's command was killed."""


def stop_at(world: World, step: str, target: str, *, lost: bool = False) -> None:
    """Move writes, by a command that is killed at a step."""

    def progress(name: str, _text: str) -> None:
        if name == step:
            raise Crash

    with pytest.raises(Crash):
        world.moves(progress).move(target, lost=lost)
