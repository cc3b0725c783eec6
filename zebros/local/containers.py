"""The variables with which a function in a container uses the running platform.

`sam local invoke` reads a function's variables from the template, where they are references to
resources. `--env-vars FILE` replaces them by those of the deployed functions; addresses on
127.0.0.1 become those of the Docker bridge. SAM passes only variables that the template declares,
including AWS_ENDPOINT_URL.
"""

import json
from pathlib import Path
from typing import Any


def write(
    file: Path, functions: dict[str, str], client: Any, reached: dict[str, str]
) -> dict[str, dict[str, str]]:
    """Write the file for `--env-vars`; returns its content, by logical id.

    `functions` are deployed names by logical id, `client` is a Lambda client, `reached` maps each
    address on 127.0.0.1 to the one for containers.
    """
    endpoint = next(iter(reached.values()))
    content: dict[str, dict[str, str]] = {}
    for logical_id, name in sorted(functions.items()):
        deployed = client.get_function_configuration(FunctionName=name)
        variables = deployed.get("Environment", {}).get("Variables", {})
        content[logical_id] = {
            # The emulator returns numbers of a template as numbers; SAM passes only texts.
            key: _with_addresses(str(value), reached)
            for key, value in variables.items()
        }
        content[logical_id]["AWS_ENDPOINT_URL"] = endpoint
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def _with_addresses(value: str, reached: dict[str, str]) -> str:
    for here, there in reached.items():
        value = value.replace(here, there)
    return value
