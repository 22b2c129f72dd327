"""``indexpilot lifecycle run``, ``status`` and ``install``: its work by the clock."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexpilot_cli.cli import options as opt
from indexpilot_cli.cli.command import SERVER, answer, command, lifecycle_request, seconds_of, workload
from indexpilot_cli.cli.options import option
from indexpilot_cli.cli.session import CommandSession
from indexpilot_cli.errors import UsageError

if TYPE_CHECKING:
    from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest
    from indexpilot_cli.lifecycle.schedules.timetable import JobKey
    from indexpilot_cli.lifecycle.schedules.units import UnitRequest
    from indexpilot_cli.lifecycle.schedules.watch import WatchRound


class JobChoice(StrEnum):
    """What ``run`` can be asked for."""

    DUE = "due"
    INTEGRITY = "integrity"
    COUNTERS = "counters"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TENANT = "tenant"


JobArgument = Annotated[
    JobChoice,
    typer.Argument(
        metavar="JOB",
        help="due (all that are), integrity, counters, weekly, monthly, or tenant and its ID.",
        show_default=False,
    ),
]
Tenant = Annotated[
    int | None,
    typer.Argument(metavar="ID", help="The tenant's number.", show_default=False, min=-(2**31), max=2**31 - 1),
]

RUN_EXAMPLES = """Examples:

  indexpilot lifecycle run weekly -d shop

  indexpilot lifecycle run due -d shop --plan --quiet

  indexpilot lifecycle run tenant 7 -d shop --exit-code
"""


@command("lifecycle run", *SERVER)
def run(
    session: CommandSession,
    *,
    job: JobArgument,
    tenant: Tenant = None,
    asked: opt.ScheduleOptions,
    exit_code: opt.ExitCode = False,
) -> int:
    """Run a job of lifecycle now, or every job that is due. Nothing is changed: what is to be done becomes a plan."""
    session.load(asked)
    keys = _keys(job, tenant)
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.schedules.run import run as run_jobs
    from indexpilot_cli.render.views.lifecycle_schedules import run_view

    outcome = session.call(run_jobs, schedule_request(session, keys, asked))
    document = run_view(outcome.result, verbose=session.verbose)
    # cron sends mail for what is printed: a quiet run that found nothing prints nothing.
    return finish(session, outcome, document, exit_code=exit_code, news=outcome.status != "ok")


def _keys(job: JobChoice, tenant: int | None) -> tuple[JobKey, ...]:
    from indexpilot_cli.lifecycle.schedules.timetable import Job, JobKey

    if (job is JobChoice.TENANT) != (tenant is not None):
        text = "tenant needs the tenant's ID" if tenant is None else f"{job.value} takes no tenant"
        raise UsageError(text, hint="indexpilot lifecycle run tenant 7")
    return () if job is JobChoice.DUE else (JobKey(Job(job.value), tenant),)


def schedule_request(
    session: CommandSession, keys: tuple[JobKey, ...], asked: opt.ScheduleOptions
) -> ScheduleRunRequest:
    """The request; limits and days come from the settings."""
    from indexpilot_cli.lifecycle.schedules.run import ScheduleRunRequest

    recorded = workload(session, opt.StatementOptions(asked.source, log_database=asked.log_database), asked.with_files)
    report = lifecycle_request(session, recorded, asked.standby)
    return ScheduleRunRequest.by(session.settings, report, keys, plan=asked.plan, reconcile=asked.reconcile)


STATUS_EXAMPLES = """Examples:

  indexpilot lifecycle status -d shop

  indexpilot lifecycle status -d shop --exit-code --quiet
"""


@command("lifecycle status", *SERVER)
def status(session: CommandSession, *, exit_code: opt.ExitCode = False) -> int:
    """Show when each job ran last, what came of it, and when it is due again."""
    session.load()
    from indexpilot_cli.lifecycle.schedules.status import LifecycleStatusRequest
    from indexpilot_cli.lifecycle.schedules.status import run as look
    from indexpilot_cli.render.views.lifecycle_schedules import status_view

    request = LifecycleStatusRequest(maintenance=session.settings.operational.maintenance)
    return answer(session, look, request, status_view, exit_code=exit_code)


INSTALL_EXAMPLES = """Examples:

  indexpilot lifecycle install cron -d service=shop --mail-to dba@example.com

  indexpilot lifecycle install systemd -h db1 -d shop --plan

  indexpilot lifecycle install kubernetes -h db1 -d shop --image registry/indexpilot:1 | kubectl apply -f -
