"""A demo company: invented, seeded, dated relative to today, loaded as any customer would."""

from zebros.demo.company import DemoCompany, generate
from zebros.demo.loading import SEED, Summary, load

__all__ = ["SEED", "DemoCompany", "Summary", "generate", "load"]
