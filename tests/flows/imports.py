"""Imports as programs make them: upload, request, wait."""

from typing import Any

from tests.flows.conftest import Crm


def requested(crm: Crm, content: bytes, record_type: str, **who: str) -> dict[str, Any]:
    """Upload a file as a program would, and request its import; returns the run."""
    asked = crm("POST", "/imports/uploads", {"size_bytes": len(content)}, **who)
    assert asked.status_code == 201, asked.text
    upload = asked.json()
    sent = crm.http.put(upload["url"], content=content, headers=upload["headers"])
    assert sent.status_code == 200, sent.text
    body = {"upload_id": upload["upload_id"], "record_type": record_type}
    run = crm("POST", "/imports", body, **who)
    assert run.status_code == 202, run.text
    return dict(run.json())


def run_of(crm: Crm, run_id: str, **who: str) -> dict[str, Any]:
    return dict(crm("GET", f"/imports/{run_id}", **who).json())


def finished(crm: Crm, run_id: str, seconds: float = 180, **who: str) -> dict[str, Any]:
    return crm.finished(run_id, seconds, collection="/imports", **who)
