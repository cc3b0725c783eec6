"""The manifest of imports."""

from kernel.domain.manifest import Context, RecordType
from kernel.domain.permissions import Area, Level, levels

IMPORTS = Area(
    "imports",
    levels(sales_manager=Level.WRITE, sales_representative=Level.READ),
)

CONTEXT = Context(
    name="imports",
    record_types=(RecordType("import", table="ImportsTable", area=IMPORTS, has_timeline=False),),
    areas=(IMPORTS,),
    worker_modules=(
        "imports/jobs/*",
        "imports/adapters/collections.py",
        "imports/adapters/run_files.py",
    ),
)
