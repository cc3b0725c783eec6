"""The manifest of activities."""

from kernel.domain.manifest import Context, RecordType
from kernel.domain.permissions import Area, Level, levels

ACTIVITIES = Area(
    "activities",
    levels(
        sales_manager=Level.WRITE,
        sales_representative=Level.WRITE,
        support_agent=Level.WRITE,
        read_only=Level.READ,
    ),
)

CONTEXT = Context(
    name="activities",
    record_types=(RecordType("task", table="ActivitiesTable", area=ACTIVITIES),),
    areas=(ACTIVITIES,),
)
