"""The command line: arguments, options, and printing."""

from zebros.cli.app import build, main

__all__ = ["build", "main"]
