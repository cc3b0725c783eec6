"""Two regions of one system with users, replication, relays, operators and clocks.

One thread plays everything, by a seed. The use cases, the transactions, the fence, the relay, the
streams and the moves are the real ones; DynamoDB is moto's, with one table in each of two regions
and the fence table in a third.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kernel.domain.errors import CrmError, NotFound, ReadOnlyRegion, StaleVersion
from kernel.domain.principal import Principal, RequestContext, Role
from kernel.messaging.relay import Relay
from kernel.runtime import aws
from kernel.runtime.fence import Fence, FenceRecord, guard, read_record
from kernel.storage.records import RecordStore
from kernel.storage.references import References
from kernel.storage.replicated import complete, complete_one
from kernel.storage.table import Table
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.context import REFERENCES
from opportunities.events.opportunities import OpportunityFields
from opportunities.model.opportunities import Opportunity
from opportunities.repository.opportunities import OpportunityRepository
from opportunities.repository.pipelines import PipelineRepository
from opportunities.repository.products import ProductRepository
from opportunities.service.opportunities import OpportunityService, Placement
from scaling.service.region_moves import RegionMoves
from tests.component.conftest import create_table
from tests.component.regions.replicator import Replica, Replicator
from zebros.operations.streams import as_lambda_record
from zebros.regions.fences import Fences
from zebros.regions.moves import Moves, Options
from zebros.regions.region import Item, Key, Region, StreamChange

EAST, WEST, WITNESS = "us-east-1", "us-west-2", "us-east-2"
TABLE, FENCE = "table", "fence"
TENANTS = ("acme", "globex")
OPERATOR = "operator"
"""The operator's tenant."""
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
IN_FLIGHT_S = 29.0
"""The longest time from a process's check to the moment at which DynamoDB carries out its write."""


def create_replica(region: str, name: str) -> None:
    """Create a region's replica: the common schema, and a stream of both images."""
    client = aws.session().create_client("dynamodb", region_name=region)
    create_table(client, name, {"ProjectionType": "ALL"}, "NEW_AND_OLD_IMAGES")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A write whose caller got an answer."""

    region: str
    at: float
    key: str
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class _Landing:
    """A request that a process has sent and DynamoDB has not carried out."""

    at: float
    write: Callable[[], None]


class Process:
    """One process of a region: its own clocks, fence, clients and use cases."""

    def __init__(self, site: "Site", world: "World") -> None:
        rng, self._world, self.site = world.rng, world, site
        self.rate = rng.uniform(0.9, 1.1)
        self.monotonic_offset = rng.uniform(0, 1e6)
        self.wall_offset = rng.uniform(-3600, 3600)
        self.fence = Fence(
            site.name,
            self._read_record,
            is_primary=site.name == EAST,
            monotonic=lambda: self.monotonic_offset + world.now * self.rate,
            wall=lambda: 1.8e9 + self.wall_offset + world.now * self.rate,
        )
        client = aws.session().create_client("dynamodb", region_name=site.name, config=aws._TABLES)
        guard(client, "dynamodb", self.fence)
        self.stores = self._stores(Table(client, TABLE))
        self.service = self._service(Table(client, TABLE))
        self.region_moves = RegionMoves(Table(client, TABLE), OPERATOR, self._clock)
        # The same process after its check: what it has sent is carried out whatever the fence says.
        self.sent = self._service(Table(site.replica.client, TABLE))

    def _read_record(self) -> FenceRecord | None:
        if self.site.is_cut:
            raise OSError("cut")
        return read_record(self._world.witness, FENCE)

    def _clock(self) -> datetime:
        at = START + timedelta(seconds=self._world.now + self.site.skew)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def _stores(self, table: Table) -> tuple[RecordStore[Any], ...]:
        repositories = (OpportunityRepository, PipelineRepository, ProductRepository)
        return tuple(repository(table, self._clock) for repository in repositories)

    def _service(self, table: Table) -> OpportunityService:
        opportunities, pipelines, products = self._stores(table)
        references = References(table, REFERENCES.projection, self._clock)
        return OpportunityService(
            opportunities,  # type: ignore[arg-type]  # in the order of _stores
            pipelines,  # type: ignore[arg-type]
            products,  # type: ignore[arg-type]
            references,
            self._clock,
        )


class Bus:
    """A region's bus: everything that was published, in order."""

    def __init__(self, published: list[str]) -> None:
        self._published = published
        self.process: Process | None = None

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert self.process is not None
        self.process.fence.check()
        self._published += [entry["Detail"] for entry in Entries]
        return {"Entries": [{"EventId": "e"} for _ in Entries]}


