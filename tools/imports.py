"""Checks the import-linter contracts of pyproject.toml for all contexts.

In a contract `@contexts` means every bounded context, `@contexts.model` that module of each. The
contexts are discovered by their manifests, so a new one needs no change here.
"""

import json
import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from importlinter.cli import lint_imports

from kernel.runtime.contexts import contexts
from tools.drift import ROOT

_EVERY = "@contexts"


def expanded(value: Any) -> Any:
    """The value with every list item `@contexts` replaced by the contexts."""
    if isinstance(value, dict):
        return {name: expanded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [one for item in value for one in _expanded_item(item)]
    return value


def _expanded_item(item: Any) -> list[Any]:
    if isinstance(item, str) and item.startswith(_EVERY):
        return [item.replace(_EVERY, name) for name in contexts()]
    return [expanded(item)]


def _toml(options: dict[str, Any]) -> str:
    """The options as TOML; its strings, lists and booleans have the same syntax as in JSON."""
    contracts = options.pop("contracts")
    lines = ["[tool.importlinter]", *(_line(name, one) for name, one in options.items())]
    for contract in contracts:
        lines += ["[[tool.importlinter.contracts]]"]
        lines += [_line(name, one) for name, one in contract.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    return f"{name} = {json.dumps(value)}"


def main() -> int:
    """Check the contracts; returns 0 when all pass."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT / "services"))
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "importlinter.toml"
        config.write_text(_toml(expanded(options)), encoding="utf-8")
        return lint_imports(str(config), no_cache=True, no_logo=True)


if __name__ == "__main__":
    sys.exit(main())
