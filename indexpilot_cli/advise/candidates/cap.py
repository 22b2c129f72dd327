"""Only so many candidates of a table are priced: those that serve most, and every template if possible."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from indexpilot_cli.advise.candidates.merge import set_aside
from indexpilot_cli.advise.candidates.site import Draft, Site
from indexpilot_cli.core.candidate import Rejection
from indexpilot_cli.core.index import IndexDefinition

_SIZE_POWER = 0.3  # how much a larger index counts against itself


def capped(
    site: Site, drafts: Sequence[Draft], limit: int, size: Callable[[IndexDefinition], float] | None = None
) -> tuple[tuple[Draft, ...], tuple[Rejection, ...]]:
    """At most ``limit`` drafts in their order, and rejections for the rest.

    Chosen greedily by the weight of their templates, where a template counts 1/(1+n) when n chosen drafts
    already serve it, divided by a low power of the size: lazy greedy, since scores only fall.
    """
    if len(drafts) <= limit:
        return tuple(drafts), ()
    chosen = _greedy(drafts, limit, size)
    detail = f"only the {limit} most promising candidates of a table are looked at closely"
    gone = tuple(set_aside(site, d, "over_limit", detail) for n, d in enumerate(drafts) if n not in chosen)
    return tuple(d for n, d in enumerate(drafts) if n in chosen), gone


def _greedy(drafts: Sequence[Draft], limit: int, size: Callable[[IndexDefinition], float] | None) -> frozenset[int]:
    weights = [{d.template: d.weight for d in draft.demands} for draft in drafts]
    penalty = [max(size(d.definition), 1.0) ** -_SIZE_POWER if size else 1.0 for d in drafts]
    served: dict[str, int] = {}

    def score(number: int) -> float:
        return penalty[number] * sum(w / (1 + served.get(t, 0)) for t, w in weights[number].items())

    queue = [(-score(n), n) for n in range(len(drafts))]
    heapq.heapify(queue)
    chosen: set[int] = set()
    while queue and len(chosen) < limit:
        _, number = heapq.heappop(queue)
        now = -score(number)
        if queue and now > queue[0][0]:
            heapq.heappush(queue, (now, number))
            continue
        chosen.add(number)
        for template in weights[number]:
            served[template] = served.get(template, 0) + 1
    return frozenset(chosen)
