"""Products in DynamoDB: keys and mapping, nothing else.

Index keys, prefixed with the tenant:
  gsi1  PRODUCTS  <folded name>#<id>   the catalogue, by name
"""

from kernel.domain.clock import Clock
from kernel.domain.folding import fold
from kernel.storage.archived import Archived
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table
from kernel.storage.unique import UniqueText
from opportunities.model.products import Product


def _index(product: Product) -> Item:
    return {
        "gsi1pk": f"TENANT#{product.tenant_id}#PRODUCTS",
        "gsi1sk": f"{fold(product.name)}#{product.id}",
    }


class ProductRepository(RecordStore[Product]):
    """The products in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Product, "product", _index, clock)
        self.codes = UniqueText(self, "code", lambda product: product.code)
        self.search = self.codes

    def list(
        self,
        tenant_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Product]:
        """Products by name."""
        return self.page(
            tenant_id, "PRODUCTS", index="gsi1", limit=limit, cursor=cursor, archived=archived
        )
