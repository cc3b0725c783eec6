"""Settings of all tests."""

import os

import pytest
from hypothesis import settings

# botocore must not search for real credentials, and moto must not get the platform's endpoint.
for name, value in {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}.items():
    os.environ[name] = value

# A busy machine must not fail tests; benchmarks measure times.
settings.register_profile("zebros", deadline=None)
settings.load_profile("zebros")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests record with `record_property("figure", …)`."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    figures = [text for one in reports for name, text in one.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(map(str, figures)))
