"""REST routes of accounts."""

from pydantic import Field

from customers.bootstrap import accounts
from customers.events.accounts import AccountFields, AccountState
from kernel.domain.aggregate import Version
from kernel.domain.events import Name, UserId
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import PeopleQuery, RecordQuery
from kernel.web.reassigning import Reassignment, ReassignmentResults, reassign_each
from kernel.web.routes import Routes

routes = Routes()


class AccountQuery(RecordQuery):
    """One of: owner_id, name_prefix, external_id. Default: your own."""

    owner_id: UserId | None = None
    name_prefix: Name | None = Field(
        None, description="The beginning of the name at any of its words."
    )
    external_id: ExternalRef | None = None


@routes.post("/accounts", status=201)
def create_account(unit: UnitOfWork, body: AccountFields) -> AccountState:
    """Create an account.

    You own it unless `owner_id` names somebody else. An external id belongs to one account: a
    second account with it gets a 409 that names the first.
    """
    return accounts().create(unit, body)


@routes.get("/accounts")
def list_accounts(request: RequestContext, query: AccountQuery) -> Page[AccountState]:
    """List accounts of an owner, or by name or external id.

    One filter at a time. `name_prefix` is compared with the beginning of any word of the name,
    without case and accents; `external_id` finds one account or none. `archived` also shows
    archived accounts.
    """
    query.one_of("owner_id", "name_prefix", "external_id")
    query.ensure_no_cursor_with("external_id")
    if query.external_id:
        return accounts().find_by_external_id(request, query.external_id, query.archived)
    if query.name_prefix:
        return accounts().list_by_name(
            request, query.name_prefix, query.limit, query.cursor, query.archived
        )
    return accounts().list_by_owner(
        request, query.owner_id, query.limit, query.cursor, query.archived
    )


@routes.post("/accounts/batch", status=207)
def upsert_accounts(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 accounts.

    Each item is found by its external ids, created or changed, and answered on its own: one
    that is rejected does not affect the others. Fields that an item does not have stay.
    """
    return upsert_each(unit, body, AccountFields, accounts().upsert)


@routes.post("/accounts/reassign", status=207)
def reassign_accounts(unit: UnitOfWork, body: Reassignment) -> ReassignmentResults:
    """Give the accounts of a person to another one.

    Up to `limit` of them in one request, each answered on its own; `next_cursor` is there until
    none is left, so the work can be stopped and gone on with. For the records of others it
    needs the permission to reassign.
    """
    page = accounts().list_to_hand_over(unit, body.from_id, body.to_id, body.limit, body.cursor)
    patch = body.patch(owner_id=body.to_id)
    return reassign_each(
        page, lambda one: accounts().update(unit.for_record(), one.id, one.version, patch)
    )


@routes.get("/accounts/{account_id}")
def get_account(
    request: RequestContext,
    account_id: str,
    query: PeopleQuery,  # noqa: ARG001 - the API adds the people
) -> AccountState:
    """Get an account.

    Archived accounts are shown too; they have `archived_at`.
    """
    return accounts().get(request, account_id)


@routes.patch("/accounts/{account_id}", AccountFields)
def update_account(
    unit: UnitOfWork, account_id: str, if_match: Version, patch: dict[str, object]
) -> AccountState:
    """Change fields of an account.

    A JSON merge patch: fields that are absent stay, and null removes one. Sales representatives
    change their own accounts and those without an owner.
    """
    return accounts().update(unit, account_id, if_match, patch)


@routes.post("/accounts/{account_id}/archive")
def archive_account(unit: UnitOfWork, account_id: str, if_match: Version) -> AccountState:
    """Archive an account.

    It leaves all lists and cannot be changed any more. Its history stays, and `restore` undoes
    it.
    """
    return accounts().archive(unit, account_id, if_match)


@routes.post("/accounts/{account_id}/restore")
def restore_account(unit: UnitOfWork, account_id: str, if_match: Version) -> AccountState:
    """Restore an archived account.

    It appears in lists again, with the fields that it had.
    """
    return accounts().restore(unit, account_id, if_match)


@routes.post("/accounts/{account_id}/release-external-ids")
def release_external_ids_of_account(
    unit: UnitOfWork, account_id: str, if_match: Version
) -> AccountState:
    """Release the external ids of an archived account.

    Another record can have them then, for example the one that an import creates. A record that
    is not archived is a 422.
    """
    return accounts().release_external_ids(unit, account_id, if_match)
