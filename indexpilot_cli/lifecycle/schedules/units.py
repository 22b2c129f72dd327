"""``lifecycle install``: what makes cron, systemd or Kubernetes run the jobs that are due, once an hour.

One unit for all jobs: the days and hours are those of the settings, in their zone, summer time or not; what the machine
slept through is made up for, and two machines with the same unit run nothing twice. No password is ever written: units
name the place where it is kept.
"""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from indexpilot_cli import __version__
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.schedules.timetable import Job, timetable
from indexpilot_cli.settings.sections import MaintenanceSettings

MINUTE = 7  # of every hour: beside the full one, when everybody's jobs begin
_ENVIRONMENT_FILE = "/etc/indexpilot/lifecycle.env"
_CONFIG_IN_POD = "/etc/indexpilot/indexpilot.yaml"
# Vixie cron cuts a command after 998 bytes. https://manpages.debian.org/stable/cron/crontab.5.en.html
_CRON_LIMIT = 998


class UnitKind(StrEnum):
    """Who runs the jobs."""

    CRON = "cron"
    SYSTEMD = "systemd"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class UnitRequest:
    """``conninfo`` holds no secret; ``left_out`` are the names of those that it held. ``config``: an absolute path.

    ``account`` runs it: in cron that makes a line for /etc/cron.d, in systemd it replaces an account of its own.
    """

    kind: UnitKind
    program: str
    conninfo: str = ""
    left_out: tuple[str, ...] = ()
    config: str | None = None
    plan: bool = False
    account: str | None = None
    mail_to: str | None = None
    image: str | None = None
    maintenance: MaintenanceSettings = field(default_factory=MaintenanceSettings)
    host: str = ""


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file to write, as text or as a document that is yet to be printed as YAML; ``comments`` go above it."""

    path: str
    text: str = ""
    document: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitsResult:
    """The files of one kind, and what is left to do."""

    kind: UnitKind
    files: tuple[UnitFile, ...]
    notes: tuple[str, ...] = ()


def units(request: UnitRequest) -> UnitsResult:
    """The files, and notes on what they take for granted. Raises UsageError for what no unit can hold."""
    for word in (*_words(request), request.account or "", request.mail_to or "", request.image or ""):
        if any(ord(character) < 32 or ord(character) == 127 for character in word):
            raise UsageError("a unit can hold no line break and no control character", code="bad_unit")
    if request.account is not None and not re.fullmatch(r"[A-Za-z_][\w.-]*", request.account):
        raise UsageError(f"not the name of an account: {request.account!r}", hint="--account postgres")
    make = {UnitKind.CRON: _cron, UnitKind.SYSTEMD: _systemd, UnitKind.KUBERNETES: _kubernetes}[request.kind]
    return UnitsResult(request.kind, tuple(make(request)), tuple(_notes(request)))


def _words(request: UnitRequest) -> tuple[str, ...]:
    """The command."""
    pod = request.kind is UnitKind.KUBERNETES
    config = _CONFIG_IN_POD if pod and request.config else request.config
    return (
        "indexpilot" if pod else request.program,
        *("lifecycle", "run", "due", "--quiet", "--no-input"),
        *(("--plan",) if request.plan else ()),
        *(("--config", config) if config else ()),
        *(("--dbname", request.conninfo) if request.conninfo else ()),
    )


def _when(request: UnitRequest) -> tuple[str, ...]:
    table, settings = timetable(request.maintenance), request.maintenance
    jobs = {Job.WEEKLY: settings.weekly, Job.MONTHLY: settings.monthly, Job.COUNTERS: settings.components.counters}
    due = [f"{job.value}: {table.text(job)}" for job, on in jobs.items() if on]
    return (
        f"IndexPilot {__version__}: every hour the jobs of lifecycle that are due by the settings",
        "; ".join(due) or "no job with a day of its own is switched on",
        "No lock around it is needed: each job takes its own, and runs once however many machines have this unit.",
    )


def _cron(request: UnitRequest) -> Iterator[UnitFile]:
    # An unescaped % ends the command and begins its standard input; cron takes the backslash away, also in quotes.
    command = shlex.join(_words(request)).replace("%", "\\%")
    if len(command.encode()) > _CRON_LIMIT:
        raise UsageError(
            f"the command is longer than cron reads ({_CRON_LIMIT} bytes)",
            hint="put the connection into a service file, and name it: --dbname service=NAME",
            code="bad_unit",
        )
    mail = request.mail_to if request.mail_to is not None else request.account or _account()
    if re.search(r"[\s\"'\\]", mail):
        raise UsageError(f"not an address cron can send to: {mail!r}", hint="--mail-to dba@example.com")
    account = f"{request.account} " if request.account is not None else ""
    head = [f"# {line}" for line in (*_when(request), "Mail comes when something was found or failed.")]
    lines = [*head, "SHELL=/bin/sh", "PATH=/usr/local/bin:/usr/bin:/bin", f'MAILTO="{mail}"']
    path = "/etc/cron.d/indexpilot-lifecycle" if account else "crontab -e"
    yield UnitFile(path, "\n".join([*lines, f"{MINUTE} * * * * {account}{command}", ""]))


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"


def _systemd(request: UnitRequest) -> Iterator[UnitFile]:
    comments = tuple(f"# {line}" for line in _when(request))
    for suffix, lines in (("service", _systemd_service(request)), ("timer", _systemd_timer())):
        yield UnitFile(f"/etc/systemd/system/indexpilot-lifecycle.{suffix}", "\n".join((*comments, *lines, "")))


# https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Sandboxing
_SANDBOX = (
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
)


def _systemd_service(request: UnitRequest) -> tuple[str, ...]:
    command = " ".join(map(_systemd_word, _words(request)))
    # A socket in /tmp is not seen from a /tmp of one's own.
    private = "no" if request.host.startswith(("/tmp", "/var/tmp")) else "yes"
    return (
        "[Unit]",
        "Description=IndexPilot: the lifecycle jobs that are due",
        "Wants=network-online.target",
        "After=network-online.target postgresql.service",
        "",
        "[Service]",
        "Type=oneshot",
        f"User={request.account}" if request.account else "DynamicUser=yes",
        f"ExecStart={command}",
        "# PGPASSWORD=… stands in this file, which only root can read; without it there is no password.",
        f"EnvironmentFile=-{_ENVIRONMENT_FILE}",
        "Environment=XDG_STATE_HOME=%S/indexpilot XDG_CACHE_HOME=%C/indexpilot",
        "StateDirectory=indexpilot",
        "CacheDirectory=indexpilot",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        f"PrivateTmp={private}",
        *_SANDBOX,
    )


def _systemd_timer() -> tuple[str, ...]:
    return (
        "[Unit]",
        "Description=IndexPilot: look every hour which lifecycle jobs are due",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* *:{MINUTE:02d}:00",
        "# What was due while the machine was off is run when it is back.",
        "Persistent=true",
        "AccuracySec=1min",
        "Unit=indexpilot-lifecycle.service",
        "",
        "[Install]",
        "WantedBy=timers.target",
    )


def _systemd_word(word: str) -> str:
    """Quoted for ExecStart=, where % begins a specifier and $ a variable, also in quotes.

    https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
    """
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return text if re.fullmatch(r"[\w./:=@%,+-]+", text) else f'"{text}"'


def _kubernetes(request: UnitRequest) -> Iterator[UnitFile]:
    # Kubernetes puts variables in for $(NAME) in arguments; a doubled $ stands for itself.
    command, *arguments = (word.replace("$(", "$$(") for word in _words(request))
    mounts = [{"name": "scratch", "mountPath": "/tmp"}]
    volumes: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}]
    comments = [
        *_when(request),
        "kubectl create secret generic indexpilot --from-file=password=FILE  (FILE without a line break at its end)",
    ]
    if request.config:
        mounts.append({"name": "config", "mountPath": "/etc/indexpilot", "readOnly": True})  # type: ignore[dict-item]
        volumes.append({"name": "config", "configMap": {"name": "indexpilot"}})
        comments.append("kubectl create configmap indexpilot --from-file=indexpilot.yaml=FILE")
    container = {
        "name": "indexpilot",
        "image": request.image or f"indexpilot:{__version__}",
        "command": [command],
        "args": arguments,
        "env": [
            {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "indexpilot", "key": "password"}}},
            *({"name": name, "value": "/tmp"} for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")),
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    yield UnitFile("indexpilot-lifecycle.yaml", document=_cron_job(pod), comments=tuple(comments))


def _cron_job(pod: dict[str, Any]) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "indexpilot", "app.kubernetes.io/component": "lifecycle"}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "indexpilot-lifecycle", "labels": labels},
        "spec": {
            "schedule": f"{MINUTE} * * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 1800,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    # What failed is due again at the next hour; a pod that is tried at once would meet the same.
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": 10800,
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                }
            },
        },
    }


def _notes(request: UnitRequest) -> Iterator[str]:
    places = {
        UnitKind.CRON: "~/.pgpass of the account that runs it (mode 0600)",
        UnitKind.SYSTEMD: f"PGPASSWORD=… in {_ENVIRONMENT_FILE} (root, mode 0600)",
        UnitKind.KUBERNETES: "the secret indexpilot, key password",
    }
    if request.left_out:
        yield f"{' and '.join(request.left_out)} not written; the place for the password is {places[request.kind]}"
    if not request.conninfo:
        yield "no database is named: libpq's defaults for the account that runs it decide (--dbname names one)"
    if request.kind is UnitKind.KUBERNETES and (request.host.startswith("/") or request.host in ("", "localhost")):
        yield "a pod does not reach a server by a socket or localhost of this machine: give --host"
    if request.kind is UnitKind.KUBERNETES and request.image is None:
        yield "the image is yours to build: --image REGISTRY/NAME:TAG"
    if request.kind is UnitKind.SYSTEMD and request.program.startswith(("/home/", "/root/")):
        yield f"{request.program} stands in a home directory, where the unit's account may not reach it"
    if request.kind is UnitKind.SYSTEMD:
        yield "then: systemctl daemon-reload && systemctl enable --now indexpilot-lifecycle.timer"
