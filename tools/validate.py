"""Runs `sam validate --lint` for many templates in one process, because its start is slow."""

import sys

from samcli.cli.main import cli


def main(templates: list[str]) -> int:
    """Validate the templates; returns the first exit code that is not 0."""
    for template in templates:
        try:
            cli.main(["validate", "--lint", "--template", template], prog_name="sam")
        except SystemExit as ended:
            if ended.code:
                return int(ended.code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
