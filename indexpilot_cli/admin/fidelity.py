"""How faithfully the twin plans: its plans and costs against plain EXPLAIN on the server."""

from __future__ import annotations

from indexpilot_cli.admin.values import DoctorRequest
from indexpilot_cli.advise.pipeline import prepared, types_from
from indexpilot_cli.core.command import Progress, TableFilter
from indexpilot_cli.core.estimator import Fidelity
from indexpilot_cli.errors import PrerequisiteError
from indexpilot_cli.planner.open import open_planner_twin
from indexpilot_cli.snapshot.source import Source
from indexpilot_cli.workload.fold.templates import fold_workload


def measure_fidelity(source: Source, request: DoctorRequest, progress: Progress) -> Fidelity:
    """Share of identical plans and the distribution of cost errors over the workload's templates.

    Raises PrerequisiteError for a snapshot: there is no server to compare with.
    """
    from indexpilot_cli.planner.twin.fidelity import measure

    if source.session is None:
        raise PrerequisiteError("doctor --twin compares with a server, not with a snapshot", code="no_connection")
    folded = fold_workload(source, request.workload, TableFilter(), progress)
    with open_planner_twin(source, request.planner, progress) as twin:
        folded = prepared(folded, source.catalog, types_from(twin))
        statements = [(t.id, s.statement) for t in folded.templates for s in t.scenarios[:1]]
        progress.stage("comparing plans", len(statements))
        return measure(twin, source.session, statements)
