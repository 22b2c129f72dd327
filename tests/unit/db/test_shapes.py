"""The shape of a plan: blind to numbers and index names, sharp for everything else."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from indexpilot_cli.core.index import IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.plans import KnownIndex, PlanNames, constant_false, read_plan, relations, shape, walk

T = QualifiedName("public", "t")
COSTS = ("Startup Cost", "Total Cost", "Plan Rows", "Plan Width", "Workers Planned")
numbers = st.fixed_dictionaries({name: st.floats(0, 1e12) for name in COSTS})


def structure(name):
    """Index names of these tests end in the column they are on: any name, then the structure."""
    return IndexDefinition(T, (IndexKey(column=name.rpartition("#")[2]),))


NAMES = PlanNames(lambda relation, name: KnownIndex(structure(name)), {"t": "public", "u": "other"})


@st.composite
def leaves(draw):
    node = {"Relation Name": draw(st.sampled_from("tu")), "Alias": "x", **draw(numbers)}
    kind = draw(st.sampled_from(["Seq Scan", "Index Scan", "Index Only Scan"]))
    if kind != "Seq Scan":
        node["Index Name"] = f"<{draw(st.integers(1, 99))}>ix#{draw(st.sampled_from('ab'))}"
        node["Scan Direction"] = draw(st.sampled_from(["Forward", "Backward"]))
    return {"Node Type": kind, **node}


@st.composite
def joins(draw, children):
    kind = draw(st.sampled_from(["Hash Join", "Nested Loop", "Merge Join"]))
    node = {"Node Type": kind, "Join Type": draw(st.sampled_from(["Inner", "Left"])), **draw(numbers)}
    return {**node, "Plans": [draw(children), draw(children)]}


@st.composite
def sorts(draw, children):
    keys = draw(st.lists(st.sampled_from(["t.a", "t.b DESC", "lower(t.c)"]), min_size=1, max_size=2))
    return {"Node Type": "Sort", "Sort Key": keys, **draw(numbers), "Plans": [draw(children)]}


plans = st.recursive(leaves(), lambda inner: st.one_of(joins(inner), sorts(inner)), max_leaves=6)


def other_numbers(plan, factor):
    """The same plan with other estimates and other index names."""
    changed = copy.deepcopy(plan)
    for node in walk(changed):
        for name in COSTS:
            node[name] = node[name] * factor + 1
        if "Index Name" in node:
            node["Index Name"] = "renamed#" + node["Index Name"].rpartition("#")[2]
    return changed


@given(plans, st.floats(0, 100))
def test_numbers_and_index_names_do_not_count(plan, factor):
    assert shape(plan, NAMES) == shape(other_numbers(plan, factor), NAMES)


CHANGES = {
    "Node Type": "Gather",
    "Relation Name": "elsewhere",
    "Join Type": "Anti",
    "Sort Key": ["t.z"],
    "Scan Direction": "NoMovement",
    "Index Name": "ix#other_column",
    "Parallel Aware": True,
}


@given(plans, st.data())
def test_everything_else_counts(plan, data):
    changed = copy.deepcopy(plan)
    node = data.draw(st.sampled_from(list(walk(changed))))
    word = data.draw(st.sampled_from([w for w in CHANGES if w in node or w == "Parallel Aware"]))
    node[word] = CHANGES[word]
    assert shape(changed, NAMES) != shape(plan, NAMES)


@given(plans)
def test_used_indexes_and_costs_are_read_from_the_tree(plan):
    answer = read_plan(plan, NAMES)
    assert answer.ok and answer.total_cost == plan["Total Cost"] and answer.rows == plan["Plan Rows"]
    assert answer.hypothetical == {structure(n["Index Name"]) for n in walk(plan) if "Index Name" in n}
    assert answer.existing == frozenset() and answer.tree is None
    assert read_plan(plan, NAMES, keep_tree=True).tree is plan


def test_a_bitmap_scan_names_its_relation_above():
    seen = []

    def lookup(relation, name):
        seen.append((relation, name))
        return KnownIndex(structure("a"), QualifiedName("other", name))

    inner = {"Node Type": "Bitmap Index Scan", "Index Name": "u_a"}
    both = {"Node Type": "BitmapAnd", "Plans": [inner, {**inner, "Index Name": "u_b"}]}
    heap = {"Node Type": "Bitmap Heap Scan", "Relation Name": "u", "Plans": [both]}
    heap |= dict.fromkeys(COSTS, 1.0)
    answer = read_plan(heap, PlanNames(lookup, {"u": "other"}))
    assert answer.existing == {QualifiedName("other", "u_a"), QualifiedName("other", "u_b")}
    assert {relation for relation, _ in seen} == {QualifiedName("other", "u")}


def test_sort_keys_without_their_constants():
    def plan(key):
        return {"Node Type": "Sort", "Sort Key": [key]}

    assert shape(plan("(t.a + 5)"), NAMES) == shape(plan("(t.a + 71.25)"), NAMES)
    assert shape(plan("(t.a = 'x''y'::text)"), NAMES) == shape(plan("(t.a = $1::text)"), NAMES)
    assert shape(plan("t.col1"), NAMES) != shape(plan("t.col2"), NAMES)


def test_relations_need_the_schemas_of_a_verbose_plan():
    plan = {
        "Node Type": "Append",
        "Plans": [{"Relation Name": "a", "Schema": "s"}, {"Relation Name": "b", "Schema": "s"}],
    }
    assert relations(plan) == {QualifiedName("s", "a"), QualifiedName("s", "b")}


def test_constant_false_means_that_nothing_is_left():
    nothing = {"Node Type": "Result", "One-Time Filter": "false"}
    assert constant_false(nothing) and constant_false({"Node Type": "Aggregate", "Plans": [nothing]})
    assert constant_false({"Node Type": "ModifyTable", "Relation Name": "t", "Plans": [nothing]})
    scan = {"Node Type": "Seq Scan", "Relation Name": "t"}
    assert not constant_false({"Node Type": "Append", "Plans": [nothing, scan]})
    assert not constant_false({"Node Type": "Result"})
    assert not constant_false({"Node Type": "Result", "One-Time Filter": "$1", "Plans": [scan]})
