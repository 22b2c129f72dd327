"""Latencies as an HDR histogram: every value counted, with a relative error of at most 1/2048, in little memory.

The package hdrhistogram would want setuptools and pbr at run time, and writes a format that nothing here reads; this
is its bucketing (Tene: buckets of powers of two, each cut into equal parts) on Python's own floats.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

_PARTS = 1024  # of each power of two
_LEAST_MS = 1e-6


@dataclass(slots=True)
class LatencyHistogram:
    """Counts of milliseconds. Percentiles are values that were seen, rounded up a little."""

    counts: Counter[int] = field(default_factory=Counter)
    total_ms: float = 0.0
    most_ms: float = 0.0

    def record(self, ms: float) -> None:
        """Count one latency."""
        self.counts[_bucket(ms)] += 1
        self.total_ms += ms
        self.most_ms = max(self.most_ms, ms)

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return self.counts.total()

    @property
    def mean_ms(self) -> float:
        """Their mean; 0 when there are none."""
        return self.total_ms / self.count if self.counts else 0.0

    def percentile(self, share: float) -> float:
        """The least value that at least this share (0-1) of all latencies do not exceed; 0 when there are none."""
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return min(_end(bucket), self.most_ms)
        return self.most_ms


def _bucket(ms: float) -> int:
    mantissa, exponent = math.frexp(max(ms, _LEAST_MS))  # the mantissa is from 0.5 to 1
    return exponent * _PARTS + int((mantissa - 0.5) * 2 * _PARTS)


def _end(bucket: int) -> float:
    exponent, part = divmod(bucket, _PARTS)
    return math.ldexp(0.5 + (part + 1) / (2 * _PARTS), exponent)
