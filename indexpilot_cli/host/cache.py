"""A small cache that forgets by time and by age."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most ``size`` values, each for ``seconds``; the least recently used goes first. Safe for threads."""

    def __init__(self, seconds: float, size: int, clock: Callable[[], float] = time.monotonic):
        self.seconds = seconds
        self.size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._generation = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The cached value, or a new one from ``make``; one made before a ``clear`` is given but not kept."""
        with self._lock:
            found = self._values.get(key)
            if found is not None and self._clock() - found[0] < self.seconds:
                self._values.move_to_end(key)
                return found[1]
            generation = self._generation
        value = make()
        with self._lock:
            if generation == self._generation and self.seconds > 0:
                self._values[key] = (self._clock(), value)
                self._values.move_to_end(key)
                while len(self._values) > self.size:
                    self._values.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._generation += 1

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)
