"""The SAM CLI as a deployment to this machine starts it: the same program, with faster libraries.

The SAM CLI parses every nested template several times with a YAML parser in Python, each time
validates SAM's own policy templates, and compresses packages thoroughly, as for a slow network.
Here libyaml parses the templates, the policy templates are validated once, and packages are
compressed as fast as possible. What is built and deployed is the same.

`python -m zebros.local.sam build` is `sam build`.
"""

import zipfile
from functools import cache
from typing import Any

import yaml

_FASTEST = 1


class Archive(zipfile.ZipFile):
    """An archive whose entries are compressed as fast as possible."""

    def writestr(self, *entry: Any, **options: Any) -> None:
        """Write an entry; see `zipfile.ZipFile.writestr`."""
        super().writestr(*entry, **{"compresslevel": _FASTEST, **options})


def quicken() -> None:
    """Exchange parser and archive, and keep the policy templates, in the whole process.

    Before the SAM CLI is imported: its classes derive from those of PyYAML.
    """
    if yaml.__with_libyaml__:
        vars(yaml).update(SafeLoader=yaml.CSafeLoader, SafeDumper=yaml.CSafeDumper)
    vars(zipfile).update(ZipFile=Archive)
    from samtranslator.translator import translator

    name = "make_policy_template_for_function_plugin"
    vars(translator)[name] = cache(getattr(translator, name))


def main() -> None:
    """Run the SAM CLI with the arguments of this process."""
    quicken()
    from samcli.cli.main import cli

    cli(prog_name="sam")


if __name__ == "__main__":
    main()
