"""What the commands that read the templates have in common."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from zebros.errors import BadInput, NotReady

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
"""The root template of the checkout that the command is part of."""

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the templates; repeatable."),
]
"""Parameters."""
Template = Annotated[Path, typer.Option("--template", metavar="FILE", help="The root template.")]
"""The template that is read; by default TEMPLATE."""


def parameters(assignments: Sequence[str] | None, option: str = "--set") -> dict[str, str]:
    """The parameters by name. Raises BadInput for what is no assignment."""
    pairs = [one.partition("=") for one in assignments or ()]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise BadInput(f"{option} {name} is not NAME=VALUE.")
    return {name: value for name, _, value in pairs}


@contextmanager
def reading(template: Path) -> Iterator[None]:
    """Read a template with packages that only a checkout has.

    Raises NotReady when the template or one of the packages is missing.
    """
    if not template.is_file():
        raise NotReady(
            f"There is no template {template}.", hint="--template names one; a checkout has it."
        )
    try:
        yield
    except ModuleNotFoundError as error:
        raise NotReady(
            f"The templates cannot be read without the package {error.name}.",
            hint="Run the command in a checkout, after `make env`.",
        ) from error
