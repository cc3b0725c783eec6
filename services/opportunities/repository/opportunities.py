"""Opportunities in DynamoDB: keys and mapping, nothing else.

Index keys, each prefixed with the tenant:
  gsi1  OWNER#<owner>              <opportunity id>     a user's opportunities, newest first
  gsi2  ACCOUNT#<account>          <opportunity id>     an account's opportunities, newest first
  gsi3  STAGE#<pipeline>#<stage>   <close date>#<id>    a stage's opportunities in closing order
"""

from datetime import date

from kernel.domain.clock import Clock
from kernel.domain.dates import NO_DATE, key_range
from kernel.storage.archived import Archived
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table
from opportunities.events.pipelines import StageKind
from opportunities.model.opportunities import Opportunity


def _index(opportunity: Opportunity) -> Item:
    tenant = f"TENANT#{opportunity.tenant_id}#"
    closed = opportunity.status is not StageKind.OPEN
    close_date = opportunity.closed_on if closed else opportunity.expected_close_on
    keys: Item = {
        "gsi3pk": f"{tenant}STAGE#{opportunity.pipeline_id}#{opportunity.stage}",
        "gsi3sk": f"{close_date or NO_DATE}#{opportunity.id}",
    }
    if opportunity.owner_id:
        keys |= {"gsi1pk": f"{tenant}OWNER#{opportunity.owner_id}", "gsi1sk": opportunity.id}
    if opportunity.account_id:
        keys |= {"gsi2pk": f"{tenant}ACCOUNT#{opportunity.account_id}", "gsi2sk": opportunity.id}
    return keys


class OpportunityRepository(RecordStore[Opportunity]):
    """The opportunities in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Opportunity, "opportunity", _index, clock)

    def list_by_owner(
        self,
        tenant_id: str,
        owner_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Opportunity]:
        """A user's opportunities, newest first."""
        return self.page(
            tenant_id,
            f"OWNER#{owner_id}",
            index="gsi1",
            limit=limit,
            cursor=cursor,
            newest_first=True,
            archived=archived,
        )

    def list_by_account(
        self,
        tenant_id: str,
        account_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Opportunity]:
        """An account's opportunities, newest first."""
        return self.page(
            tenant_id,
            f"ACCOUNT#{account_id}",
            index="gsi2",
            limit=limit,
            cursor=cursor,
            newest_first=True,
            archived=archived,
        )

    def list_by_stage(
        self,
        tenant_id: str,
        pipeline_id: str,
        stage: str,
        closing: tuple[date | None, date | None],
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Opportunity]:
        """A stage's opportunities in order of the (expected) close date.

        `closing` is the first and the last day; with either of them undated ones are omitted.
        """
        return self.page(
            tenant_id,
            f"STAGE#{pipeline_id}#{stage}",
            index="gsi3",
            limit=limit,
            cursor=cursor,
            between=key_range(*closing),
            archived=archived,
        )
