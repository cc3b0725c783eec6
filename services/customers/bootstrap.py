"""Wires this context to AWS, once per cold start."""

import os
from functools import cache

from customers.repository import CustomerRepository
from customers.service import CustomerService
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.storage.dynamo import Table


@cache
def table() -> Table:
    """The accounts' table, which also remembers the Idempotency-Keys of both."""
    return Table(client("dynamodb"), os.environ["TABLE_NAME"])


@cache
def contacts_table() -> Table:
    """The contacts' table."""
    return Table(client("dynamodb"), os.environ["CONTACTS_TABLE_NAME"])


@cache
def service() -> CustomerService:
    """The context's use cases."""
    return CustomerService(CustomerRepository(table(), contacts_table(), utc_now), utc_now)
