"""Token buckets of the interceptor: one for each template and each tenant, in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_MOST = 10_000
MINUTE = 60.0


class TokenBuckets:
    """Each key has a bucket of ``capacity`` tokens that gains as many, evenly, in a minute.

    The least recently used of more than 10,000 keys is forgotten, which fills its bucket.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic):
        self._capacity, self._clock = capacity, clock
        self._lock = threading.Lock()
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Take a token: 0.0, or the seconds until there is one."""
        with self._lock:
            now = self._clock()
            level, seen = self._levels.pop(key, (float(self._capacity), now))
            level = min(float(self._capacity), level + (now - seen) * self._capacity / MINUTE)
            wait = 0.0 if level >= 1 else (1 - level) * MINUTE / self._capacity
            self._levels[key] = (level if wait else level - 1, now)
            if len(self._levels) > _MOST:
                self._levels.popitem(last=False)
            return wait
