"""Use cases of products: check the right, load, decide, commit."""

from typing import Any

from kernel.domain.aggregate import Version
from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import patched_fields
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.archived import Archived
from kernel.storage.external_ids import find_by_external_ids, page_by_external_id, upserted_fields
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.context import OPPORTUNITIES, SETTINGS
from opportunities.events.products import ProductFields
from opportunities.model.products import Product
from opportunities.repository.products import ProductRepository


class ProductService:
    """What users do with products."""

    def __init__(self, products: ProductRepository, now: Clock) -> None:
        self._products, self._now = products, now

    def create(self, unit: UnitOfWork, fields: ProductFields) -> Product:
        """Add a product to the catalogue; needs limited rights on settings."""
        unit.principal.require(Level.LIMITED, SETTINGS)
        change = Product.create(
            unit.tenant_id, new_id(), fields, unit.principal.user_id, self._now()
        )
        self._products.codes.ensure_free(None, change.state)
        return self._products.save(unit, None, change)

    def get(self, request: RequestContext, product_id: str) -> Product:
        """A product."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._products.get(request.tenant_id, product_id, consistent=False)

    def list(
        self,
        request: RequestContext,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Product]:
        """The catalogue by name."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._products.list(request.tenant_id, limit, cursor, archived)

    def find_by_external_id(
        self, request: RequestContext, ref: str, archived: Archived = Archived.EXCLUDE
    ) -> Page[Product]:
        """The product that has an external id, as a page of one or none."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return page_by_external_id(self._products, request.tenant_id, ref, archived)

    def update(
        self, unit: UnitOfWork, product_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Product:
        """Change a product; needs limited rights on settings."""
        unit.principal.require(Level.LIMITED, SETTINGS)
        product = self._products.get(unit.tenant_id, product_id, mend=ProductFields)
        before = product.ensure_version(if_match)
        change = before.update(patched_fields(before, patch, ProductFields))
        self._products.codes.ensure_free(before, change.state)
        return self._products.save(unit, before, change)

    def restore(self, unit: UnitOfWork, product_id: str, if_match: Version) -> Product:
        """Restore a product that was archived by a restore of the context."""
        before = self._archived(unit, product_id, if_match)
        return self._products.save(unit, before, before.restore())

    def release_external_ids(self, unit: UnitOfWork, product_id: str, if_match: Version) -> Product:
        """Give up the external ids of an archived product, for another one to have them."""
        before = self._archived(unit, product_id, if_match)
        return self._products.save(unit, before, before.release_external_ids())

    def upsert(self, unit: UnitOfWork, fields: ProductFields) -> tuple[Product, bool]:
        """Create or change by external id; also returns whether it was created."""
        unit.principal.require(Level.LIMITED, SETTINGS)
        existing_id = find_by_external_ids(self._products, unit.tenant_id, fields.external_ids)
        if existing_id is None:
            return self.create(unit, fields), True
        before = self._products.get(unit.tenant_id, existing_id, mend=ProductFields)
        change = before.update(upserted_fields(before, fields))
        self._products.codes.ensure_free(before, change.state)
        return self._products.save(unit, before, change), False

    def _archived(self, unit: UnitOfWork, product_id: str, if_match: Version) -> Product:
        unit.principal.require(Level.LIMITED, SETTINGS)
        return self._products.get(unit.tenant_id, product_id).ensure_version(if_match)
