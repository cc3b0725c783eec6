"""What signals do to a process that has started others."""

import signal


def stop_on_signals() -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C, and Ctrl-C also in a script's background.

    A shell without job control starts background commands with SIGINT ignored, and Python keeps
    that; then `kill -INT` would not stop the CRM.
    """

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)


def ignore_signals() -> None:
    """Ignore signals while stopping, so that a second Ctrl-C leaves no part running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
