"""What a system costs a month: resolved templates, a stated load and a dated price table.

`monthly(system, usage, prices)` returns the bill; docs/costs.md says how it is computed.
"""

from zebros.costs.bill import Bill, Line, monthly, projection
from zebros.costs.prices import Prices
from zebros.costs.usage import Usage

__all__ = ["Bill", "Line", "Prices", "Usage", "monthly", "projection"]
