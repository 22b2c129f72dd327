"""What the planner could not take over is told where it matters to the user's statements."""

import pytest

from indexpilot_cli.advise.assemble import _matters
from indexpilot_cli.core.estimator import NotModelled

NAMES = {"public.orders", 'public."Odd.Name"', "public.orders_lower_idx"}


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("TABLE", "public.orders", True),
        ("TABLE", "public.spatial_ref_sys", False),  # PostGIS's own
        ("TABLE", "indexpilot.plans", False),  # our own
        ("FOREIGN TABLE", "public.far_away", False),
        ("ROW SECURITY", "public.orders", True),
        ("ROW SECURITY", "public.not_read", False),
        ("STATISTICS", "public.orders.status", True),
        ("STATISTICS", 'public."Odd.Name"."a.b"', True),
        ("STATISTICS", "public.spatial_ref_sys.srid", False),
        ("STATISTICS", "public.orders_lower_idx", True),
        ("STATISTICS", "public.some_statistics_object", True),
        ("SEQUENCE", "public.orders_id_seq", False),
        ("EXTENSION", "postgis", True),
        ("FUNCTION", "public.f(integer)", True),
    ],
)
def test_only_what_a_statement_of_the_user_can_read(kind, name, told):
    assert _matters(NotModelled(name, kind, "no SELECT privilege"), NAMES) is told
