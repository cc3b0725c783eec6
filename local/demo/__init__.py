"""A demo company: invented, seeded, dated relative to today, loaded as any customer would."""

from local.demo.company import DemoCompany, generate
from local.demo.loading import SEED, Summary, load

__all__ = ["SEED", "DemoCompany", "Summary", "generate", "load"]
