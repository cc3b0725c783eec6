"""The folder that two local platforms share: which regions they are, and the network between them.

regions.json    the home of each region's platform, the primary first
network.json    delays of replication, and the region that is cut off; `zebros region network`
replication.json  what has not been replicated yet, by direction; written by the replicator
<table>.json    the items of a table that is consistent across regions (the fence)

It is a folder and no process, so that it survives the loss of either platform, as the witness of a
table with strong consistency survives the loss of a region.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zebros.errors import BadInput

LONGEST_DELAY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Network:
    """The network between the two regions."""

    shortest_s: float = 0.05
    longest_s: float = 0.5
    """Each item is delayed by a time between these, so items arrive in any order, and those of one
    transaction apart from each other."""
    seed: int = 0
    """Of the delays."""
    cut: str = ""
    """The region that neither reaches the other one nor the witness; empty for none."""

    def __post_init__(self) -> None:
        delays = (self.shortest_s, self.longest_s)
        if not 0 <= delays[0] <= delays[1]:
            raise BadInput(
                f"A delay from {delays[0]} to {delays[1]} s is none.",
                hint="The shorter one comes first, and neither is below zero.",
            )
        if delays[1] > LONGEST_DELAY_S:
            raise BadInput(f"A delay is at most {LONGEST_DELAY_S:.0f} s.")


@dataclass(frozen=True, slots=True)
class Pair:
    """The shared folder."""

    path: Path

    def homes(self) -> dict[str, Path]:
        """The folder of each region's platform, the primary first."""
        return {name: Path(home) for name, home in self._read("regions.json").items()}

    def write_homes(self, homes: dict[str, Path]) -> None:
        """Say where the platforms are, the primary first."""
        self._write("regions.json", {name: str(home) for name, home in homes.items()})

    def network(self) -> Network:
        """The network as it is now."""
        return Network(**self._read("network.json"))

    def write_network(self, network: Network) -> None:
        """Change the network."""
        self._write("network.json", asdict(network))

    def under_way(self) -> dict[str, int]:
        """The number of items that were read and have not arrived yet, by source region."""
        return self._read("replication.json")

    def write_under_way(self, counts: dict[str, int]) -> None:
        """Say what has not arrived yet."""
        self._write("replication.json", counts)

    def table(self, name: str) -> Path:
        """The file of a table that is consistent across regions."""
        return self.path / f"table-{name}.json"

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _write(self, name: str, content: dict[str, Any]) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path / f"{name}.part"
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        part.replace(self.path / name)
