"""Identifiers without a system call each.

Stock cost: the emulator makes six UUIDs a write, each from the operating system's source of
randomness; every such call also gives the interpreter away to another thread.

Mended: version 4 UUIDs from a generator seeded once. They name messages, records and requests
of a platform on 127.0.0.1; nothing is kept secret by them.
"""

import random
import uuid

from zebros.emulator.seams import module, replace


def apply() -> None:
    """Make identifiers our way."""
    bits = random.Random().getrandbits  # noqa: S311

    def fast() -> uuid.UUID:
        return uuid.UUID(int=bits(128), version=4)

    def text() -> str:
        number = bits(128) & ~(0xF000 << 64) & ~(0xC000 << 48) | (4 << 76) | (2 << 62)
        digits = f"{number:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    replace(uuid, "uuid4", fast)
    replace(module("core.responses"), "new_uuid", text)
