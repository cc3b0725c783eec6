"""The events of products and the state they carry; the source of their schemas."""

from typing import Annotated

from pydantic import Field, StrictBool, StringConstraints

from kernel.domain.events import DomainEvent, Fields, Name, Snapshot
from kernel.domain.money import Money


class ProductFields(Fields):
    """What a caller may set on a product."""

    name: Name
    code: Annotated[str, StringConstraints(max_length=60, strip_whitespace=True)] | None = None
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
