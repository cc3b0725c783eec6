"""The manifest of customers."""

from kernel.domain.manifest import Context, RecordType
from kernel.domain.permissions import Area, Level, levels

CUSTOMERS = Area(
    "customers",
    levels(
        sales_manager=Level.WRITE,
        sales_representative=Level.WRITE,
        support_agent=Level.WRITE,
        read_only=Level.READ,
    ),
)
LEADS = Area(
    "leads",
    levels(
        sales_manager=Level.WRITE,
        sales_representative=Level.WRITE,
        support_agent=Level.READ,
        read_only=Level.READ,
    ),
)
PEOPLE = Area(
    "people",
    levels(
        sales_manager=Level.READ,
        sales_representative=Level.READ,
        support_agent=Level.READ,
        read_only=Level.READ,
    ),
)

CONTEXT = Context(
    name="customers",
    record_types=(
        RecordType("account", table="CustomersTable", area=CUSTOMERS),
        RecordType("contact", table="ContactsTable", area=CUSTOMERS),
        RecordType("person", table="CustomersTable", area=PEOPLE),
    ),
    areas=(CUSTOMERS, LEADS, PEOPLE),
)
