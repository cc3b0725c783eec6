"""The process's cache, as its environment configures it; made once, connected at first use."""

from functools import cache

from kernel.cache.port import Cache, NoCache
from kernel.cache.reading import CachedReads
from kernel.runtime.settings import CacheSettings, read_settings


@cache
def shared_cache() -> Cache:
    """The cache that CACHE_ENDPOINT names, or none."""
    settings = read_settings(CacheSettings)
    if not settings.cache_endpoint:
        return NoCache()
    # Not at the top: a deployment without a cache must not import the client.
    from kernel.cache.valkey_cache import ValkeyCache

    return ValkeyCache(settings.cache_endpoint, lambda: _password(settings.cache_secret_arn))


@cache
def cached_reads() -> CachedReads:
    """Reads through the process's cache."""
    return CachedReads(shared_cache())


def _password(secret_arn: str) -> str | None:
    """The cache's password from Secrets Manager; a server without one has no secret."""
    if not secret_arn:
        return None
    from kernel.runtime.aws import client  # the authorizer needs no other client

    secret = client("secretsmanager", impatient=True).get_secret_value(SecretId=secret_arn)
    return str(secret["SecretString"])
