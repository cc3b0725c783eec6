"""A cache in memory with a clock of its own, for tests of what uses the port."""

from kernel.cache.port import Bucket


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class MemoryCache:
    """The cache port on a dictionary."""

    configured = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.stored: dict[str, tuple[bytes, float]] = {}
        self.sets: dict[str, set[str]] = {}

    def get(self, key: str) -> bytes | None:
        value, until = self.stored.get(key, (b"", 0.0))
        return value if self._clock() < until else None

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        assert ttl_ms > 0, "Valkey refuses it"
        self.stored[key] = value, self._clock() + ttl_ms / 1000

    def claim(self, key: str, ttl_ms: int) -> bool:
        if self.get(key) is not None:
            return False
        self.put(key, b"", ttl_ms)
        return True

    def forget(self, key: str) -> None:
        self.stored.pop(key, None)

    def take_token(self, key: str, per_second: float, burst: int) -> Bucket | None:
        return None

    def count(self, key: str, member: str, ttl_s: int) -> int:
        members = self.sets.setdefault(key, set())
        before = len(members)
        members.add(member)
        return len(members) - before

    def size(self, key: str) -> int | None:
        return len(self.sets.get(key, ()))
