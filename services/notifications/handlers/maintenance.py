"""Commands of operators on the records of this context."""

from kernel.storage.maintenance import COMMANDS, Maintenance
from notifications.bootstrap import stores

handler = Maintenance(stores, COMMANDS)
