"""The manifest of opportunities."""

from kernel.domain.manifest import Context, RecordType, References
from kernel.domain.permissions import Area, Level, Permission, Role, levels

OPPORTUNITIES = Area(
    "opportunities",
    levels(
        sales_manager=Level.WRITE,
        sales_representative=Level.WRITE,
        support_agent=Level.READ,
        read_only=Level.READ,
    ),
)
SETTINGS = Area("settings", levels(sales_manager=Level.LIMITED))
CHANGE_CLOSED = Permission(
    "reopen a closed opportunity or correct its figures",
    frozenset({Role.ADMINISTRATOR, Role.SALES_MANAGER}),
)
REFERENCES = References("opportunities-references", ("account", "contact", "person"))

CONTEXT = Context(
    name="opportunities",
    record_types=(
        RecordType("opportunity", table="OpportunitiesTable", area=OPPORTUNITIES),
        RecordType("pipeline", table="OpportunitiesTable", area=OPPORTUNITIES),
        RecordType("product", table="OpportunitiesTable", area=OPPORTUNITIES),
    ),
    references=REFERENCES,
    areas=(OPPORTUNITIES, SETTINGS),
    permissions=(CHANGE_CLOSED,),
)
