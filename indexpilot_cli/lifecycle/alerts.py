"""Alerts: metrics beyond a threshold, kept in memory and told to whoever wants to know."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from indexpilot_cli.core import telemetry
from indexpilot_cli.lifecycle.metric_families import MetricFamily
from indexpilot_cli.settings.sections import HealthCheckSettings


class AlertLevel(StrEnum):
    """How much it matters, least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 matters least."""
        return list(AlertLevel).index(self)


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A metric, of those of its series that ``where`` names, and the threshold it must not pass.

    ``above``: more than that is too much; ``below``: less than that is too little. Series are added up.
    """

    name: str
    level: AlertLevel
    metric: str
    above: float | None = None
    below: float | None = None
    where: tuple[tuple[str, str], ...] = ()

    def broken_by(self, value: float) -> bool:
        """Whether the value is beyond a threshold."""
        return (self.above is not None and value > self.above) or (self.below is not None and value < self.below)


def rules_of(health: HealthCheckSettings) -> tuple[AlertRule, ...]:
    """The rules with the thresholds of the settings; none for one that is unset, none at all when switched off."""
    critical, error, warning, info = reversed(AlertLevel)
    latency, findings = "indexpilot_database_latency_seconds", "indexpilot_findings"
    waiting, wraparound, unused = ((("state", state),) for state in ("waiting", "wraparound", "unused"))
    rules = (
        AlertRule("database_down", critical, "indexpilot_up", below=1),
        AlertRule("wraparound", critical, findings, health.wraparound_tables, where=wraparound),
        AlertRule("operation_left_open", error, "indexpilot_open_operations", health.open_operations),
        AlertRule("database_slow", error, latency, health.latency_error_seconds),
        AlertRule("database_latency", warning, latency, health.latency_warning_seconds),
        AlertRule("pool_exhausted", warning, "indexpilot_pool_connections", health.pool_waiting, where=waiting),
        AlertRule("invalid_indexes", warning, "indexpilot_invalid_indexes", health.invalid_indexes),
        AlertRule("build_blocked", warning, "indexpilot_index_builds_blocked", health.blocked_builds),
        AlertRule("unused_indexes", info, findings, health.unused_indexes, where=unused),
    )
    return tuple(r for r in rules if r.above is not None or r.below is not None) if health.enabled else ()


RULES = rules_of(HealthCheckSettings())


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that a metric breaks, with the value that broke it."""

    rule: AlertRule
    value: float
    at: datetime

    @property
    def level(self) -> AlertLevel:
        """The rule's."""
        return self.rule.level

    def __str__(self) -> str:
        bound = f"above {self.rule.above:g}" if self.rule.above is not None else f"below {self.rule.below:g}"
        of = "".join(f" of {value}" for _, value in self.rule.where)
        return f"{self.level.value}: {self.rule.name}: {self.rule.metric}{of} is {self.value:g}, {bound}"


def alerts(
    families: Iterable[MetricFamily], rules: Sequence[AlertRule] = RULES, now: datetime | None = None
) -> tuple[Alert, ...]:
    """The rules that are broken, gravest first. A metric that is not there breaks none."""
    known = {family.name: family for family in families}
    moment = now or datetime.now(UTC)
    found = []
    for rule in rules:
        values = list(_values(known[rule.metric], rule.where)) if rule.metric in known else []
        if values and rule.broken_by(sum(values)):
            found.append(Alert(rule, sum(values), moment))
    return tuple(sorted(found, key=lambda alert: -alert.level.rank))


def _values(family: MetricFamily, where: tuple[tuple[str, str], ...]) -> Iterator[float]:
    for values, number in family.series:
        labels = dict(zip(family.labels, values, strict=True))
        if all(labels.get(name) == value for name, value in where):
            yield number


Listener: TypeAlias = Callable[[Alert], object]


class AlertBook:
    """Alerts in memory, the newest ``size`` of them; safe for threads.

    A host's monitoring adapter and the listeners are told. What goes on being broken is told once, and again only after
    it was whole in between. A listener that fails is counted and harms nobody.
    """

    def __init__(self, rules: Sequence[AlertRule] = RULES, size: int = 1000):
        self.rules = tuple(rules)
        self.failures = 0
        self._lock = threading.Lock()
        self._kept: deque[Alert] = deque(maxlen=size)
        self._active: dict[AlertRule, Alert] = {}
        self._listeners: list[tuple[AlertLevel, Listener]] = []

    def follow(self, rules: Sequence[AlertRule], size: int) -> None:
        """Judge by other rules from now on, and keep so many alerts."""
        with self._lock:
            self.rules = tuple(rules)
            self._kept = deque(self._kept, maxlen=size)

    def listen(self, listener: Listener, level: AlertLevel = AlertLevel.INFO) -> None:
        """Tell the listener of new alerts of that level and above: a function, or a method of a monitoring adapter."""
        with self._lock:
            self._listeners.append((level, listener))

    def look(self, families: Iterable[MetricFamily], now: datetime | None = None) -> tuple[Alert, ...]:
        """Judge the metrics; gives the alerts that are new."""
        found = alerts(families, self.rules, now)
        with self._lock:
            new = tuple(alert for alert in found if alert.rule not in self._active)
            self._active = {alert.rule: self._active.get(alert.rule, alert) for alert in found}
            self._kept.extend(new)
            listeners = tuple(self._listeners)
        # Without the lock: a listener may take its time, or ask the book.
        for alert in new:
            telemetry.alert(alert.level.value, alert.rule.name, str(alert), alert.value)
            for level, listener in listeners:
                if alert.level.rank >= level.rank:
                    self._tell(listener, alert)
        return new

    def _tell(self, listener: Listener, alert: Alert) -> None:
        try:
            listener(alert)
        except Exception:  # noqa: BLE001 - the host's own code: whatever it raises must not stop ours
            with self._lock:
                self.failures += 1

    @property
    def active(self) -> tuple[Alert, ...]:
        """What is broken since the last look, gravest first; each as it was when it broke."""
        with self._lock:
            return tuple(self._active.values())

    def kept(self, level: AlertLevel = AlertLevel.INFO) -> tuple[Alert, ...]:
        """The alerts in memory of that level and above, oldest first."""
        with self._lock:
            return tuple(alert for alert in self._kept if alert.level.rank >= level.rank)
