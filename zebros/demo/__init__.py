"""The demo company: generated from a seed, dated relative to today, loaded through the API."""

from zebros.demo.company import DemoCompany, generate
from zebros.demo.load_company import SEED, Summary, load

__all__ = ["SEED", "DemoCompany", "Summary", "generate", "load"]
