"""``indexpilot simulate baseline``, ``autoindex``, ``compare`` and ``history``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from indexpilot_cli.cli.command import LOCAL, SERVER, command
from indexpilot_cli.cli.options import RUN, option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import RefusedError, UsageError
from indexpilot_cli.simulate.scenarios import Pattern, Scenario, sizes_of

EXAMPLES = """Examples:

  indexpilot simulate compare --scenario small

  indexpilot simulate compare --scenario medium --seed 1 --pattern email --json

  indexpilot simulate baseline --tenants 5 --contacts 1000 --queries 100 --rate 50

  indexpilot simulate compare -d postgresql:///scratch --scratch

  indexpilot simulate history --scenario medium
"""
_SIZES = ("tenants", "contacts", "organizations", "interactions", "queries", "rate", "spikes", "spike_factor")


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """What is simulated, and where."""

    scenario: Annotated[Scenario, option("--scenario NAME", "Sizes and load that have a name.")] = Scenario.MEDIUM
    seed: Annotated[int, option("--seed N", "Same seed, same rows and arrivals.")] = 1
    tenants: Annotated[int | None, option("--tenants N", "Tenants.")] = None
    contacts: Annotated[int | None, option("--contacts N", "Contacts per tenant, on average.")] = None
    organizations: Annotated[int | None, option("--organizations N", "Organizations per tenant.")] = None
    interactions: Annotated[int | None, option("--interactions N", "Interactions per tenant.")] = None
    queries: Annotated[int | None, option("--queries N", "Statements per tenant.")] = None
    rate: Annotated[float | None, option("--rate N", "Statements a second outside spikes.")] = None
    pattern: Annotated[Pattern, option("--pattern NAME", "What contacts are looked up by.")] = Pattern.MIXED
    spikes: Annotated[float | None, option("--spikes SHARE", "Share of stretches that are spikes, 0 to 1.")] = None
    spike_factor: Annotated[float | None, option("--spike-factor N", "A spike comes N times as fast.")] = None
    connections: Annotated[int | None, option("--connections N", "Connections of the application.", min=1, max=200)] = (
        None
    )
    scratch: Annotated[bool, option("--scratch", "Beside the database of -d, which must say it is scratch.")] = False
    no_keep: Annotated[bool, option("--no-keep", "Do not keep the result for  simulate history.", panel=RUN)] = False


@command("simulate baseline", *SERVER)
def baseline(session: CommandSession, *, asked: SimulationOptions) -> int:
    """Run the workload of a CRM with many tenants, without any advice."""
    return _simulate(session, asked, "baseline")


@command("simulate autoindex", *SERVER)
def autoindex(session: CommandSession, *, asked: SimulationOptions) -> int:
    """Recommend and apply indexes for the workload first, then run it."""
    return _simulate(session, asked, "autoindex")


@command("simulate compare", *SERVER)
def compare(session: CommandSession, *, asked: SimulationOptions) -> int:
    """Run both on copies of the same data and show the difference. Exit code 10 when there is none to show."""
    return _simulate(session, asked, "compare")


@command("simulate history", *LOCAL)
def history(
    session: CommandSession,
    *,
    scenario: Annotated[Scenario | None, option("--scenario NAME", "Only this scenario.")] = None,
    workload: Annotated[str, option("--workload DIGEST", "Only this workload: how its digest begins.")] = "",
    limit: Annotated[int, option("--limit N", "At most so many, the latest first.", min=1)] = 20,
) -> int:
    """Show kept results, and how each compares with the one before it of the same workload."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.simulate import history_view
    from indexpilot_cli.simulate.kept import SimulationHistoryRequest
    from indexpilot_cli.simulate.kept import history as run

    with session.progress() as progress:
        outcome = run(SimulationHistoryRequest(scenario, workload, limit), progress)
    return finish(session, outcome, history_view(outcome.result))


def _simulate(session: CommandSession, asked: SimulationOptions, mode: str) -> int:
    session.load()
    _require_scratch(session, asked)
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.render.views.simulate import view
    from indexpilot_cli.simulate.simulation import run
    from indexpilot_cli.simulate.values import SimulationMode, SimulationRequest

    sizes = sizes_of(asked.scenario, {name: getattr(asked, name) for name in _SIZES})
    request = replace(
        SimulationRequest.by(session.settings, SimulationMode(mode), asked.scenario, sizes),
        pattern=asked.pattern,
        seed=asked.seed,
        connections=asked.connections,
        keep=not asked.no_keep,
        record=session.record(),
    )
    if asked.scratch:
        request = replace(request, connection=session.connection(), scratch=True)
    outcome = session.call(run, request)
    return finish(session, outcome, view(outcome.result, verbose=session.verbose))


def _require_scratch(session: CommandSession, asked: SimulationOptions) -> None:
    """A database and ``--scratch`` come together. That of the settings is for work, not for this."""
    places = ("host", "port", "user", "dbname")
    named = any(session.settings.origin(f"connection.{name}").kind == "flag" for name in places)
    if asked.scratch and not named:
        raise UsageError("--scratch needs a database", hint="-d DBNAME, which must say that it is for scratch")
    if named and not asked.scratch:
        raise RefusedError(
            "simulations fill databases and load servers", hint="add --scratch, or leave -d out for a private server"
        )


COMMANDS = {"baseline": baseline, "autoindex": autoindex, "compare": compare, "history": history}
