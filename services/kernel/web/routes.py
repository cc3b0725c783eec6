"""Routes, declared by decorated functions and their signatures."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

from pydantic import BaseModel

type Function = Callable[..., Any]
type Declare = Callable[[Function], Function]

MULTI_STATUS = 207
"""The status of a route that makes many independent changes (RFC 4918)."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation; the generators of OpenAPI and of the gateway's definition read it."""

    method: str
    path: str
    """In the syntax of API Gateway and OpenAPI, with `{name}` parts."""
    function: Function
    status: int
    parameters: dict[str, Any]
    """Parameter annotations by name."""
    returns: Any
    patches: type[BaseModel] | None
    """The fields that a merge patch may name."""

    @classmethod
    def of(
        cls,
        function: Function,
        method: str,
        path: str,
        status: int,
        patches: type[BaseModel] | None,
    ) -> "Route":
        """The route that a function declares by its signature."""
        hints = get_type_hints(function, include_extras=True)
        names = inspect.signature(function).parameters
        parameters = {name: hints[name] for name in names}
        return cls(method, path, function, status, parameters, hints.get("return"), patches)

    @property
    def idempotent(self) -> bool:
        """Whether an Idempotency-Key is honoured: by every POST that changes something."""
        return self.method == "POST" and "unit" in self.parameters

    @property
    def makes_many_changes(self) -> bool:
        """Whether it is a batch, whose items succeed or fail independently."""
        return self.status == MULTI_STATUS


class Routes:
    """The declared routes of one aggregate."""

    def __init__(self) -> None:
        self.declared: list[Route] = []

    def get(self, path: str) -> Declare:
        """Declare a GET."""
        return partial(self._declare, "GET", path, 200, None)

    def post(self, path: str, status: int = 200) -> Declare:
        """Declare a POST, which honours Idempotency-Key if it changes something."""
        return partial(self._declare, "POST", path, status, None)

    def patch(self, path: str, fields: type[BaseModel]) -> Declare:
        """Declare a PATCH whose merge patch may name `fields`."""
        return partial(self._declare, "PATCH", path, 200, fields)

    def _declare(
        self,
        method: str,
        path: str,
        status: int,
        patches: type[BaseModel] | None,
        function: Function,
    ) -> Function:
        self.declared.append(Route.of(function, method, path, status, patches))
        return function
