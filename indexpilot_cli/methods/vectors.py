"""What an exact index of vectors would have to read, tried on sampled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from indexpilot_cli.core.index import Reason


@dataclass(frozen=True, slots=True)
class ExactSearch:
    """What an exact index of vectors could do. ``intrinsic`` is mean² over twice the variance of their distances
    (Chavez et al., 2001), ``read`` the share of the rows that iDistance reads for the ``nearest`` neighbours.
    """

    vectors: int
    dimensions: int
    intrinsic: float
    read: float
    nearest: int
    pages: int

    @property
    def reason(self) -> Reason:
        """The figures as a clause."""
        text = (
            f"{self.vectors:,} vectors of {self.dimensions} dimensions, intrinsic dimension {self.intrinsic:.1f}:"
            f" an exact search by reference points would read {self.read:.0%} of the rows"
        )
        return Reason("intrinsic_dimension", text, "sample")


REFERENCES, _QUERIES, _ROUNDS, _MOST_VECTORS = 32, 40, 8, 4000


def exact_search(vectors: Sequence[Sequence[float]], rows: float, nearest: int = 10) -> ExactSearch | None:
    """What iDistance would read of so many rows, tried on a sample; None for fewer than 200 vectors of one length."""
    import numpy as np

    lengths = {len(v) for v in vectors}
    if len(vectors) < 200 or len(lengths) != 1 or lengths == {0}:
        return None
    chance = np.random.default_rng(0)
    points = np.asarray(vectors, dtype=float)
    points = points[chance.permutation(len(points))[: _MOST_VECTORS + _QUERIES]]
    queries, points = points[:_QUERIES], points[_QUERIES:]
    distances = np.linalg.norm(points[None, :, :] - queries[:, None, :], axis=2)
    spread = float(distances.var())
    intrinsic = float(distances.mean()) ** 2 / (2 * spread) if spread > 0 else 0.0
    references = points[chance.permutation(len(points))[:REFERENCES]]
    for _ in range(_ROUNDS):  # k-means, as the paper chooses its reference points
        own = np.linalg.norm(points[None, :, :] - references[:, None, :], axis=2).argmin(axis=0)
        means = [points[own == n].mean(axis=0) if (own == n).any() else r for n, r in enumerate(references)]
        references = np.asarray(means)
    to_points = np.linalg.norm(points[None, :, :] - references[:, None, :], axis=2)
    own = to_points.argmin(axis=0)
    kept = to_points[own, np.arange(len(points))]
    to_queries = np.linalg.norm(queries[None, :, :] - references[:, None, :], axis=2)
    radii = _radii(np.sort(distances, axis=1), nearest / max(rows, 1.0), max(intrinsic, 1.0))
    read = [float((abs(to_queries[own, n] - kept) <= radius).mean()) for n, radius in enumerate(radii)]
    return ExactSearch(len(vectors), lengths.pop(), intrinsic, sum(read) / len(read), nearest, 0)


def _radii(ordered: Any, share: float, dimension: float) -> list[float]:
    """Distance of the last neighbour wanted from each query: a quantile, or less than the least that was seen."""
    place = share * ordered.shape[1]
    if place >= 1:
        return [float(row[min(int(place), len(row) - 1)]) for row in ordered]
    return [float(row[0]) * place ** (1 / dimension) for row in ordered]
