"""How often the algorithms walk through a workload does not go by how many tables it is about."""

from dataclasses import replace

from indexpilot_cli.advise.candidates import propose
from indexpilot_cli.algorithms.base import Study
from indexpilot_cli.algorithms.registry import enabled
from indexpilot_cli.core.catalog import Activity
from indexpilot_cli.core.samples import NoSamples
from indexpilot_cli.core.workload import StatementKind
from indexpilot_cli.methods.size import Sizes
from indexpilot_cli.methods.written import table_writes
from indexpilot_cli.settings.features import FeatureSettings
from tests.unit.advise.candidates.builders import catalog, column, eq, rng, stats, table, template, use

DAYS = stats(width=8, bounds=("2025-01-01", "2025-06-01", "2026-01-01"), correlation=1.0)
LONG = stats(width=90)
BUSY = Activity(inserts=900, updates=900_000, deletes=0, hot_updates=10)


class Walked(tuple):
    """A tuple that counts how often somebody goes through all of it."""

    walks = 0

    def __iter__(self):
        Walked.walks += 1
        return super().__iter__()


def of_table(number):
    label = f"t{number}"
    columns = (column("made", "ts", DAYS), column("address", "text", LONG), column("state", "int", stats(4.0)))
    there = table(label, column("id"), *columns, activity=BUSY)
    asked = template(use(label, eq("address"), rng("made", "'2025-03-01'", ">=")), label=f"r{number}")
    set_ = use(label, eq("id"), write=StatementKind.UPDATE, updated=frozenset({"state"}))
    return there, asked, template(set_, label=f"w{number}", kind=StatementKind.UPDATE)


def walks(tables):
    """How often the templates and the candidates are gone through for so many tables."""
    made = [of_table(number) for number in range(tables)]
    known = catalog(*(there for there, _, _ in made))
    templates = Walked(t for _, *own in made for t in own)
    proposal = propose(tuple(templates), known)
    assert len(proposal.candidates) >= tables
    study = Study(known, templates, FeatureSettings(), NoSamples(), None, Sizes(known), table_writes(known, templates))
    proposal = replace(proposal, candidates=Walked(proposal.candidates))
    Walked.walks = 0
    for algorithm in enabled(study.features):
        proposal = algorithm.propose(study, proposal).value
    return Walked.walks


def test_walks_do_not_grow_with_tables():
    assert walks(40) == walks(4)
