"""The manifest of scaling."""

from kernel.domain.manifest import Context, RecordType
from kernel.domain.permissions import Area, levels

SCALING = Area("scaling", levels())

CONTEXT = Context(
    name="scaling",
    record_types=(
        RecordType("scaling_action", table="ScalingTable", area=SCALING, has_timeline=False),
        RecordType("tenant_usage", table="ScalingTable", area=SCALING, has_timeline=False),
    ),
    areas=(SCALING,),
)
