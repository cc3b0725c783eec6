"""Opaque list cursors: the key where the next page begins, signed for one tenant and one list.

A cursor that was changed, or that comes from another tenant, list or filter, is rejected.
"""

import base64
import hashlib
import hmac
import json
from functools import cache

from kernel.domain.errors import Invalid
from kernel.runtime.aws import client
from kernel.runtime.settings import CursorSettings, read_settings
from kernel.storage.table import Item

_SIGNATURE_BYTES = 16


@cache
def _secret() -> bytes:
    """The signing secret, read from Secrets Manager once per process."""
    arn = read_settings(CursorSettings).cursor_secret_arn
    return str(client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]).encode()


def _sign(tenant_id: str, scope: str, payload: bytes) -> bytes:
    message = f"{tenant_id}\n{scope}\n".encode() + payload
    return hmac.new(_secret(), message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def encode(tenant_id: str, scope: str, key: Item | None) -> str | None:
    """The cursor of the page after `key` in the list `scope`; None after the last page."""
    if key is None:
        return None
    payload = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_sign(tenant_id, scope, payload) + payload).decode().rstrip("=")


def decode(tenant_id: str, scope: str, cursor: str | None) -> Item | None:
    """The key in a cursor. Raises Invalid for one that this list did not return."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        signature, payload = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if hmac.compare_digest(signature, _sign(tenant_id, scope, payload)):
            key: Item = json.loads(payload)
            return key
    except ValueError:
        pass
    raise Invalid.field("cursor", "was not returned by this list; start again without a cursor")
