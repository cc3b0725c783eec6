"""REST routes of products."""

from kernel.domain.aggregate import Version
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import ListQuery
from kernel.web.routes import Routes
from opportunities.bootstrap import products
from opportunities.events.products import ProductFields, ProductState

routes = Routes()


class ProductQuery(ListQuery):
    """All products, or one by external id."""

    external_id: ExternalRef | None = None


@routes.post("/products", status=201)
def create_product(unit: UnitOfWork, body: ProductFields) -> ProductState:
    """Create a product."""
    return products().create(unit, body)


@routes.get("/products")
def list_products(request: RequestContext, query: ProductQuery) -> Page[ProductState]:
    """List products by name, or find one by external id."""
    query.ensure_no_cursor_with("external_id")
    if query.external_id:
        return products().find_by_external_id(request, query.external_id)
    return products().list(request, query.limit, query.cursor)


@routes.post("/products/batch", status=207)
def upsert_products(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 products."""
    return upsert_each(unit, body, ProductFields, products().upsert)


@routes.get("/products/{product_id}")
def get_product(request: RequestContext, product_id: str) -> ProductState:
    """Get a product."""
    return products().get(request, product_id)


@routes.patch("/products/{product_id}", ProductFields)
def update_product(
    unit: UnitOfWork, product_id: str, if_match: Version, patch: dict[str, object]
) -> ProductState:
    """Change fields of a product."""
    return products().update(unit, product_id, if_match, patch)
