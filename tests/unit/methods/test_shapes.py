"""Sizes of GiST indexes over shapes, which hold boxes and not the shapes."""

import pytest

from indexpilot_cli.core.catalog import Column, ColumnStatistics
from indexpilot_cli.core.index import GIST, IndexDefinition, IndexKey
from indexpilot_cli.methods.size import estimate
from tests.unit.advise.candidates.builders import catalog, table


@pytest.mark.parametrize(("kind", "built"), [("geometry", 304), ("geography", 528)])
@pytest.mark.parametrize("width", [32, 400])
def test_boxes_are_as_large_whatever_the_shape(kind, built, width):
    places = table(
        "places", Column("geom", 1, kind, kind, "U", statistics=ColumnStatistics(0.0, width, -1.0)), rows=60_000
    )
    index = IndexDefinition(places.name, (IndexKey(column="geom"),), method=GIST)
    assert estimate(index, places, catalog(places)).pages == pytest.approx(built, rel=0.1)
