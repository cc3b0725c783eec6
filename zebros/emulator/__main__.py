"""`python -m zebros.emulator`: runs the patched emulator until SIGTERM."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from zebros.emulator.settings import Settings


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM. Exits with a message when the port is in use."""
    options = argparse.ArgumentParser(prog="python -m zebros.emulator", description=__doc__)
    options.add_argument("--port", type=int, required=True, help="The port on 127.0.0.1.")
    options.add_argument("--home", type=Path, required=True, help="The folder of its state.")
    options.add_argument("--snapshot", type=float, default=Settings.snapshot_s, metavar="SECONDS")
    options.add_argument("--workers", type=int, default=Settings.workers, metavar="N")
    options.add_argument("--sample", type=float, default=Settings.sample_s, metavar="SECONDS")
    options.add_argument("--region", default=Settings.region, help="The AWS region it plays.")
    options.add_argument("--pair", type=Path, help="The folder it shares with another region's.")
    arguments = options.parse_args(argv)
    home, sample = arguments.home.resolve(), arguments.sample
    settings = Settings(
        arguments.port,
        home,
        arguments.snapshot,
        arguments.workers,
        sample,
        arguments.region,
        arguments.pair and arguments.pair.resolve(),
    )
    settings.prepare()
    from zebros.emulator import patches, server  # the emulator reads the environment at import

    patches.apply(settings)
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    server.run(settings)


if __name__ == "__main__":
    main()
