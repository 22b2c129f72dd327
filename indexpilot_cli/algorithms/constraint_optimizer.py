"""Constraint optimizer: the indexes of a plan are chosen as a set, by an integer program within limits.

Dash, Polyzotis and Ailamaki, "CoPhy: A Scalable, Portable, and Interactive Index Advisor for Large Workloads", PVLDB
4(6), 2011, https://www.vldb.org/pvldb/vol4/p362-dash.pdf. No paper is named where such advisors are described; this is
the one that the approach rests on, as pganalyze's and others' do.

The program - one plan of each statement, the indexes it needs, what each index costs itself, limits as linear rows -
is what ``advise.select`` builds and gives to HiGHS, with a proven bound of what any other choice could save. It decides
where its set is better by a fiftieth than the greedy one (``advise.select.greedy``): of sets nearer than that, really
built, none of three was better. Greed does as well but where a limit on storage, numbers or writes lets a large
index keep out smaller ones, which a step at a time does not find. The bound is told in any case. Here stands its
switch: without it greed chooses within the same limits, unbounded.

What cannot be told: whether another candidate would do better than all that were proposed, and what the planner's costs
are worth in time. The bound is of these candidates at these costs.
"""

from __future__ import annotations

from indexpilot_cli.algorithms.base import Algorithm


class ConstraintOptimizer(Algorithm):
    """See the module. It decides in the selection itself, so none of the hooks is its own."""

    name = "constraint_optimizer"
    title = "indexes chosen as a set by an integer program, with a proven bound"
    source = "Dash, Polyzotis and Ailamaki, PVLDB 4(6) 2011"
