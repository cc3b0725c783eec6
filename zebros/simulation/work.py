"""The numbers of work.toml."""

from collections.abc import Mapping
from pathlib import Path

from zebros.costs.toml_file import number, read
from zebros.errors import BadInput

FILE = Path(__file__).with_name("work.toml")


def load_work(path: Path = FILE) -> Mapping[str, float]:
    """The numbers by name. Raises BadInput for a missing number, or one that is not above 0."""
    known = read(FILE)["values"]
    given = read(path).get("values", {})
    if unknown := sorted(given.keys() - known.keys()):
        raise BadInput(f"{path.name}: there is no value {unknown[0]}; one of {', '.join(known)}.")
    found = {}
    for name in known:
        value = number(given.get(name, {}).get("value"))
        if value is None or value <= 0:
            raise BadInput(f"{path.name}: {name} must have a number above 0.")
        found[name] = float(value)
    return found
