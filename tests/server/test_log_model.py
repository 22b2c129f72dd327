"""The log says what the catalog has, whatever happens: a few runs of the state machine, always the same.

INDEXPILOT_TEST_MODEL_SEED asks for fifty others, about a thousand steps.
"""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.server.modelling import LogModel, prepared

SEED = os.environ.get("INDEXPILOT_TEST_MODEL_SEED")


def test_the_log_says_what_the_catalog_has(pg):
    with prepared(pg.dsn, pg.database) as place:
        LogModel.place = place
        LogModel._hypothesis_internal_use_seed = None if SEED is None else int(SEED)
        given = settings(
            max_examples=8 if SEED is None else 50,
            stateful_step_count=20,
            derandomize=SEED is None,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        try:
            run_state_machine_as_test(LogModel, settings=given)
        finally:
            print("steps", LogModel.steps)
