"""`sam validate --lint` of many templates in one process: most of its time is its start."""

import sys

from samcli.cli.main import cli


def main(templates: list[str]) -> int:
    """The first exit code that is not 0."""
    for template in templates:
        try:
            cli.main(["validate", "--lint", "--template", template], prog_name="sam")
        except SystemExit as ended:
            if ended.code:
                return int(ended.code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
