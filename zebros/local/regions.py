"""Which region a local platform is, and what it needs of the other one.

The platform of one region is the first; `zebros up --second-region` makes it the primary of two,
and `zebros up --primary-home` starts the secondary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from zebros.client.connection import STACK
from zebros.errors import BadInput, NotReady
from zebros.local.deploy import REGION, platform_client
from zebros.local.home import Home
from zebros.phases import Phase
from zebros.regions.fences import OPEN, Fences
from zebros.regions.pair import Pair

SECOND, WITNESS = "us-west-2", "us-east-2"
"""The regions that a primary's stack names by default, for its replicas and for the fence."""
ONE, PRIMARY, SECONDARY = "one", "primary", "secondary"
FENCE = f"{STACK}-fence"
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which region a platform is."""

    role: str = ONE
    region: str = REGION
    second: str = ""
    """The region of the secondary; empty in a system with one."""
    pair: Pair | None = None
    primary: Path | None = None
    """The home of the primary, if this is the secondary."""

    def state(self) -> dict[str, Any]:
        """What state.json has of it."""
        return {
            "role": self.role,
            "second_region": self.second,
            "pair": str(self.pair.path) if self.pair else None,
            "primary_home": str(self.primary) if self.primary else None,
        }

    def parameters(self, streams: dict[str, str]) -> dict[str, str]:
        """Parameters of the stack; `streams` are those of a secondary's tables, by logical id."""
        if self.role == ONE:
            return {}
        common = {"Phase": Phase.ENTERPRISE.value, "WitnessRegion": WITNESS}
        if self.role == PRIMARY:
            return common | {"ReplicaRegion": self.second}
        given = {f"{name.removesuffix('Table')}StreamArn": arn for name, arn in streams.items()}
        return common | {"RegionRole": SECONDARY} | given

    def writes(self, endpoint: str) -> bool:
        """Whether this is the region that writes; not so when it is cut off from the fence."""
        if self.role == ONE:
            return True
        try:
            fence = Fences(platform_client("dynamodb", endpoint, self.region), FENCE, REGION).read()
        except (BotoCoreError, ClientError):
            return False
        return fence.state == OPEN and fence.writer == self.region


def place_of(
    home: Home, second_region: str | None, primary_home: str | None, phase: str | None
) -> Place:
    """The place of a platform, by the options of its start, or by those of the one before.

    Raises BadInput for options that exclude each other or that were others before.
    """
    if second_region and primary_home:
        raise BadInput("A platform is the primary (--second-region) or the other (--primary-home).")
    before = home.state()
    role = str(before.get("role", ONE))
    if primary_home or role == SECONDARY:
        place = _secondary(home, before, Path(primary_home or before["primary_home"]).resolve())
    elif second_region or role == PRIMARY:
        place = _primary(home, before, str(second_region or before["second_region"]))
    else:
        return Place()
    if phase not in (None, Phase.ENTERPRISE.value):
        raise BadInput(
            f"A system of two regions is of phase enterprise, not {phase}.",
            hint="Leave --phase out.",
        )
    return place


def _primary(home: Home, before: dict[str, Any], second: str) -> Place:
    if before.get("role") == SECONDARY:
        raise BadInput(f"The CRM in {home.path} is the secondary of another one.")
    if before.get("second_region") not in (None, "", second):
        raise BadInput(
            f"The second region of the CRM in {home.path} is {before['second_region']} already.",
            hint="Its tables have replicas there; `zebros reset` begins again.",
        )
    if second in (REGION, WITNESS):
        raise BadInput(
            f"{second} is {'its own region' if second == REGION else 'the region of the witness'}.",
            hint=f"Name a third one, such as {SECOND}.",
        )
    return Place(PRIMARY, REGION, second, Pair(home.pair))


def _secondary(home: Home, before: dict[str, Any], primary: Path) -> Place:
    state = Home(primary).state()
    if before and before.get("primary_home") != str(primary):
        raise BadInput(
            f"The CRM in {home.path} is another one than the secondary of {primary}.",
            hint="Name a new folder with `--home`.",
        )
    if state.get("role") != PRIMARY:
        raise BadInput(
            f"The CRM in {primary} has no second region.",
            hint=f"First: `zebros --home {primary} up --second-region {SECOND}`.",
        )
    second = str(state["second_region"])
    return Place(SECONDARY, second, second, Pair(Path(state["pair"])), primary)


def join(place: Place, home: Home, endpoint: str, report: Callable[[str], None]) -> dict[str, str]:
    """Become a region of the pair; returns the streams of a secondary's tables by logical id.

    Raises NotReady when a table is missing and the primary does not answer.
    """
    if place.pair is None:
        return {}
    homes = place.pair.homes()
    if place.role == PRIMARY:
        place.pair.write_homes({place.region: home.path, **homes})
        return {}
    place.pair.write_homes({**homes, place.region: home.path})
    report("Creating the replicas of the primary's tables")
    return create_replicas(place, endpoint)


def create_replicas(place: Place, endpoint: str) -> dict[str, str]:
    """Create what the platform lacks of the primary's tables; returns their streams by logical id.

    Raises NotReady when the primary does not answer and a table is missing.
    """
    assert place.primary is not None
    state = Home(place.primary).state()
    client = platform_client("dynamodb", endpoint, place.region)
    here = set(client.list_tables()["TableNames"])
    for name in state["tables"].values():
        if name not in here:
            _post(endpoint, _get(str(state["endpoint"]), name))
    return {
        logical_id: client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
        for logical_id, name in state["tables"].items()
        if name != FENCE
    }


def _get(endpoint: str, table: str) -> bytes:
    url = f"{endpoint}/_zebros/replicas"
    try:
        answer = httpx.get(url, params={"table": table}, timeout=_PATIENCE_S, trust_env=False)
        return answer.raise_for_status().content
    except httpx.HTTPError as error:
        raise NotReady(
            f"The primary at {endpoint} does not give its table {table}.",
            hint="The secondary gets its tables at its first start: start the primary before.",
        ) from error


def _post(endpoint: str, definition: bytes) -> None:
    url = f"{endpoint}/_zebros/replicas"
    answer = httpx.post(url, content=definition, timeout=_PATIENCE_S, trust_env=False)
    answer.raise_for_status()
