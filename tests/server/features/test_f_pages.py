"""F6: what algorithms make of the pages they read, on tables where it decides."""

from dataclasses import replace

import pytest

from indexpilot_cli.advise.values import RecommendRequest
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.samples import PageSamples
from indexpilot_cli.db.session import open_session
from indexpilot_cli.settings.algorithms import PgmIndexSettings
from indexpilot_cli.settings.features import FeatureSettings
from tests.server.requesting import filled, queries

ROWS = 25_000
KEYS = {
    '"Far ""Keys"""': f"CASE WHEN n % 200 = 0 THEN (n::bigint * 7919 % {ROWS})::int ELSE n END",
    "loaders": f"n % 3 * {ROWS // 3} + n / 3",
    "scattered": f"(n::bigint * 7919 % {ROWS})::int",
}
TABLES = "".join(
    f"""CREATE TABLE {name} (k int, pad text);
INSERT INTO {name} SELECT {key}, repeat('x', 420) FROM generate_series(0, {ROWS - 1}) n;
"""
    for name, key in KEYS.items()
)
BUDGET = 200_000  # bytes: less than a B-tree takes
SMALL = PgmIndexSettings(min_rows=10_000)


@pytest.fixture(scope="module")
def keyed(pg):
    with filled(pg, *TABLES.split(";\n"), "ANALYZE") as found:
        yield found


def advised(place, table, features):
    """The plan within the budget for a range of a hundredth of the table's keys."""
    wanted = queries(f"SELECT count(pad) FROM {table} WHERE k BETWEEN 12000 AND 12250")
    more = {"workload": wanted, "planner": place.planner, "features": features, "budget_bytes": BUDGET}
    return place.ask(RecommendRequest, **more).result


@pytest.mark.parametrize(
    ("table", "without", "judged", "effect"),
    [
        ('"Far ""Keys"""', ["brin"], ["brin int4_minmax_multi_ops"], Effect.RETYPED),
        ("loaders", [], ["brin int4_minmax_multi_ops"], Effect.ADDED),
        ("scattered", [], [], None),
    ],
)
def test_f6_brin_goes_by_the_pages_it_would_read(keyed, own_places, table, without, judged, effect):
    def chosen(plan):
        found = [r.definition for r in plan.recommendations]
        return [f"{d.method} {d.keys[0].operator_class or ''}".rstrip() for d in found]

    off = advised(keyed, table, FeatureSettings(pgm_index=replace(SMALL, enabled=False)))
    on = advised(keyed, table, FeatureSettings(pgm_index=SMALL))
    assert chosen(off) == without and not off.findings
    assert chosen(on) == judged
    assert {f.effect for f in on.findings} == ({effect, Effect.REPRICED} if effect else set())
    assert all(f.algorithm == "pgm_index" and 0 < f.pages <= 300 for f in on.findings)


def test_f6_the_keys_of_the_settings_decide(keyed, own_places):
    fewer = FeatureSettings(pgm_index=replace(SMALL, min_rows=ROWS + 1))
    assert not advised(keyed, "loaders", fewer).findings
    most = FeatureSettings(pgm_index=replace(SMALL, min_suitability=0.9999))
    removed = advised(keyed, '"Far ""Keys"""', most)
    assert not removed.recommendations and [f.effect for f in removed.findings] == [Effect.REMOVED]
    assert "low_selectivity" in {r.reason for r in removed.rejections}
    wide = FeatureSettings(pgm_index=replace(SMALL, pages=480))
    (found,) = (f for f in advised(keyed, "loaders", wide).findings if f.effect is Effect.ADDED)
    assert found.pages <= 480


class _Older:
    """A session that says it is of version 13, where no scan goes by a range of addresses."""

    version = 130000

    def __init__(self, session):
        self.transaction, self.rows = session.transaction, session.rows


def test_f6_ranges_are_whole_pages_on_every_version(keyed):
    with open_session(keyed.dsn) as session:
        catalog = read_catalog(session)
        asked = (QualifiedName("public", "loaders"), ("k", "pad"), 16, 3)
        found = PageSamples(session, catalog, {}).ranges(*asked)
        assert found == PageSamples(_Older(session), catalog, {}).ranges(*asked)
        where = "SELECT array_agg(k) FROM loaders WHERE (ctid::text::point)[0] BETWEEN %s AND %s"
        for whole in found["k"]:
            for place, unit in enumerate(whole.units):
                first = whole.first + 8 * place
                assert sorted(unit) == sorted(session.value(where, (first, first + 7)))
    assert set(found) == {"k"} and len(found["k"]) == 3
