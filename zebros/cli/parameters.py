"""Parameters of the templates, as `--set NAME=VALUE` gives them."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zebros.errors import BadInput

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the templates; repeatable."),
]
"""The option of a command."""


def parameters(assignments: Sequence[str] | None) -> dict[str, str]:
    """The parameters by name. Raises BadInput for what is no assignment."""
    pairs = [one.partition("=") for one in assignments or ()]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise BadInput(f"--set {name} is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}
