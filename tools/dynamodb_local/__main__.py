"""Run a command beside a DynamoDB Local. Exits with the command's status; 3: there is none here."""

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
        return 3


if __name__ == "__main__":
    sys.exit(main())
