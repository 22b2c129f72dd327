"""Boxes and nearest rows: what is told apart, from values alone."""

import random
from dataclasses import replace

import pytest

from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.idistance import IDistance, SpatialPattern, spatial_uses
from indexpilot_cli.core.catalog import OperatorClass
from indexpilot_cli.core.ddl import summary
from indexpilot_cli.core.index import Proposal
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.core.plan import Effect
from indexpilot_cli.core.samples import NoSamples, PageSample, SampledPage, Samples
from indexpilot_cli.core.workload import Atom, AtomKind
from indexpilot_cli.host.algorithms.study import NoPlanner
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.settings.features import FeatureSettings
from tests.unit.advise.candidates.builders import atom, catalog, column, stats, table, template, use

PLACES = table("places", column("x", "int", statistics=stats()), column("Y y", "int", statistics=stats()))
GIST_OF_INTS = OperatorClass("gist", "gist_int4_ops", "int4", True, ("=", "<", ">"))


class Sampled(Samples):
    """Points made by a function."""

    def __init__(self, point, rows=3000):
        points = [point(random.Random(n)) for n in range(rows)]
        pages = [SampledPage(1, n, tuple(points[n * 50 : n * 50 + 50])) for n in range(rows // 50)]
        self.sample = PageSample(PLACES.name, ("x", "Y y"), tuple(pages), 1000)

    def of(self, name):
        return self.sample if name == QualifiedName("public", "places") else None


def side(name, low, high):
    text = f'"{name}" BETWEEN {low} AND {high}'
    return Atom(AtomKind.RANGE, "between", name, constant=f"{low} AND {high}", sql=text)


BOX = template(use("places", side("x", 100, 200), side("Y y", 300, 400)))


def proposed(samples, made=BOX, classes=(), **keys):
    features = FeatureSettings()
    features = replace(features, idistance=replace(features.idistance, **keys))
    shop = replace(catalog(PLACES), operator_classes=classes)
    study = Study(shop, (made,), features, samples, NoPlanner(), Sizes(shop))
    found = IDistance().propose(study, Proposal(()))
    return [summary(c.definition) for c in found.value.candidates], found.findings


def uniform(chance):
    return chance.randrange(1000), chance.randrange(1000)


def diagonal(chance):
    place = chance.randrange(1000)
    return place, place


def test_a_box_of_independent_columns_gets_both_as_keys():
    names, (finding,) = proposed(Sampled(uniform))
    assert len(names) == 1 and names[0] in ('places (x, "Y y")', 'places ("Y y", x)')
    assert finding.effect is Effect.ADDED and "together" in finding.evidence[0].text


def test_columns_that_say_the_same_get_none():
    """Of x between 100 and 400 and y = x between 100 and 400 one is as good as both."""
    same = template(use("places", side("x", 100, 400), side("Y y", 100, 400)))
    assert proposed(Sampled(diagonal), same) == ([], ())


def test_gist_only_between_clumps_and_where_it_has_classes():
    assert not any("gist" in name for name in proposed(Sampled(uniform), classes=(GIST_OF_INTS,))[0])
    assert any("gist" in name for name in proposed(Sampled(diagonal), classes=(GIST_OF_INTS,))[0])
    assert not any("gist" in name for name in proposed(Sampled(diagonal))[0])


def test_without_a_sample_shares_are_taken_as_independent():
    names, (finding,) = proposed(NoSamples())
    assert names and "as if independent" in finding.evidence[0].text and finding.pages == 0


@pytest.mark.parametrize("key", [{"min_table_rows": 10**9}, {"min_suitability": 1.0}])
def test_keys_keep_it_out(key):
    assert proposed(Sampled(uniform), **key)[0] == []


def test_patterns_are_told_apart():
    near = use("places", atom(AtomKind.DISTANCE, "<->", "x"), limited=True)
    made = (BOX, template(near), template(use("places", side("x", 1, 2))))
    shop = catalog(PLACES)
    study = Study(shop, made, FeatureSettings(), NoSamples(), NoPlanner(), Sizes(shop))
    assert [u.pattern for u in spatial_uses(study)] == [SpatialPattern.BOX, SpatialPattern.NEAREST]
