"""The transcripts of ``test_pins`` that need a server; a file of their own, so that another process runs them."""

import pytest

from tests.cli.pinned import SCENARIOS
from tests.cli.test_pins import check_transcript, shop_dsn  # noqa: F401 - a fixture


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.server])
def test_transcript(name, request):
    check_transcript(name, request)
