"""What each kind of record takes, as far as loading must know: its fields and how they are read.

The API's own checks stay the judge; these tell a wrong header or map before a single row is sent.
tests/contracts compares this table with the published OpenAPI document.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Type(StrEnum):
    """How a field's text is read."""

    TEXT = "text"
    INTEGER = "integer"
    MONEY = "money"
    DATE = "date"
    BOOLEAN = "boolean"
    LIST = "list"
    REFERENCE = "reference"


_COMMON = {
    "owner_id": Type.TEXT,
    "team_id": Type.TEXT,
    "tags": Type.LIST,
}
_OPEN = {"external_ids": Type.TEXT, "custom_fields": Type.TEXT}
"""Fields with names of the user's own behind a dot: `external_ids.crm`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record that can be loaded."""

    name: str
    """The plural, as in paths and on the command line."""
    singular: str
    fields: dict[str, Type]
    open_fields: dict[str, Type]
    required: frozenset[str]

    @property
    def path(self) -> str:
        """The collection's path."""
        return f"/{self.name}"

    def type_of(self, field: str) -> Type | None:
        """How a (dotted) field is read; None when this kind of record has no such field."""
        head, dot, rest = field.partition(".")
        if dot:
            return self.open_fields.get(head) if rest else None
        return self.fields.get(field)

    def closest(self, field: str) -> str | None:
        """The field someone probably meant."""
        names = [*self.fields, *(f"{name}." for name in self.open_fields)]
        found = get_close_matches(field.casefold().replace(" ", "_"), names, n=1, cutoff=0.6)
        return found[0] if found else None


ACCOUNTS = Kind(
    "accounts",
    "account",
    {
        "name": Type.TEXT,
        "kind": Type.TEXT,
        "sector": Type.TEXT,
        "country": Type.TEXT,
        "website": Type.TEXT,
        "phone": Type.TEXT,
        "employees": Type.INTEGER,
        "annual_revenue": Type.MONEY,
        "founded_year": Type.INTEGER,
        "parent_account_id": Type.REFERENCE,
        "region": Type.TEXT,
        **_COMMON,
    },
    _OPEN,
    frozenset({"name"}),
)
CONTACTS = Kind(
    "contacts",
    "contact",
    {
        "account_id": Type.REFERENCE,
        "first_name": Type.TEXT,
        "last_name": Type.TEXT,
        "emails": Type.LIST,
        "phones": Type.LIST,
        "title": Type.TEXT,
        **_COMMON,
    },
    {**_OPEN, "consent": Type.BOOLEAN},
    frozenset({"last_name"}),
)
PRODUCTS = Kind(
    "products",
    "product",
    {
        "name": Type.TEXT,
        "code": Type.TEXT,
        "family": Type.TEXT,
        "price": Type.MONEY,
        "active": Type.BOOLEAN,
        **_COMMON,
    },
    _OPEN,
    frozenset({"name"}),
)
OPPORTUNITIES = Kind(
    "opportunities",
    "opportunity",
    {
        "name": Type.TEXT,
        "account_id": Type.REFERENCE,
        "contact_id": Type.REFERENCE,
        "product_id": Type.REFERENCE,
        "pipeline_id": Type.TEXT,
        "stage": Type.TEXT,
        "amount": Type.MONEY,
        "opened_on": Type.DATE,
        "expected_close_on": Type.DATE,
        "closed_on": Type.DATE,
        "lost_reason": Type.TEXT,
        "region": Type.TEXT,
        "description": Type.TEXT,
        **_COMMON,
    },
    _OPEN,
    frozenset({"name"}),
)
KINDS = {kind.name: kind for kind in (ACCOUNTS, CONTACTS, PRODUCTS, OPPORTUNITIES)}

REFERENCES = {
    "account_id": ACCOUNTS,
    "parent_account_id": ACCOUNTS,
    "contact_id": CONTACTS,
    "product_id": PRODUCTS,
}
"""The kind of record each reference names."""
