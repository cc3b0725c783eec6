"""REST routes of accounts."""

from customers.bootstrap import accounts
from customers.events.accounts import AccountFields, AccountState
from kernel.domain.aggregate import Version
from kernel.domain.events import Name, UserId
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import ListQuery
from kernel.web.routes import Routes

routes = Routes()


class AccountQuery(ListQuery):
    """One of: owner_id, name_prefix, external_id. Default: your own."""

    owner_id: UserId | None = None
    name_prefix: Name | None = None
    external_id: ExternalRef | None = None


@routes.post("/accounts", status=201)
def create_account(unit: UnitOfWork, body: AccountFields) -> AccountState:
    """Create an account."""
    return accounts().create(unit, body)


@routes.get("/accounts")
def list_accounts(request: RequestContext, query: AccountQuery) -> Page[AccountState]:
    """List accounts of an owner, or by name or external id."""
    query.one_of("owner_id", "name_prefix", "external_id")
    query.ensure_no_cursor_with("external_id")
    if query.external_id:
        return accounts().find_by_external_id(request, query.external_id)
    if query.name_prefix:
        return accounts().list_by_name(request, query.name_prefix, query.limit, query.cursor)
    return accounts().list_by_owner(request, query.owner_id, query.limit, query.cursor)


@routes.post("/accounts/batch", status=207)
def upsert_accounts(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 accounts."""
    return upsert_each(unit, body, AccountFields, accounts().upsert)


@routes.get("/accounts/{account_id}")
def get_account(request: RequestContext, account_id: str) -> AccountState:
    """Get an account."""
    return accounts().get(request, account_id)


@routes.patch("/accounts/{account_id}", AccountFields)
def update_account(
    unit: UnitOfWork, account_id: str, if_match: Version, patch: dict[str, object]
) -> AccountState:
    """Change fields of an account."""
    return accounts().update(unit, account_id, if_match, patch)


@routes.post("/accounts/{account_id}/archive")
def archive_account(unit: UnitOfWork, account_id: str, if_match: Version) -> AccountState:
    """Archive an account."""
    return accounts().archive(unit, account_id, if_match)


@routes.post("/accounts/{account_id}/restore")
def restore_account(unit: UnitOfWork, account_id: str, if_match: Version) -> AccountState:
    """Restore an archived account."""
    return accounts().restore(unit, account_id, if_match)