"""


class UnitChoice(StrEnum):
    """Who is to run the jobs."""

    CRON = "cron"
    SYSTEMD = "systemd"
    KUBERNETES = "kubernetes"


@command("lifecycle install", *SERVER)
def install(
    session: CommandSession,
    *,
    kind: Annotated[
        UnitChoice, typer.Argument(metavar="KIND", help="cron, systemd or kubernetes.", show_default=False)
    ],
    account: Annotated[str | None, option("--account NAME", "Run it as this account (cron, systemd).")] = None,
    mail_to: Annotated[str | None, option("--mail-to ADDRESS", "Where cron sends what was found.")] = None,
    image: Annotated[str | None, option("--image IMAGE", "The container image (kubernetes).")] = None,
    plan: opt.Plan = False,
) -> int:
    """Print what runs the jobs that are due every hour. Nothing is installed, and no password is printed."""
    session.load()
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.core.command import Outcome
    from indexpilot_cli.lifecycle.schedules.units import units
    from indexpilot_cli.render.views.lifecycle_schedules import units_view

    foreign = {
        "--account": (account, kind is UnitChoice.KUBERNETES),
        "--mail-to": (mail_to, kind is not UnitChoice.CRON),
        "--image": (image, kind is not UnitChoice.KUBERNETES),
    }
    for name, (value, wrong) in foreign.items():
        if value is not None and wrong:
            raise UsageError(f"{name} does not go with {kind.value}", hint="indexpilot lifecycle install --help")
    result = units(_unit_request(session, kind, plan=plan, account=account, mail_to=mail_to, image=image))
    return finish(session, Outcome("lifecycle_install", result), units_view(result))


def _unit_request(session: CommandSession, kind: UnitChoice, *, plan: bool, **asked: str | None) -> UnitRequest:
    """The request: the connection as it is here, without its secrets, and the configuration file that counts here."""
    from indexpilot_cli.db.conninfo import read_conninfo, without_secrets
    from indexpilot_cli.lifecycle.schedules.units import UnitKind, UnitRequest
    from indexpilot_cli.settings.conninfo import compose
    from indexpilot_cli.settings.load import find

    conninfo, password = compose(session.settings)
    kept, left_out = without_secrets(conninfo, os.environ)
    files = find(os.environ, Path.cwd(), session.run.config)
    named = next((place.path for place in files if place.kind != "user"), None)
    program = Path(sys.argv[0])
    found = program if program.name == "indexpilot" and program.exists() else Path(shutil.which("indexpilot") or "")
    return UnitRequest(
        UnitKind(kind.value),
        str(found.absolute() if found.name else Path("/usr/local/bin/indexpilot")),
        kept,
        left_out or (("password",) if password else ()),
        str(named.absolute()) if named is not None else None,
        plan,
        asked["account"],
        asked["mail_to"],
        asked["image"],
        session.settings.operational.maintenance,
        str(read_conninfo(kept).get("host") or "") if kept else "",
    )


WATCH_EXAMPLES = """Examples:

  indexpilot lifecycle watch -d shop

  indexpilot lifecycle watch -d shop --plan --health-file /tmp/health.json
