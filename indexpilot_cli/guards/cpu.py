"""Is the database host busy? Measured where it is this machine, judged by the server's own figures where not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from indexpilot_cli.guards.context import Guard, GuardContext, HostFacts, ServerFacts, Verdict
from indexpilot_cli.guards.rate import read as read_builds
from indexpilot_cli.settings.sections import CpuThrottleSettings

_KEY = "production_safeguards.cpu_throttle"
_REMOTE_REFUSE = 2.0  # times the threshold: what the server shows is a coarser measure than the machine's own


def judge(
    settings: CpuThrottleSettings,
    host: HostFacts,
    server: ServerFacts,
    builds: Sequence[datetime],
    now: datetime,
) -> Verdict:
    """The pause between two builds first, then the load; a busy host is looked at again after the cool-down."""
    if not settings.enabled:
        return Verdict("cpu", True, "the CPU throttle is off", f"{_KEY}.enabled")
    last = max(builds, default=None)
    pause = timedelta(seconds=settings.min_delay_seconds)
    if last is not None and now - last < pause:
        text = f"the last build began {(now - last).total_seconds():.0f} s ago, {pause.total_seconds():g} s are to pass"
        return Verdict("cpu", False, text, f"{_KEY}.min_delay_seconds", retry_at=last + pause, forceable=True)
    again = now + timedelta(seconds=settings.cooldown_seconds)
    if host.local and host.cpu_percent is not None:
        return _measured(settings, host, host.cpu_percent, again)
    return _shown(settings, server, again)


def _measured(settings: CpuThrottleSettings, host: HostFacts, cpu: float, again: datetime) -> Verdict:
    text = f"CPU {cpu:.0f} % of {host.cores or 1} cores"
    if cpu > settings.cpu_threshold:
        reason = f"{text}, above {settings.cpu_threshold:g} %"
        return Verdict("cpu", False, reason, f"{_KEY}.cpu_threshold", retry_at=again, forceable=True)
    return Verdict("cpu", True, text, f"this host ({host.proof})")


def _shown(settings: CpuThrottleSettings, server: ServerFacts, again: datetime) -> Verdict:
    """max_parallel_workers stands for the cores, which a server does not tell: only a multiple of it refuses."""
    # max_parallel_workers is 8 unless somebody set it, whatever the machine has.
    # https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS
    cores = max(server.parallel_workers, 1)
    share = server.running / cores * 100
    text = (
        f"only this client's host could be measured; the server shows {server.running} backends running, "
        f"max_parallel_workers is {cores}"
    )
    if share > settings.cpu_threshold * _REMOTE_REFUSE:
        return Verdict("cpu", False, text, "pg_stat_activity", retry_at=again, forceable=True)
    return Verdict("cpu", True, text, "pg_stat_activity", warning=share > settings.cpu_threshold)


def _ask(context: GuardContext) -> tuple[Verdict, ...]:
    settings = context.request.safeguards.cpu_throttle
    builds = read_builds(context) or () if settings.enabled and settings.min_delay_seconds else ()
    return (judge(settings, context.host, context.server, [b.at for b in builds], context.now),)


GUARD = Guard("cpu", 5, _ask)
