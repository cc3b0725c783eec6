"""The templates of the system, resolved without an AWS account.

`resolve()` evaluates rules, mappings, conditions, intrinsic functions and the SAM transform through
all nested stacks, and returns one `System`: what CloudFormation would create for the parameters.
"""

from zebros.cloudformation.errors import TemplateError
from zebros.cloudformation.picture import Account, Resource, System
from zebros.cloudformation.system import resolve
from zebros.cloudformation.usage import Usage

__all__ = ["Account", "Resource", "System", "TemplateError", "Usage", "resolve"]
