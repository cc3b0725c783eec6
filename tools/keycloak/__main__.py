"""Makes Keycloak's image, or only the server. Exits with 69 when something is missing."""

import argparse
import os
import sys
from collections.abc import Sequence

from tools import keycloak


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    options = argparse.ArgumentParser(prog="python -m tools.keycloak", description=__doc__)
    commands = options.add_subparsers(dest="command", required=True)
    commands.add_parser("server", help="Download and build the server; prints its folder.")
    image = commands.add_parser("image", help="Build the image (needs Docker).")
    image.add_argument("name", help="The image's name, repository:tag.")
    image.add_argument("--base", help="An image with Debian's apt, instead of Debian's own.")
    arguments = options.parse_args(argv)
    try:
        if arguments.command == "image":
            keycloak.image(arguments.name, arguments.base)
        else:
            print(keycloak.server())
    except keycloak.Missing as fault:
        print(fault, file=sys.stderr)
        return os.EX_UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
