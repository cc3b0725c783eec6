"""The local cloud: a pinned AWS emulator, patched in-process where it differs from AWS.

`python -m zebros.emulator --port N --home DIR` runs it. The docstring of each patch describes the
fault and the fix, `apply()` applies it, and a test compares the unpatched with the patched
emulator.
"""
