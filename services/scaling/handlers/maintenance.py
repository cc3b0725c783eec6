"""Commands of operators on the records of this context."""

from kernel.storage.maintenance import COMMANDS, Maintenance
from scaling.bootstrap import stores

handler = Maintenance(stores, COMMANDS)
