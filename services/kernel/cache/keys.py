"""Keys of cached values: `zebros:<tenant>:<kind>:v<version>:<part>:...`, each part quoted."""

from urllib.parse import quote

_PREFIX = "zebros"


def cache_key(tenant_id: str, kind: str, version: int, *parts: str) -> str:
    """The key of one tenant's value, different for every tenant, kind, version and part."""
    # Quoted, because a part may come from a path and could otherwise name another key.
    quoted = (quote(part, safe="", errors="surrogatepass") for part in (tenant_id, kind, *parts))
    tenant, name, *rest = quoted
    return ":".join([_PREFIX, tenant, name, f"v{version}", *rest])
