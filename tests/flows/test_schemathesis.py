"""The OpenAPI document against the running API: no server error, no answer outside the schema."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from tests.flows.conftest import ROOT, Crm

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
schema = schemathesis.openapi.from_dict(DOCUMENT)
# The test sends a valid token; requests without one are tested in test_api_sweeps.py.
schema.config.generation.update(with_security_parameters=False)


@pytest.fixture(scope="session")
def token(crm: Crm) -> str:
    return crm.token()


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_conforms_to_its_document(case: schemathesis.Case, crm: Crm, token: str) -> None:
    case.call_and_validate(
        base_url=crm.state["api"],
        headers={"Authorization": f"Bearer {token}"},
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.checks.status_code_conformance,
            schemathesis.checks.content_type_conformance,
            schemathesis.checks.response_schema_conformance,
            schemathesis.checks.response_headers_conformance,
        ],
    )
