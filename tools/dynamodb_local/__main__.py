"""Runs a command with a DynamoDB Local. Exits with its status, or 69 when it is not available."""

import os
import subprocess
import sys

from tools.dynamodb_local import VARIABLE, Missing, dynamodb_local


def main() -> int:
    """Start DynamoDB Local, run the command, and stop it."""
    try:
        with dynamodb_local() as url:
            return subprocess.run(sys.argv[1:], env={**os.environ, VARIABLE: url}).returncode
    except Missing as fault:
        print(fault, file=sys.stderr)
        return os.EX_UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main())