class _Region(Region):
    """A region as operators see it: nothing of it answers while it is cut off."""

    def __init__(self, site: "Site", *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._site = site

    def changes(self, since: datetime) -> Iterator[StreamChange]:
        self._site.ensure_reachable()
        return super().changes(since)

    def items(self, keys: Iterable[Key]) -> dict[Key, Item | None]:
        self._site.ensure_reachable()
        return super().items(keys)


class Site:
    """A region of the world."""

    def __init__(self, name: str, world: "World") -> None:
        self.name, self._world = name, world
        self.is_cut = False
        """Cut off from the other region and from the fence table; its users reach it."""
        self.skew = world.rng.uniform(-2, 2)
        """By how many seconds its clocks are wrong."""
        self.replica = Replica(name, TABLE, lambda: world.now + self.skew / 2)
        self.relay_reader = Replica(name, TABLE, lambda: 0.0)
        self.relay_enabled = name == EAST
        self._waiting: list[dict[str, Any]] = []
        self.bus = Bus(world.published)
        self.processes = [Process(self, world) for _ in range(2)]
        self.region = _Region(
            self,
            name,
            self.replica.client,
            self.replica.streams,
            [TABLE],
            self,
            self._complete,
            self._refuse,
            pause=lambda _seconds: None,
        )

    def switch(self, *, enabled: bool) -> None:
        """Start or stop the relays."""
        self.ensure_reachable()
        self.relay_enabled = enabled

    def ensure_reachable(self) -> None:
        if self.is_cut:
            raise OSError(f"{self.name} does not answer")

    def running(self) -> int:
        """The number of relays that run."""
        return int(self.relay_enabled)

    def relay(self) -> None:
        """Publish what the stream has, as the event source mapping lets the relay do."""
        if not self.relay_enabled:
            return
        self._waiting += [
            as_lambda_record(one)
            for one in self.relay_reader.new_records()
            if one["eventName"] == "INSERT"
            and one["dynamodb"]["Keys"]["sk"]["S"].startswith("EVENT#")
        ]
        self.bus.process = self._world.rng.choice(self.processes)
        try:
            failed = Relay(self.bus, "bus", lambda _reject: False).forward(self._waiting)
        except ReadOnlyRegion:
            return
        assert not failed
        self._waiting = []

    def _complete(self, _table: str, since: dict[str, int], run: str) -> dict[str, Any]:
        process = self._world.rng.choice(self.processes)
        with self._world.writing(process):
            return complete(process.stores, since, run).document()

    def _refuse(self, run: str, move: dict[str, Any]) -> None:
        self.ensure_reachable()
        process = self._world.rng.choice(self.processes)
        with self._world.writing(process):
            process.region_moves.refuse(run, move)


class World:
    """Two regions, of which the east is the primary."""

    def __init__(self, seed: int, monkeypatch: Any) -> None:
        self.rng, self.now = random.Random(seed), 0.0
        self.published: list[str] = []
        self.acknowledged: list[Acknowledged] = []
        self.refused = 0
        self.errors: list[str] = []
        """Refusals for another reason than that the region does not write."""
        self._landings: list[_Landing] = []
        self._epoch = 0
        for module in ("outbox", "replicated"):
            monkeypatch.setattr(f"kernel.storage.{module}.write_epoch", lambda: self._epoch)
        for region, table in ((EAST, TABLE), (WEST, TABLE), (WITNESS, FENCE)):
            create_replica(region, table)
        self.witness = aws.session().create_client("dynamodb", region_name=WITNESS)
        self.sites = {name: Site(name, self) for name in (EAST, WEST)}
        east, west = self.sites.values()
        self.replicator = Replicator(east.replica, west.replica, self.rng)
        self.traffic = True
        self.ids: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}

    # --- operators ------------------------------------------------------------------------------

    def fences(self) -> Fences:
        return Fences(self.witness, FENCE, EAST)

    def moves(self, progress: Callable[[str, str], None] = lambda *_: None) -> Moves:
        """The moves of an operator."""
        return Moves(
            self.fences(),
            {name: site.region for name, site in self.sites.items()},
            "ops",
            Options(patience_s=120, at_once=1),
            progress,
            monotonic=lambda: self.now,
            pause=self.sleep,
        )

    # --- time -----------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """Let time pass: users write, items arrive, relays publish."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + self.rng.uniform(0.5, 6))
            self._land()
            self.step()

    def step(self) -> None:
        """Something happens."""
        if self.traffic:
            for site in self.sites.values():
                if self.rng.random() < 0.6:
                    self.write(site)
        self.replicator.deliver(self.rng.choice((0.0, 0.2, 0.7)))
        for site in self.sites.values():
            self.relay_of(site)

    def relay_of(self, site: Site) -> None:
        """Let the relay of a region run."""
        if self.rng.random() < 0.6:
            site.relay()

    def cut(self, name: str) -> None:
        """Cut a region off."""
        self.sites[name].is_cut = self.replicator.is_cut = True

    def heal(self) -> None:
        """The connection is back."""
        self.replicator.is_cut = False
        for site in self.sites.values():
            site.is_cut = False

    def settle(self) -> None:
        """The connection is back, everything under way arrives, and all events are published."""
        self.heal()
        self.traffic = False
        self.sleep(60)
        self.replicator.deliver()
        for site in self.sites.values():
            site.relay()

    # --- users ----------------------------------------------------------------------------------

    def write(self, site: Site) -> None:
        """A user of a region creates or changes a record; some requests are long under way."""
        process = self.rng.choice(site.processes)
        change = self._change(process)
        try:
            if self.rng.random() < 0.8:
                with self.writing(process):
                    self._acknowledge(site, self._retried(lambda: change(process.service)))
                return
            # It was checked just now, and is carried out later.
            epoch = process.fence.epoch()
        except CrmError as error:
            if isinstance(error, ReadOnlyRegion):
                self.refused += 1
            elif not isinstance(error, NotFound):  # what has not arrived is not found
                self.errors.append(f"{site.name} at {self.now:.0f}: {error!r}")
            return

        def land() -> None:
            self._epoch = epoch
            try:
                self._acknowledge(site, change(process.sent))
            except CrmError:
                pass
            finally:
                self._epoch = 0

        self._landings.append(_Landing(self.now + self.rng.uniform(0, IN_FLIGHT_S), land))

    @staticmethod
    def _retried(change: Callable[[], Opportunity]) -> Opportunity:
        """A change of any version (`If-Match: *`), which the API makes again; once is enough."""
        try:
            return change()
        except StaleVersion:
            return change()

    def writing(self, process: Process) -> "_Writing":
        """The outbox entries that are written meanwhile have the epoch of this process."""
        return _Writing(self, process)

    def _land(self) -> None:
        due = [one for one in self._landings if one.at <= self.now]
        self._landings = [one for one in self._landings if one.at > self.now]
        for one in due:
            one.write()

    def _change(self, process: Process) -> Callable[[OpportunityService], Opportunity]:
        rng, tenant = self.rng, self.rng.choice(TENANTS)
        unit = self.unit(tenant, f"user{rng.randrange(5)}", process)
        known = self.ids[tenant]
        if len(known) < 2 or rng.random() < 0.3:
            number = rng.randrange(10**9)
            fields = OpportunityFields(
                name=f"Deal {number}",
                external_ids={"erp": str(number)} if rng.random() < 0.5 else {},
            )

            def create(service: OpportunityService) -> Opportunity:
                made = service.create(unit, fields, Placement())
                known.append(made.id)
                return made

            return create
        record_id = rng.choice(known[-6:])
        patch: dict[str, Any] = {"name": f"Deal {rng.randrange(10**9)}"}
        if rng.random() < 0.4:  # two events in one transaction
            patch["amount"] = {"minor_units": rng.randrange(1, 10**6), "currency": "USD"}
        return lambda service: service.update(unit, record_id, None, patch)

    def unit(self, tenant: str, user: str = "ann", process: Process | None = None) -> UnitOfWork:
        """The unit of work of a user's request, as the API of a process makes it."""
        roles = frozenset({Role.ADMINISTRATOR})
        return UnitOfWork(
            RequestContext(Principal(tenant, user, roles)),
            complete_record=(lambda key: complete_one(process.stores, key)) if process else None,
        )

    def _acknowledge(self, site: Site, record: Opportunity) -> None:
        fence = self.fences().read()
        allowed = fence.writer if fence.state == "open" else fence.source
        assert site.name == allowed, f"{site.name} wrote while {fence}"
        key = f"TENANT#{record.tenant_id}#OPPORTUNITY#{record.id}"
        self.acknowledged.append(
            Acknowledged(site.name, self.now, key, record.version, record.updated_at)
        )


class _Writing:
    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    def __enter__(self) -> None:
        self._world._epoch = self._process.fence.epoch()

    def __exit__(self, *_: object) -> None:
        self._world._epoch = 0
