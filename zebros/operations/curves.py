"""What Lambda Power Tuning has measured, for the scaling controller.

The output of the state machine has the measurements in the address of their picture: base64 of the
sizes (16-bit integers), durations and costs (32-bit floats), little-endian, between semicolons.
Source: `buildVisualizationURL` of aws-lambda-power-tuning 4.4.0.
"""

import base64
import binascii
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from zebros.errors import BadInput

_MAX_TEXT = 4096
"""Characters of a parameter of Systems Manager that costs nothing."""
type Points = tuple[tuple[int, float], ...]
"""Megabytes and milliseconds."""


def points_of(address: str) -> Points:
    """The measurements in the address of a picture, by size; none when it has none."""
    sizes, semicolon, rest = address.partition("#")[2].partition(";")
    durations = rest.partition(";")[0]
    if not semicolon:
        return ()
    megabytes = _numbers(sizes, "h")
    milliseconds = _numbers(durations, "f")
    if len(megabytes) != len(milliseconds):
        return ()
    pairs = zip(megabytes, milliseconds, strict=True)
    return tuple(sorted((int(size), round(time, 2)) for size, time in pairs if size > 0 < time))


def _numbers(text: str, kind: str) -> list[float]:
    """The numbers in a text of base64; none when it is no such text."""
    padded = text + "=" * (-len(text) % 4)
    try:
        data = base64.b64decode(padded, validate=True)
        return [one for (one,) in struct.iter_unpack(f"<{kind}", data)]
    except (binascii.Error, struct.error):
        return []


def parameter_name(stack: str) -> str:
    """Where the scaling controller of a stack reads the curves."""
    return f"{stack}-scaling-curves"


def store(systems: Any, stack: str, measured: Mapping[str, Points]) -> list[str]:
    """Store the curves beside those of other functions; returns whose curves there are now.

    Raises BadInput for functions without a usable measurement, and for more than fit.
    """
    for name, points in measured.items():
        if len(points) < 2:
            raise BadInput(
                f"The result of {name} has no measurements of several sizes.",
                hint="They are in `stateMachine.visualization` of the state machine's output.",
            )
    kept = _stored(systems, parameter_name(stack))
    found = {**kept, **{name: _text(name, points) for name, points in measured.items()}}
    text = _joined(found[name] for name in sorted(found))
    if len(text) > _MAX_TEXT:
        raise BadInput(
            f"The measurements have {len(text)} characters; at most {_MAX_TEXT} can be stored.",
            hint="Measure fewer sizes (`powerValues`).",
        )
    systems.put_parameter(
        Name=parameter_name(stack),
        Type="String",
        Overwrite=True,
        Description="What power tuning has measured: zebros tune --store",
        Value=text,
    )
    return sorted(found)


def _stored(systems: Any, name: str) -> dict[str, str]:
    try:
        text = str(systems.get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as fault:
        if fault.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return {}
    parts = [part.strip() for part in text.split(";") if part.strip()]
    return {part.split()[0]: part for part in parts}


def _text(name: str, points: Points) -> str:
    return " ".join([name, *(f"{size}={time:g}" for size, time in points)])


def _joined(parts: Iterable[str]) -> str:
    return " ".join(f"{part};" for part in parts)
