"""The cloud on a laptop: the pinned emulator, patched in-process where it departs from AWS.

`python -m zebros.emulator --port N --home DIR` runs it. The docstring of each patch describes the
stock fault and the fix, `apply()` patches, and a test shows the emulator as shipped and patched.
"""