"""


@command("lifecycle watch", *SERVER)
def watch(
    session: CommandSession,
    *,
    interval: Annotated[str, option("--interval TIME", "How often to look what is due.")] = "60s",
    rounds: Annotated[int | None, option("--rounds N", "End after so many looks.", min=1)] = None,
    health_file: Annotated[str | None, option("--health-file FILE", "Written at every look, for probes.")] = None,
    asked: opt.ScheduleOptions,
) -> int:
    """Run the jobs that are due until TERM or Ctrl-C, in the foreground: for a container without cron."""
    session.load(asked)
    pause = seconds_of("--interval", interval) or 0.0
    if pause < 1:
        raise UsageError("--interval: at least 1s")
    from indexpilot_cli.cli.show import finish
    from indexpilot_cli.lifecycle.schedules.watch import WatchRequest
    from indexpilot_cli.lifecycle.schedules.watch import watch as watching
    from indexpilot_cli.render.views.lifecycle_schedules import watch_view

    request = WatchRequest(session.connection(), schedule_request(session, (), asked), pause, rounds)
    outcome = session.call(lambda r, progress: watching(r, progress, _teller(session, health_file)), request)
    return finish(session, outcome, watch_view(outcome.result))


def _teller(session: CommandSession, health_file: str | None) -> Callable[[WatchRound], None]:
    """Tells each round: jobs and errors as lines on stderr, whether all is well in the file."""
    from indexpilot_cli.cli.show import diagnostic
    from indexpilot_cli.cli.terminal import write_file
    from indexpilot_cli.render.views.lifecycle_schedules import health_text, round_lines

    def tell(one: WatchRound) -> None:
        for label, line in round_lines(one):
            if label != "status" or not session.output.quiet:
                diagnostic(session, label, line)
        sys.stderr.flush()
        if health_file is not None:
            write_file(health_file, health_text(one))

    return tell


POLICY_EXAMPLES = """Examples:

  indexpilot lifecycle policy -d shop

  indexpilot lifecycle policy 7 -d shop --schedule monthly --component unused --component bloat --min-age 60d
"""


class ScheduleChoice(StrEnum):
    """When the clock runs a tenant's job."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    OFF = "off"


class ComponentChoice(StrEnum):
    """What a tenant's job can look for."""

    ALL = "all"
    UNUSED = "unused"
    REDUNDANT = "redundant"
    INVALID = "invalid"
    BLOAT = "bloat"
    STATISTICS = "statistics"
    WRAPAROUND = "wraparound"


@command("lifecycle policy", *SERVER)
def policy(
    session: CommandSession,
    *,
    tenant: Tenant = None,
    schedule: Annotated[
        ScheduleChoice | None, option("--schedule", "When its own job runs.", metavar="weekly|monthly|off")
    ] = None,
    component: Annotated[
        list[ComponentChoice] | None, option("--component NAME", "Only this, such as unused, or all (repeatable).")
    ] = None,
    min_age: Annotated[str | None, option("--min-age TIME", "How long unread is unused: 60d.")] = None,
) -> int:
    """Show when each tenant's own job runs and what it looks for, or set it for one."""
    session.load()
    if tenant is None and (schedule or component or min_age):
        raise UsageError("whose policy? Give the tenant's ID", hint="indexpilot lifecycle policy 7 --schedule weekly")
    from indexpilot_cli.lifecycle.schedules.policies import PolicyRequest
    from indexpilot_cli.lifecycle.schedules.policies import run as keep
    from indexpilot_cli.render.views.lifecycle_schedules import policy_view

    age = seconds_of("--min-age", opt.with_unit("--min-age", min_age))
    everything = ComponentChoice.ALL in (component or ())
    request = PolicyRequest(
        tenant=tenant,
        schedule=schedule.value if schedule else None,
        components=tuple(dict.fromkeys(c.value for c in component)) if component and not everything else None,
        everything=everything,
        min_age=None if age is None else timedelta(seconds=age),
    )
    return answer(session, keep, request, policy_view)


COMMANDS = {
    "lifecycle policy": policy,
    "lifecycle run": run,
    "lifecycle status": status,
    "lifecycle watch": watch,
    "lifecycle install": install,
}
EXAMPLES = {
    "lifecycle policy": POLICY_EXAMPLES,
    "lifecycle run": RUN_EXAMPLES,
    "lifecycle status": STATUS_EXAMPLES,
    "lifecycle watch": WATCH_EXAMPLES,
    "lifecycle install": INSTALL_EXAMPLES,
}
