"""The REST API of customers: the Lambda behind its routes."""

from customers.bootstrap import directory, stores, table
from customers.handlers import accounts, contacts, people
from kernel.web.api import Api

handler = Api(
    "customers",
    table,
    accounts.routes,
    contacts.routes,
    people.routes,
    people=directory,
    stores=stores,
)
