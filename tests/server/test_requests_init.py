"""``init`` asked by a request: what the other tests of it leave out."""

import pytest

from indexpilot_cli.admin.init import InitRequest
from indexpilot_cli.errors import IndexPilotError
from tests.server.requesting import QUIET, checks


def test_a_role_that_may_make_no_schema_is_told_what_to_grant(bare):
    poor = bare.role("requests_poor")
    database = bare.sql("SELECT current_database()")[0][0]
    outcome = poor.ask(InitRequest, check=True, record=QUIET)
    (found,) = checks(outcome, "privileges")
    assert (found.state, found.fix) == ("error", f"GRANT CREATE ON DATABASE {database} TO requests_poor;")
    assert (outcome.status, outcome.exit_code, outcome.next) == ("findings", 3, ("indexpilot init",))
    with pytest.raises(IndexPilotError) as raised:
        poor.ask(InitRequest, record=QUIET)
    assert raised.value.code == "privilege_missing"
    assert bare.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'indexpilot'") == []


def test_checks_of_a_database_that_has_everything(analyzed_shop):
    outcome = analyzed_shop.ask(InitRequest, check=True, record=QUIET)
    (metadata,) = checks(outcome, "metadata")
    assert metadata.state == "ok" and checks(outcome, "privileges") == []
    assert (outcome.status, outcome.exit_code, outcome.next) == ("ok", 0, ("indexpilot discover",))
    assert outcome.result.planned == outcome.result.sql == ()
