"""What every test may use."""

import os

from hypothesis import settings

# botocore must never look for real credentials, and moto must see no endpoint of ours.
for name, value in {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
}.items():
    os.environ[name] = value

# A busy machine is no failure: how long an example takes is measured by the benchmarks.
settings.register_profile("zebros", deadline=None)
settings.load_profile("zebros")
