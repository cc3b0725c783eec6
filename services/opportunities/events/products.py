"""The events of products and the state they carry; the source of their schemas."""

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from kernel.domain.events import DomainEvent, Fields, Name, Snapshot
from kernel.domain.money import Money
from kernel.domain.text import is_stored, one_line_only


def _not_empty(code: str, info: ValidationInfo) -> str:
    if not code and not is_stored(info):
        raise PydanticCustomError("text", "must not be empty; leave it out when there is none")
    return code


Code = Annotated[
    str,
    StringConstraints(max_length=60, strip_whitespace=True),
    one_line_only,
    AfterValidator(_not_empty),
]


class ProductFields(Fields):
    """What a caller may set on a product."""

    name: Name
    code: Code | None = Field(None, description="Unique among the tenant's products.")
    family: Name | None = None
    price: Money | None = Field(None, description="List price.")
    active: StrictBool = True


class ProductState(Snapshot, ProductFields):
    """A product or service in the catalogue."""


class ProductCreated(DomainEvent, context="opportunities"):
    """A product was added to the catalogue."""

    current: ProductState


class ProductUpdated(DomainEvent, context="opportunities"):
    """Fields of a product changed; `previous` has their earlier values."""

    current: ProductState
    changed: list[str]
    previous: dict[str, object]
