"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from customers.repository.accounts import AccountRepository
from customers.repository.contacts import ContactRepository
from customers.repository.people import Directory, PersonRepository
from customers.service.accounts import AccountService
from customers.service.contacts import ContactService
from customers.service.people import PersonService
from customers.settings import Settings
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.dax import dax_reads
from kernel.storage.records import RecordStore
from kernel.storage.table import Table


@cache
def table() -> Table:
    """The accounts' table, which also stores the idempotency keys of accounts and contacts."""
    return Table(client("dynamodb"), read_settings(Settings).table_name)


@cache
def _accounts_table() -> Table:
    """The same table for reads of people, which may go through DAX."""
    return Table(client("dynamodb"), read_settings(Settings).table_name, dax_reads())


@cache
def accounts() -> AccountService:
    """The use cases of accounts."""
    return AccountService(AccountRepository(_accounts_table(), utc_now), directory(), utc_now)


@cache
def contacts() -> ContactService:
    """The use cases of contacts."""
    name = read_settings(Settings).contacts_table_name
    contacts_table = Table(client("dynamodb"), name, dax_reads())
    repository = ContactRepository(contacts_table, utc_now)
    accounts_repository = AccountRepository(_accounts_table(), utc_now)
    return ContactService(repository, accounts_repository, directory(), utc_now)


def directory() -> Directory:
    """The people to whom records may belong, and whom answers name."""
    return Directory(PersonRepository(table(), utc_now))


@cache
def people() -> PersonService:
    """The use cases of the people directory."""
    return PersonService(PersonRepository(_accounts_table(), utc_now), utc_now)


@cache
def signed_in_people() -> PersonService:
    """The same for a consumer, which never reads through DAX."""
    return PersonService(PersonRepository(table(), utc_now), utc_now)


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    contacts_table = Table(client("dynamodb"), read_settings(Settings).contacts_table_name)
    return (
        AccountRepository(table(), utc_now),
        ContactRepository(contacts_table, utc_now),
        PersonRepository(table(), utc_now),
    )
