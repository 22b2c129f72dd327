"""What the catalog means, decided without a server."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.mutation import Event, IndexFacts, MutationType, OperationState
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.execute import build
from indexpilot_cli.execute.build import CatalogVerdict

TABLE = QualifiedName("public", "orders")
INDEX = QualifiedName("public", "orders_a_ip_idx")
FOUND = IndexFacts(oid=20, name=INDEX, table=TABLE, relid=10, ddl="CREATE INDEX …", valid=True, ready=True)
INVALID = replace(FOUND, valid=False)
PARENT = replace(FOUND, valid=False, partitioned=True)


def event(kind="create_index", **details):
    facts = {"kind": kind} | details
    return Event("op", MutationType.CREATE_INDEX, OperationState.STARTED, TABLE, INDEX, 10, details=facts)


@pytest.mark.parametrize(
    ("found", "same", "only", "state"),
    [
        (None, False, False, OperationState.FAILED_CLEAN),
        (FOUND, True, False, OperationState.VALID),
        (FOUND, False, False, OperationState.CONFLICT),
        (replace(FOUND, relid=11), True, False, OperationState.CONFLICT),
        (INVALID, True, False, OperationState.FAILED_LEFTOVER),
        (replace(FOUND, ready=False), True, False, OperationState.FAILED_LEFTOVER),
        (replace(FOUND, live=False), True, False, OperationState.FAILED_LEFTOVER),
        (PARENT, True, True, OperationState.VALID),
        (INVALID, True, True, OperationState.FAILED_LEFTOVER),
    ],
)
def test_the_catalog_alone_decides_how_a_build_ended(found, same, only, state):
    assert build.after_build(found, 10, same=same, only=only) is state


@pytest.mark.parametrize(
    ("event", "found", "same", "busy", "verdict"),
    [
        (event(), INVALID, True, True, CatalogVerdict.LEAVE),
        (event(), replace(INVALID, builder=77), True, False, CatalogVerdict.LEAVE),
        (event(), None, False, False, CatalogVerdict.ABSENT),
        (event(), FOUND, True, False, CatalogVerdict.VALID),
        (event(), INVALID, True, False, CatalogVerdict.CLEAN),
        (event(), FOUND, False, False, CatalogVerdict.CONFLICT),
        (event(), INVALID, False, False, CatalogVerdict.CONFLICT),
        (event(), PARENT, True, False, CatalogVerdict.UNFINISHED),
        (event("attach_index"), FOUND, True, False, CatalogVerdict.ABSENT),
        (event("attach_index"), replace(FOUND, attached=INDEX), True, False, CatalogVerdict.VALID),
        (event("drop_index", oid=20), None, False, False, CatalogVerdict.VALID),
        (event("drop_index", oid=20), FOUND, True, False, CatalogVerdict.ABSENT),
        (event("drop_index", oid=20), INVALID, True, False, CatalogVerdict.FINISH),
        (event("drop_index", oid=21), INVALID, True, False, CatalogVerdict.CONFLICT),
    ],
)
def test_what_becomes_of_an_open_operation(event, found, same, busy, verdict):
    assert build.open_operation(event, found, same=same, busy=busy) is verdict


facts = st.builds(
    lambda valid, ready, live, relid, builder, partitioned: replace(
        FOUND, valid=valid, ready=ready, live=live, relid=relid, builder=builder, partitioned=partitioned
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([10, 11]),
    st.sampled_from([None, 5]),
    st.booleans(),
)


@given(st.none() | facts, st.booleans(), st.booleans(), st.sampled_from(["create_index", "drop_index", "attach_index"]))
def test_nothing_is_removed_that_is_not_ours_or_still_works(found, same, busy, kind):
    verdict = build.open_operation(event(kind, oid=20), found, same=same, busy=busy)
    if verdict in (CatalogVerdict.CLEAN, CatalogVerdict.FINISH):
        assert found is not None and same and not busy
        assert not build.is_usable(found) and found.builder is None and not found.partitioned


def test_the_tag_names_its_operation():
    assert build.tagged(build.tag("abc")) == "abc"
    assert build.tagged("indexpilot: by hand") == "by"
    assert build.tagged("somebody's words") is None
    assert build.tagged("indexpilot:") is None
    assert build.tagged(None) is None
