"""REST routes of products."""

from kernel.domain.aggregate import Version
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import PeopleQuery, RecordQuery
from kernel.web.routes import Routes
from opportunities.bootstrap import products
from opportunities.events.products import ProductFields, ProductState

routes = Routes()


class ProductQuery(RecordQuery):
    """All products, or one by external id."""

    external_id: ExternalRef | None = None


@routes.post("/products", status=201)
def create_product(unit: UnitOfWork, body: ProductFields) -> ProductState:
    """Create a product.

    Opportunities refer to products by id. Needs the right to change settings.
    """
    return products().create(unit, body)


@routes.get("/products")
def list_products(request: RequestContext, query: ProductQuery) -> Page[ProductState]:
    """List products by name, or find one by external id.

    Active and inactive ones; `archived` also shows archived products.
    """
    query.ensure_no_cursor_with("external_id")
    if query.external_id:
        return products().find_by_external_id(request, query.external_id, query.archived)
    return products().list(request, query.limit, query.cursor, query.archived)


@routes.post("/products/batch", status=207)
def upsert_products(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 products.

    Each item is found by its external ids, created or changed, and answered on its own: one
    that is rejected does not affect the others.
    """
    return upsert_each(unit, body, ProductFields, products().upsert)


@routes.get("/products/{product_id}")
def get_product(
    request: RequestContext,
    product_id: str,
    query: PeopleQuery,  # noqa: ARG001 - the API adds the people
) -> ProductState:
    """Get a product.

    Inactive products are shown too.
    """
    return products().get(request, product_id)


@routes.patch("/products/{product_id}", ProductFields)
def update_product(
    unit: UnitOfWork, product_id: str, if_match: Version, patch: dict[str, object]
) -> ProductState:
    """Change fields of a product.

    A JSON merge patch: fields that are absent stay, and null removes one.
    """
    return products().update(unit, product_id, if_match, patch)


@routes.post("/products/{product_id}/restore")
def restore_product(unit: UnitOfWork, product_id: str, if_match: Version) -> ProductState:
    """Restore an archived product.

    It was archived when the context was restored to a time before it. It appears in lists
    again.
    """
    return products().restore(unit, product_id, if_match)


@routes.post("/products/{product_id}/release-external-ids")
def release_external_ids_of_product(
    unit: UnitOfWork, product_id: str, if_match: Version
) -> ProductState:
    """Release the external ids of an archived product.

    Another record can have them then, for example the one that an import creates. A record that
    is not archived is a 422.
    """
    return products().release_external_ids(unit, product_id, if_match)
