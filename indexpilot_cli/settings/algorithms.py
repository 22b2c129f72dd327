"""``features.<algorithm>``: the switch of each published algorithm, and what it goes by."""

from __future__ import annotations

from dataclasses import dataclass

from indexpilot_cli.settings.rules import count, key, share, switch


@dataclass(frozen=True, slots=True)
class PgmIndexSettings:
    """``features.pgm_index.*``: BRIN indexes by the pages that they would read."""

    enabled: bool = switch("judge BRIN indexes by sampled ranges of pages")
    min_rows: int = count(100_000, "rows of a table from which its pages are sampled")
    min_suitability: float = share(0.5, "least share of the table that a BRIN scan has to spare")
    pages: int = count(300, "pages of a table that may be read; from 480 on ranges of more than 8 are looked at", low=8)


@dataclass(frozen=True, slots=True)
class BxTreeSettings:
    """``features.bx_tree.*``: indexes for times and for intervals of validity."""

    enabled: bool = switch("look for times in the order of the rows, and for intervals that hold a moment")
    min_table_size: int = key(2 * 1024**2, "size of a table from which its times are looked at", low=0, unit="bytes")
    min_temporal_queries: float = key(1.0, "calls of statements that compare a time column, at least", low=0)
    min_suitability_score: float = share(0.5, "least share of the table that a BRIN scan has to spare")


@dataclass(frozen=True, slots=True)
class PredictiveIndexingSettings:
    """``features.predictive_indexing.*``: forecasts of calls, and outcomes of like indexes."""

    enabled: bool = switch("weigh templates by forecasts of their calls, and indexes by what like ones really did")
    weight: float = share(0.8, "most that forecasts and measured outcomes count against the present and the planner")
    use_historical_data: bool = switch("go by measured outcomes of like indexes in the log")


@dataclass(frozen=True, slots=True)
class XgboostSettings:
    """``features.xgboost.*``: a model of measured outcomes."""

    enabled: bool = switch("hold indexes of which a model of measured outcomes expects no gain", default=False)
    weight: float = share(0.5, "most that a model of measured outcomes counts against the planner")


@dataclass(frozen=True, slots=True)
class CertSettings:
    """``features.cert.*``: the planner's estimates held against counted rows."""

    enabled: bool = switch(
        "hold the planner's row estimates against counted rows, and mend statistics first", default=False
    )
    max_error_pct: float = key(10.0, "per cent by which an estimate may miss what a sample of rows allows", low=0)


@dataclass(frozen=True, slots=True)
class RadixStringSplineSettings:
    enabled: bool = switch("hash indexes of long strings, and what would do with less of them")
    min_table_size: int = count(1000, "rows from which a hash index of a table is offered")
    min_cardinality_ratio: float = share(0.1, "least share of the rows with strings of their own")
    min_avg_string_length: int = count(40, "bytes that the strings have on average, at least")
    min_suitability_score: float = share(0.1, "least share of a B-tree's size that the hash index saves")


@dataclass(frozen=True, slots=True)
class AlexSettings:
    enabled: bool = switch("room in new B-trees where keys come in spread")
    write_heavy_threshold: float = share(0.1, "share of a table's statements that write, from which room is kept")
    dynamic_workload_threshold: float = share(
        0.2, "distance of new keys' distribution from that of old ones (Kolmogorov-Smirnov) from which it drifts"
    )


@dataclass(frozen=True, slots=True)
class IDistanceSettings:
    enabled: bool = switch("indexes for the nearest rows and for boxes of ranges")
    min_table_rows: int = count(1000, "rows from which such an index of a table is offered")
    min_suitability: float = share(0.5, "least share of the rows read without it that it spares")


@dataclass(frozen=True, slots=True)
class CortexSettings:
    """``features.cortex.*``: columns that follow from others."""

    enabled: bool = switch(
        "leave out keys that other keys decide, and reach columns through those they follow", default=False
    )


@dataclass(frozen=True, slots=True)
class FractalTreeSettings:
    """``features.fractal_tree.*``: what indexes cost the writes of their tables."""

    enabled: bool = switch("count what an index adds to writes against what it saves")
    write_heavy_threshold: float = share(0.5, "share of a table's statements that write, from which on it is heavy")
    min_queries: int = count(100, "statements that write a table, fewer are no pattern", low=1)
    min_table_size: int = key(1 << 20, "smaller tables are left out", low=0, unit="bytes")
    min_suitability_score: float = share(
        0.1, "share of a table's write time that an index adds, from which others count"
    )


@dataclass(frozen=True, slots=True)
class QpgSettings:
    """``features.qpg.*``: the plans that other parameter values get."""

    enabled: bool = switch("look for parameter values with plans of their own", default=False)
