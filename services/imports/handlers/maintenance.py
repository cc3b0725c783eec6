"""Commands of operators on the records of this context."""

from imports.bootstrap import stores
from kernel.storage.maintenance import COMMANDS, Maintenance

handler = Maintenance(stores, COMMANDS)
