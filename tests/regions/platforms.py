"""The two platforms of a system of two regions: started, cut off, killed, started again."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.flows.conftest import Crm, Zebros
from zebros.local import ports
from zebros.local.home import Home
from zebros.regions.pair import Network, Pair

EAST, WEST = "us-east-1", "us-west-2"


class Platforms:
    """Both platforms, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.zebros = {EAST: Zebros(folder / "east"), WEST: Zebros(folder / "west")}
        self.pair = Pair(Home(self.zebros[EAST].home).pair)
        self.crms: dict[str, Crm] = {}

    def start(self) -> None:
        """Deploy the primary, then the secondary with the primary's tables."""
        self.up(EAST, "--second-region", WEST, *free_ports())
        self.up(WEST, "--primary-home", self.zebros[EAST].home, *free_ports())

    def use(self) -> None:
        """Use platforms that run already, while working on these tests."""
        self.crms = {region: Crm(zebros) for region, zebros in self.zebros.items()}

    def up(self, region: str, *options: object) -> None:
        """Start a region's platform; after the first start it needs no options."""
        self.zebros[region].up(*options)
        if region in self.crms:
            self.crms[region].http.close()
        self.crms[region] = Crm(self.zebros[region])

    def stop(self) -> None:
        """Stop what still runs."""
        for crm in self.crms.values():
            crm.http.close()
        for zebros in self.zebros.values():
            zebros("down", check=False)

    def operate(self, *words: object, check: bool = True) -> Any:
        """Run a command on the two regions; returns its JSON."""
        done = self.zebros[WEST]("--json", "region", *words, check=check)
        return json.loads(done.stdout) if check else done

    def cut(self, region: str) -> None:
        """Cut a region off from the other one and from the witness, or connect it ("")."""
        now = self.pair.network()
        self.pair.write_network(Network(now.shortest_s, now.longest_s, now.seed, region))

    def delays(self, shortest_s: float, longest_s: float, seed: int) -> None:
        """How long replication takes from now on."""
        self.pair.write_network(Network(shortest_s, longest_s, seed, self.pair.network().cut))

    def kill(self, region: str) -> None:
        """Kill all processes of a region's platform at once, functions included."""
        home = Home(self.zebros[region].home)
        known = [one for one in (home.supervisor(), *home.processes()) if one is not None]
        pids = [one.pid for one in known if one.alive]
        with_functions = [
            child.pid
            for pid in pids
            if psutil.pid_exists(pid)
            for child in psutil.Process(pid).children(recursive=True)
        ]
        # The supervisor first: it would start the others again.
        for pid in dict.fromkeys([*pids, *with_functions]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def items(self, region: str, table: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Everything in a region's table."""
        client = self.crms[region].client("dynamodb")
        name = self.crms[EAST].state["tables"][table]
        pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        return {
            (item["pk"]["S"], item["sk"]["S"]): item for page in pages for item in page["Items"]
        }


def free_ports() -> tuple[object, ...]:
    """Options of `zebros up`, so that it runs beside others."""
    return ("--port", ports.free_port(), "--issuer-port", ports.free_port())
