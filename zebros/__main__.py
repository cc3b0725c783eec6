"""`python -m zebros` is the command `zebros`."""

import sys

from zebros.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
