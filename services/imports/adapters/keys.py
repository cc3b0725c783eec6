"""The object keys of imports; they begin with their kind, by which the bucket's rules go."""


def upload_key(tenant_id: str, upload_id: str) -> str:
    """The key of an uploaded file."""
    return f"imports/{tenant_id}/{upload_id}/records.jsonl"


def checkpoint_key(tenant_id: str, run_id: str) -> str:
    """The key of how far a run is."""
    return f"imports/{tenant_id}/{run_id}/checkpoint.json"


def part_key(tenant_id: str, run_id: str, number: int) -> str:
    """The key of a part of the rejected lines, counted from 1."""
    return f"imports/{tenant_id}/{run_id}/rejected/{number}.jsonl"


def rejected_key(tenant_id: str, run_id: str) -> str:
    """The key of the file with all rejected lines of a run that has ended."""
    return f"imports/{tenant_id}/{run_id}/rejected.jsonl"
