"""The HTTP face of customers: read the request, call one use case, shape the reply."""

from customers.bootstrap import service, table
from customers.events import AccountFields, AccountState, ContactFields, ContactState
from kernel.domain.auth import Caller
from kernel.domain.events import Name, UserId
from kernel.domain.ids import Id
from kernel.storage.external import ExternalRef
from kernel.storage.store import Page
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.http import Api, ListQuery

handler = app = Api("customers", table)


class AccountQuery(ListQuery):
    """One of: owner_id, name_prefix, external_id. Default: your own."""

    owner_id: UserId | None = None
    name_prefix: Name | None = None
    external_id: ExternalRef | None = None


class ContactQuery(ListQuery):
    """One of: owner_id, account_id, name_prefix (last name first), external_id. Default: own."""

    owner_id: UserId | None = None
    account_id: Id | None = None
    name_prefix: Name | None = None
    external_id: ExternalRef | None = None


@app.post("/accounts", status=201)
def create_account(caller: Caller, body: AccountFields) -> AccountState:
    """Take a company in."""
    return service().create_account(caller, body)


@app.get("/accounts")
def list_accounts(caller: Caller, query: AccountQuery) -> Page[AccountState]:
    """List accounts of an owner (yourself by default), by the beginning of their name, or one."""
    query.one_of("owner_id", "name_prefix", "external_id")
    query.finds_one("external_id")
    if query.external_id:
        return service().account_by_external_id(caller, query.external_id)
    if query.name_prefix:
        return service().accounts_named(caller, query.name_prefix, query.limit, query.cursor)
    return service().accounts_of_owner(caller, query.owner_id, query.limit, query.cursor)


@app.post("/accounts/batch", status=207)
def upsert_accounts(caller: Caller, body: Batch) -> BatchResults:
    """Create or change up to 100 accounts by external id."""
    importer = caller.via("import")
    return upsert_each(
        body.items, AccountFields, lambda item: service().upsert_account(importer, item)
    )


@app.get("/accounts/{account_id}")
def get_account(caller: Caller, account_id: str) -> AccountState:
    """Get an account."""
    return service().account(caller, account_id)


@app.patch("/accounts/{account_id}", AccountFields)
def update_account(
    caller: Caller, account_id: str, expected: int | None, patch: dict[str, object]
) -> AccountState:
    """Change fields of an account."""
    return service().update_account(caller, account_id, expected, patch)


@app.post("/accounts/{account_id}/archive")
def archive_account(caller: Caller, account_id: str, expected: int | None) -> AccountState:
    """Put an account away."""
    return service().archive_account(caller, account_id, expected)


@app.post("/accounts/{account_id}/restore")
def restore_account(caller: Caller, account_id: str, expected: int | None) -> AccountState:
    """Bring an archived account back."""
    return service().restore_account(caller, account_id, expected)


@app.post("/contacts", status=201)
def create_contact(caller: Caller, body: ContactFields) -> ContactState:
    """Take a person in."""
    return service().create_contact(caller, body)


@app.get("/contacts")
def list_contacts(caller: Caller, query: ContactQuery) -> Page[ContactState]:
    """List contacts of an owner (yourself by default), of an account, by name, or one."""
    query.one_of("owner_id", "account_id", "name_prefix", "external_id")
    query.finds_one("external_id")
    if query.external_id:
        return service().contact_by_external_id(caller, query.external_id)
    if query.account_id:
        return service().contacts_of_account(caller, query.account_id, query.limit, query.cursor)
    if query.name_prefix:
        return service().contacts_named(caller, query.name_prefix, query.limit, query.cursor)
    return service().contacts_of_owner(caller, query.owner_id, query.limit, query.cursor)


@app.post("/contacts/batch", status=207)
def upsert_contacts(caller: Caller, body: Batch) -> BatchResults:
    """Create or change up to 100 contacts by external id."""
    importer = caller.via("import")
    return upsert_each(
        body.items, ContactFields, lambda item: service().upsert_contact(importer, item)
    )


@app.get("/contacts/{contact_id}")
def get_contact(caller: Caller, contact_id: str) -> ContactState:
    """Get a contact."""
    return service().contact(caller, contact_id)


@app.patch("/contacts/{contact_id}", ContactFields)
def update_contact(
    caller: Caller, contact_id: str, expected: int | None, patch: dict[str, object]
) -> ContactState:
    """Change fields of a contact."""
    return service().update_contact(caller, contact_id, expected, patch)


@app.post("/contacts/{contact_id}/archive")
def archive_contact(caller: Caller, contact_id: str, expected: int | None) -> ContactState:
    """Put a contact away."""
    return service().archive_contact(caller, contact_id, expected)


@app.post("/contacts/{contact_id}/restore")
def restore_contact(caller: Caller, contact_id: str, expected: int | None) -> ContactState:
    """Bring an archived contact back."""
    return service().restore_contact(caller, contact_id, expected)
