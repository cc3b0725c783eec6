"""The cloud on a laptop: the pinned emulator, mended in-process where it departs from AWS.

`python -m zebros.emulator --port N --home DIR` runs it. Each module that mends something says in
its docstring what the stock fault is, mends it in `apply()`, and has a test that shows both.
"""
