"""Indexes worth a look, and those that are not, each with its reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexpilot_cli.core.index import IndexDefinition


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact behind a decision. ``code`` is a stable word; ``text`` is a clause without a full stop.

    ``source`` says where the fact comes from: workload, pg_stats, catalog, planner, model, settings.
    """

    code: str
    text: str
    source: str = "workload"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible index: what it is, which templates asked for it and why.

    ``kind`` names the generator: equality, range, sort, join, group, covering, partial, expression, pattern,
    trigram, json, array, text_search, brin, gist, hash, foreign_key, tenant, merged.
    """

    definition: IndexDefinition
    kind: str
    templates: frozenset[str] = frozenset()
    reasons: tuple[Reason, ...] = field(default=(), compare=False)

    @property
    def id(self) -> str:
        """The recommendation id of the structure."""
        return self.definition.id


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that will not be recommended. ``reason`` is a stable word, ``detail`` the sentence.

    Words: exists, covered_by, invalid_exists, not_indexable, too_small, low_selectivity, no_operator_class,
    extension_missing, function_mismatch, volatile, can_fail, write_cost, too_little_benefit, over_budget, over_limit,
    dominated, not_used, unsupported_relation, too_wide, correlated, hold, fewer_indexes, ignored,
    not_modelled.
    ``subject`` reads like an index (``orders (status)``) also when there is no definition.
    """

    subject: str
    reason: str
    detail: str
    definition: IndexDefinition | None = None
    by: str | None = None
    templates: frozenset[str] = frozenset()
    benefit: float | None = None

    @property
    def id(self) -> str | None:
        """The recommendation id, where there is a definition."""
        return self.definition.id if self.definition else None


@dataclass(frozen=True, slots=True)
class Proposal:
    """All candidates and everything set aside while generating them."""

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...] = ()
