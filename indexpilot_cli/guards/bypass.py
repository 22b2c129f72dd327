"""The four levels of switching off, and which of them is off. Anything that says off wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from indexpilot_cli.core.command import Connection
from indexpilot_cli.db.session import Session
from indexpilot_cli.errors import AnsweredError, RefusedError
from indexpilot_cli.guards.context import Guard, GuardContext, Verdict
from indexpilot_cli.log import metadata, switches
from indexpilot_cli.log.bookkeeping import is_writable, writer
from indexpilot_cli.log.switches import Switch
from indexpilot_cli.settings.sections import BypassSettings, FeatureSwitch

SYSTEM = "system"
EMERGENCY = "emergency"
RUNTIME = "runtime switch"
_FEATURES = ("auto_indexing", "stats_collection", "expression_checks", "mutation_logging")
_MODULE, _STARTUP, _LOG = "optimization_features", "startup", "mutation_logging"
# Without its log a change could be neither settled after a crash nor taken back, so it is not made either.
STOPPING = frozenset({"auto_indexing", _LOG, _MODULE, SYSTEM, _STARTUP, EMERGENCY})
ADVICE = frozenset({_MODULE, SYSTEM, EMERGENCY})  # what stops commands that only advise
SETUP = ADVICE | {_STARTUP}  # and those that make our tables


@dataclass(frozen=True, slots=True)
class BypassLevel:
    """One switch as it stands. ``level`` is feature, module, system, startup or emergency; ``name`` its key.

    ``running`` False: this part is off. ``source`` says who decided (a place in a file, an environment variable,
    ``runtime switch`` or ``default``); ``since`` and ``until`` (UTC) are known for the runtime switch.
    """

    level: str
    name: str
    running: bool
    source: str
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


def levels(
    settings: BypassSettings, found: Sequence[Switch] | None, now: datetime, origins: Mapping[str, str]
) -> tuple[BypassLevel, ...]:
    """Every level with its effective value, who decided it and why.

    ``found`` None: they could not be read, and that counts as off. ``origins`` has the place of a setting by
    its key. A configured emergency ends ``auto_recover_after_seconds`` after it was first seen, which is the
    ``since`` of the switch that remembers it (``emergency_key``); one that nothing remembers goes on.
    """
    features = [
        _feature("feature", f"features.{name}", getattr(settings.features, name), origins) for name in _FEATURES
    ]
    module = _feature("module", "modules.optimization_features", settings.modules.optimization_features, origins)
    startup = settings.startup
    return (
        *features,
        module,
        _system(settings, found, now, origins),
        BypassLevel(
            "startup",
            "startup",
            not startup.skip_initialization,
            _origin(origins, "startup.skip_initialization"),
            startup.reason if startup.skip_initialization else "",
        ),
        _emergency(settings, found or (), now, origins),
    )


def stopping(found: Sequence[BypassLevel]) -> tuple[BypassLevel, ...]:
    """The levels that are off and stop every change of an index."""
    return tuple(level for level in found if not level.running and level.name in STOPPING)


def judge(found: Sequence[BypassLevel]) -> Verdict:
    """Whether any level says off."""
    off = stopping(found)
    if off:
        first = off[0]
        until = f", until {first.until:%Y-%m-%d %H:%M} UTC" if first.until else ""
        why = f": {first.reason}" if first.reason else ""
        others = f" (and {len(off) - 1} more)" if off[1:] else ""
        log = ", and what is not logged could not be taken back" if first.name == _LOG else ""
        text = f"{first.name.replace('_', ' ')} is switched off{until}{why}{log}{others}"
        return Verdict("bypass", False, text, first.source, retry_at=first.until)
    return Verdict("bypass", True, "bypass off", "bypass.*")


def require_on(
    settings: BypassSettings, what: str, which: Set[str] = ADVICE, session: Session | None = None, schema: str = ""
) -> None:
    """Raises RefusedError when one of these levels is off: by the settings, and by the switches seen in the session.

    Whoever may not see the switches is not stopped from looking.
    """
    found = read_switches(session, schema) or () if session is not None else ()
    now = session.value("SELECT clock_timestamp()") if session is not None else datetime.now(UTC)
    off = [level for level in levels(settings, found, now, {}) if not level.running and level.name in which]
    for level in off[:1]:
        # Who turned the switch is said by bypass status, which the hint names.
        told = next((s.reason for s in found if s.name == SYSTEM and level.source == RUNTIME), level.reason)
        raise _refusal(replace(level, reason=told), what)


def _refusal(level: BypassLevel, what: str) -> RefusedError:
    hint = "indexpilot config show --origin tells where that is set"
    if level.source == RUNTIME:
        where, hint = "bypass disable", "indexpilot bypass status tells by whom, indexpilot bypass enable ends it"
    else:
        where = level.source.rpartition(" (")[0].removesuffix(".enabled")
    subject = "IndexPilot" if level.name in (SYSTEM, EMERGENCY) else what
    return RefusedError(f"{subject} is switched off ({where})", detail=level.reason or None, hint=hint, code="bypassed")


def emergency_key(settings: BypassSettings) -> str:
    """The name under which a configured emergency is remembered; another reason or length is another emergency."""
    return f"{EMERGENCY}:{settings.emergency.auto_recover_after_seconds:g}:{settings.emergency.reason}"


def _feature(level: str, path: str, switch: FeatureSwitch, origins: Mapping[str, str]) -> BypassLevel:
    name = path.rpartition(".")[2]
    reason = "" if switch.enabled else switch.reason
    return BypassLevel(level, name, switch.enabled, _origin(origins, f"{path}.enabled"), reason)


def _system(
    settings: BypassSettings, found: Sequence[Switch] | None, now: datetime, origins: Mapping[str, str]
) -> BypassLevel:
    if found is None:
        # Somebody may have thrown the switch in an emergency; not being able to see it is no permission.
        reason = "the switch cannot be read, which counts as off"
        return BypassLevel(SYSTEM, SYSTEM, False, RUNTIME, reason)
    switch = next((s for s in found if s.name == SYSTEM), None)
    if switch is not None and switch.off_at(now):
        reason = switch.reason + (f" ({switch.actor})" if switch.actor else "")
        return BypassLevel(SYSTEM, SYSTEM, False, RUNTIME, reason, switch.since, switch.until)
    source = _origin(origins, "system.enabled")
    if settings.system.enabled:
        return BypassLevel(SYSTEM, SYSTEM, False, source, settings.system.reason)
    if switch is not None:
        recovered = "came back by itself" if switch.is_off else switch.reason
        return BypassLevel(SYSTEM, SYSTEM, True, RUNTIME, recovered, switch.until if switch.is_off else switch.since)
    return BypassLevel(SYSTEM, SYSTEM, True, source)


def _emergency(
    settings: BypassSettings, found: Sequence[Switch], now: datetime, origins: Mapping[str, str]
) -> BypassLevel:
    emergency = settings.emergency
    source = _origin(origins, "emergency.enabled")
    if not emergency.enabled:
        return BypassLevel(EMERGENCY, EMERGENCY, True, source)
    seen = next((s.since for s in found if s.name == emergency_key(settings)), None)
    if seen is None or emergency.auto_recover_after_seconds <= 0:
        return BypassLevel(EMERGENCY, EMERGENCY, False, source, emergency.reason, seen)
    until = seen + timedelta(seconds=emergency.auto_recover_after_seconds)
    if now >= until:
        return BypassLevel(EMERGENCY, EMERGENCY, True, source, "came back by itself", until)
    return BypassLevel(EMERGENCY, EMERGENCY, False, source, emergency.reason, seen, until)


def _origin(origins: Mapping[str, str], path: str) -> str:
    key = f"bypass.{path}"
    place = origins.get(key, "default")
    return f"{key} ({place})"


def read_switches(session: Session, schema: str) -> tuple[Switch, ...] | None:
    """The switches; none before ``init``, None where they cannot be read."""
    try:
        # A savepoint: after a refusal (42501) a host's transaction would refuse what follows (25P02).
        with session.transaction():
            return switches.read(session, schema=schema) if metadata.is_ready(session, schema) else ()
    except AnsweredError:
        return None


def current_levels(context: GuardContext) -> tuple[BypassLevel, ...]:
    """Every level with its effective value; a switch that is there and cannot be read counts as off.

    Remembers since when a configured emergency is on, so that it can end by itself, and forgets those that are over.
    Raises UnreachableError when the connection is lost.
    """
    request = context.request
    found = read_switches(context.session, request.connection.metadata_schema)
    if _note_emergency(request.connection, request.bypass, found or ()):
        found = read_switches(context.session, request.connection.metadata_schema)
    return levels(request.bypass, found, context.now, request.origins)


def _note_emergency(connection: Connection, settings: BypassSettings, known: Sequence[Switch]) -> bool:
    """Whether a switch was written, by a short session of its own, because that of the guards may only read.

    Where nothing can be written nothing is remembered, and the emergency goes on until it is taken back by hand.
    """
    wanted, schema = emergency_key(settings) if settings.emergency.enabled else "", connection.metadata_schema
    seen = {s.name for s in known if s.name.startswith(f"{EMERGENCY}:")}
    if seen == ({wanted} if wanted else set()):
        return False
    try:
        with writer(connection) as session:
            if not is_writable(session, schema):
                return False
            if wanted:
                switches.see_emergency(session, wanted, settings.emergency.reason, schema=schema)
            else:
                switches.forget_emergencies(session, schema=schema)
    except AnsweredError:
        return False
    return True


GUARD = Guard("bypass", 1, lambda context: (judge(current_levels(context)),))
