"""The unit of work: commits a request's records, events and idempotency key atomically."""

from collections.abc import Callable, Sequence

from kernel.domain.errors import StaleVersion
from kernel.domain.principal import Principal, RequestContext
from kernel.storage.idempotency import Committed, IdempotentRequest
from kernel.storage.table import Action, Table

type CompleteRecord = Callable[[str], None]
"""Completes the record with a partition key (replicated.py)."""


class UnitOfWork:
    """Commits the changes of one request, each in one transaction.

    The first transaction also stores the request's Idempotency-Key, if it has one: a crash at any
    moment leaves both or neither (docs/adr/0005).

    A record that has arrived in part from a lost region is completed when a change meets it
    (docs/adr/0058).
    """

    def __init__(
        self,
        request: RequestContext,
        idempotent_request: IdempotentRequest | None = None,
        *,
        dry_run: bool = False,
        complete_record: CompleteRecord | None = None,
    ) -> None:
        self.request, self._idempotent_request = request, idempotent_request
        self._complete_record = complete_record
        self.dry_run = dry_run
        """Whether nothing is committed: every check before a commit is made as always."""
        self.has_changes = False
        """Whether something was committed, or would have been in a dry run."""

    @property
    def principal(self) -> Principal:
        """The principal of the request."""
        return self.request.principal

    @property
    def tenant_id(self) -> str:
        """The principal's tenant."""
        return self.request.tenant_id

    def for_import(self, *, dry_run: bool = False) -> "UnitOfWork":
        """The unit of work of one record in a batch, whose own key was claimed beforehand."""
        request = self.request.with_origin("import")
        return UnitOfWork(request, dry_run=dry_run, complete_record=self._complete_record)

    def for_record(self) -> "UnitOfWork":
        """The unit of work of one of many records; the request's key was claimed beforehand."""
        return UnitOfWork(self.request, complete_record=self._complete_record)

    def commit(
        self, table: Table, actions: Sequence[Action], committed: Committed | None = None
    ) -> None:
        """Carry out all actions or none. Raises the `error` of the action that failed.

        `committed` is the change they make, from which a retry gets the answer after a crash.
        """
        self.has_changes = True
        if self.dry_run:
            return
        try:
            self._transact(table, actions, committed)
        except StaleVersion as stale:
            if not stale.incomplete or self._complete_record is None:
                raise
            self._complete_record(stale.incomplete)
            # If completing it has changed the record, its version is another one now.
            self._transact(table, actions, committed)

    def _transact(
        self, table: Table, actions: Sequence[Action], committed: Committed | None
    ) -> None:
        key = self._idempotent_request
        if key is None or key.committed:
            table.transact(actions)
            return
        table.transact([*actions, key.put(committed)])
        key.committed = True
