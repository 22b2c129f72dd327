"""A time model of the workload itself: plans priced by constants fitted to measured times instead of given ones.

Planner cost is not time. For one plan it is linear in the planner's cost constants
(https://www.postgresql.org/docs/current/runtime-config-query.html#RUNTIME-CONFIG-QUERY-CONSTANTS), so what a plan's
cost changes by when one constant changes a little is what it costs in terms of that constant. The given constants
choose the plan, as they will on the server. Fitted ones price it: non-negative least squares of the templates' mean
times on these parts, errors relative and robust (Huber 1964, https://doi.org/10.1214/aoms/1177703732), drawn towards
the given constants. The model is used only where it predicts templates that it was not fitted to better than cost does.

It cannot tell row estimates that are wrong, functions and types dearer than others, and work of a kind that none of the
measured plans does: there the given constants remain.
"""
