"""The types of records that can be loaded, with their fields.

They detect a wrong header or map file before a row is sent; the API checks everything again.
tests/contracts compares them with the published OpenAPI document.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class FieldType(StrEnum):
    """How the text of a cell is parsed."""

    TEXT = "text"
    INTEGER = "integer"
    MONEY = "money"
    DATE = "date"
    BOOLEAN = "boolean"
    COUNTRY = "country"
    LIST = "list"
    PHONE = "phone"
    PHONES = "phones"
    EMAILS = "emails"
    WEBSITE = "website"
    REFERENCE = "reference"


_COMMON_FIELDS = {
    "owner_id": FieldType.TEXT,
    "team_id": FieldType.TEXT,
    "tags": FieldType.LIST,
}
_NAMED_FIELDS = {"external_ids": FieldType.TEXT, "custom_fields": FieldType.TEXT}


@dataclass(frozen=True, slots=True)
class RecordType:
    """A type of record that can be loaded."""

    name: str
    """The plural, as in paths and on the command line."""
    singular: str
    fields: dict[str, FieldType]
    named_fields: dict[str, FieldType]
    """Fields that contain values by name, such as `external_ids.crm`."""
    required: frozenset[str]
    named_by: tuple[str, ...] = ()
    """The fields of which the first takes the place of an empty `last_name`."""

    @property
    def path(self) -> str:
        """The path of the collection in the API."""
        return f"/{self.name}"

    def missing_from(self, fields: Collection[str]) -> list[str]:
        """The required fields that a map or a header lacks, and that no other field replaces."""
        named = not set(self.named_by).isdisjoint(fields)
        return [
            name for name in sorted(self.required - set(fields)) if name != "last_name" or not named
        ]

    def type_of(self, field: str) -> FieldType | None:
        """The type of a field, such as `name` or `external_ids.crm`; None when there is none."""
        head, dot, rest = field.partition(".")
        if dot:
            return self.named_fields.get(head) if rest else None
        return self.fields.get(field)


ACCOUNTS = RecordType(
    "accounts",
    "account",
    {
        "name": FieldType.TEXT,
        "kind": FieldType.TEXT,
        "sector": FieldType.TEXT,
        "country": FieldType.COUNTRY,
        "website": FieldType.WEBSITE,
        "phone": FieldType.PHONE,
        "employees": FieldType.INTEGER,
        "annual_revenue": FieldType.MONEY,
        "founded_year": FieldType.INTEGER,
        "parent_account_id": FieldType.REFERENCE,
        "region": FieldType.TEXT,
        **_COMMON_FIELDS,
    },
    _NAMED_FIELDS,
    frozenset({"name"}),
)
CONTACTS = RecordType(
    "contacts",
    "contact",
    {
        "account_id": FieldType.REFERENCE,
        "first_name": FieldType.TEXT,
        "last_name": FieldType.TEXT,
        "emails": FieldType.EMAILS,
        "phones": FieldType.PHONES,
        "title": FieldType.TEXT,
        **_COMMON_FIELDS,
    },
    {**_NAMED_FIELDS, "consent": FieldType.BOOLEAN},
    frozenset({"last_name"}),
    named_by=("first_name", "emails", "phones"),
)
PRODUCTS = RecordType(
    "products",
    "product",
    {
        "name": FieldType.TEXT,
        "code": FieldType.TEXT,
        "family": FieldType.TEXT,
        "price": FieldType.MONEY,
        "active": FieldType.BOOLEAN,
        **_COMMON_FIELDS,
    },
    _NAMED_FIELDS,
    frozenset({"name"}),
)
OPPORTUNITIES = RecordType(
    "opportunities",
    "opportunity",
    {
        "name": FieldType.TEXT,
        "account_id": FieldType.REFERENCE,
        "contact_id": FieldType.REFERENCE,
        "product_id": FieldType.REFERENCE,
        "pipeline_id": FieldType.TEXT,
        "stage": FieldType.TEXT,
        "amount": FieldType.MONEY,
        "opened_on": FieldType.DATE,
        "expected_close_on": FieldType.DATE,
        "closed_on": FieldType.DATE,
        "lost_reason": FieldType.TEXT,
        "region": FieldType.TEXT,
        "description": FieldType.TEXT,
        **_COMMON_FIELDS,
    },
    _NAMED_FIELDS,
    frozenset({"name"}),
)
PEOPLE = RecordType(
    "people",
    "person",
    {
        "id": FieldType.TEXT,
        "name": FieldType.TEXT,
        "active": FieldType.BOOLEAN,
        **_COMMON_FIELDS,
    },
    _NAMED_FIELDS,
    frozenset({"id", "name"}),
)
RECORD_TYPES = {one.name: one for one in (ACCOUNTS, CONTACTS, PRODUCTS, OPPORTUNITIES, PEOPLE)}

REFERENCES = {
    "account_id": ACCOUNTS,
    "parent_account_id": ACCOUNTS,
    "contact_id": CONTACTS,
    "product_id": PRODUCTS,
}
"""The type of record that each reference names."""
