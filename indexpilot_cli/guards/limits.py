"""Bounds of the guards that no setting names."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Ages and lags in seconds, sizes in bytes, transaction ids in transactions.

    A transaction older than ``transaction_refuse`` stops a build before it starts, because the build would wait
    for its end with a half-made index. ``wraparound_refuse`` is 70 % of the two thousand million ids there are.
    ``spill`` is the room a build needs for sorting, as a share of the index; ``reserve`` stays free on the disk.
    """

    transaction_warn: float = 5.0
    transaction_refuse: float = 60.0
    lag_warn: float = 10.0
    lag_refuse: float = 60.0
    lag_bytes_warn: int = 256 * MIB
    lag_bytes_refuse: int = 2 * GIB
    wraparound_warn: int = 1_000_000_000
    wraparound_refuse: int = 1_500_000_000
    spill: float = 1.0
    reserve: int = 512 * MIB
    unseen_disk_warn: int = GIB
    remote_load_refuse: float = 2.0


DEFAULT = Limits()
