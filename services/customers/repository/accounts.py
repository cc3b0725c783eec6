"""Accounts in DynamoDB: keys and mapping, nothing else. records.py lists the index keys."""

from customers.model.accounts import Account
from customers.repository.records import CustomerRecords, index_keys
from kernel.domain.clock import Clock
from kernel.domain.errors import Busy
from kernel.domain.folding import fold
from kernel.storage.search import rotations
from kernel.storage.table import Check, Item, Table


def _index(account: Account) -> Item:
    return index_keys(account, account.name)


def _texts(account: Account) -> dict[str, list[str]]:
    """What an account is found by; its stored name may be none that can be read."""
    return {"name": rotations(fold(account.name or ""))}


class AccountRepository(CustomerRecords[Account]):
    """The accounts in their table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Account, "account", _index, _texts, clock)

    def unchanged(self, account: Account) -> Check:
        """The transaction condition that an account still has the version that was read."""
        return Check(
            self.key(account.tenant_id, account.id),
            "STATE",
            Busy("Someone changed a parent account meanwhile; send the request again."),
            version=account.version,
        )
