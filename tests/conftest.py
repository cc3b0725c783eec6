"""Settings of all tests."""

import os

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
