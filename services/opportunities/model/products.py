"""The product aggregate: its transitions. No AWS, no clock, no I/O."""

from datetime import datetime
from typing import ClassVar

from kernel.domain.aggregate import Aggregate, Change, changed_fields, new_record
from kernel.domain.events import DomainEvent
from opportunities.events.products import (
    ProductCreated,
    ProductFields,
    ProductState,
    ProductUpdated,
)


class Product(ProductState, Aggregate):
    """A product with its tenant."""

    updated_event: ClassVar[type[DomainEvent]] = ProductUpdated

    @property
    def usable(self) -> bool:
        """Whether it may be added to opportunities."""
        return self.active and self.archived_at is None

    @classmethod
    def create(
        cls, tenant_id: str, product_id: str, fields: ProductFields, by: str, at: datetime
    ) -> Change["Product"]:
        """A new product."""
        product = cls(**new_record(tenant_id, product_id, by, at), **dict(fields))
        return Change(product, (ProductCreated(current=product),))

    def update(self, fields: ProductFields) -> Change["Product"]:
        """Change fields; no event when nothing differs."""
        after = self.with_fields(fields)
        changed, previous = changed_fields(self, after, ProductFields)
        if not changed:
            return Change(self)
        return Change(after, (ProductUpdated(current=after, changed=changed, previous=previous),))
