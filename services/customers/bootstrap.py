"""Wires this context to AWS, once per cold start."""

from functools import cache

from customers.repository.accounts import AccountRepository
from customers.repository.contacts import ContactRepository
from customers.service.accounts import AccountService
from customers.service.contacts import ContactService
from customers.settings import Settings
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.table import Table


@cache
def table() -> Table:
    """The accounts' table, which also stores the idempotency keys of accounts and contacts."""
    return Table(client("dynamodb"), read_settings(Settings).table_name)


@cache
def accounts() -> AccountService:
    """The use cases of accounts."""
    return AccountService(AccountRepository(table(), utc_now), utc_now)


@cache
def contacts() -> ContactService:
    """The use cases of contacts."""
    contacts_table = Table(client("dynamodb"), read_settings(Settings).contacts_table_name)
    repository = ContactRepository(contacts_table, utc_now)
    return ContactService(repository, AccountRepository(table(), utc_now), utc_now)
