"""Run a command beside a DynamoDB Local. Exits with its status; 69: there is none to be had."""

import os
import subprocess
import sys

from tools.dynamodb_local import VARIABLE, Missing, dynamodb_local


def main() -> int:
    """Start it, run the command, stop it."""
    try:
        with dynamodb_local() as url:
            return subprocess.run(sys.argv[1:], env={**os.environ, VARIABLE: url}).returncode
    except Missing as fault:
        print(fault, file=sys.stderr)
        return os.EX_UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main())
