"""What ``lifecycle install`` prints is right: read by YAML, by an INI parser, by a shell and by systemd itself."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml

from indexpilot_cli.db.conninfo import without_secrets
from indexpilot_cli.errors import UsageError
from indexpilot_cli.lifecycle.schedules.units import UnitKind, UnitRequest, units
from indexpilot_cli.render.views.lifecycle_schedules import units_view
from indexpilot_cli.settings.sections import MaintenanceSettings

ODD = (
    "shop",
    "a b",
    "50%",
    "it's",
    'say "x"',
    "back\\slash",
    "$HOME",
    "$(id)",
    "`id`",
    "ümläut",
    "a;b|c&d",
    "%%n",
    "a\tb",
)
PROGRAM = "/opt/Index Pilot/bin/indexpilot"


def made(kind, **asked):
    """The files as they are written."""
    result = units(UnitRequest(kind, **{"program": PROGRAM} | asked))
    return [file["text"] for file in units_view(result).payload["files"]], result


def words(conninfo, program=PROGRAM):
    return [program, "lifecycle", "run", "due", "--quiet", "--no-input", "--dbname", conninfo]


def conninfo(name):
    return psycopg.conninfo.make_conninfo(host="db 1", dbname=name)


def crontab(text):
    """The variables and the lines of a crontab, as cron reads it: five fields, then the command up to a bare %."""
    variables, jobs = {}, []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, equals, value = line.partition("=")
        if equals and name.isupper():
            variables[name] = value.strip('"')
            continue
        *fields, command = line.split(maxsplit=5)
        assert len(fields) == 5
        plain = command.replace("\\%", "\0")
        assert "%" not in plain
        jobs.append((fields, plain.replace("\0", "%")))
    return variables, jobs


@pytest.mark.parametrize("name", ODD[:-1])
def test_cron_runs_exactly_the_command(name, tmp_path):
    (text,), _ = made(UnitKind.CRON, program=sys.executable, conninfo=conninfo(name), mail_to="dba@example.com")
    variables, [(fields, command)] = crontab(text)
    assert (variables["MAILTO"], variables["SHELL"], fields) == (
        "dba@example.com",
        "/bin/sh",
        ["7", "*", "*", "*", "*"],
    )
    assert shlex.split(command) == words(conninfo(name), sys.executable)
    # The shell of cron, with a program that prints what it was given.
    show = tmp_path / "show"
    show.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    show.chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", "-c", command.replace(shlex.quote(sys.executable), str(show), 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == words(conninfo(name))[1:]


def test_a_line_for_cron_d_names_the_account():
    (text,), result = made(UnitKind.CRON, account="postgres", conninfo="dbname=shop")
    variables, [(_, command)] = crontab(text)
    assert (result.files[0].path, variables["MAILTO"]) == ("/etc/cron.d/indexpilot-lifecycle", "postgres")
    assert command.startswith("postgres '/opt/Index Pilot/bin/indexpilot' lifecycle run due")


def ini(text):
    parser = configparser.RawConfigParser(strict=True, delimiters="=", comment_prefixes="#")
    parser.optionxform = str
    parser.read_string(text)
    return parser


@pytest.mark.parametrize("name", ODD[:-1])
def test_systemd_runs_exactly_the_command(name):
    (service, timer), _ = made(UnitKind.SYSTEMD, conninfo=conninfo(name))
    unit = ini(service)
    start = unit["Service"]["ExecStart"]
    assert "%" not in start.replace("%%", "")  # no specifier
    assert "$" not in start.replace("$$", "")  # no variable
    assert shlex.split(start.replace("`", "\\`").replace("\\`", "`")) == [
        word.replace("%", "%%").replace("$", "$$") for word in words(conninfo(name))
    ]
    assert (unit["Service"]["Type"], unit["Service"]["DynamicUser"]) == ("oneshot", "yes")
    assert unit["Service"]["ProtectSystem"] == "strict"
    assert unit["Service"]["EnvironmentFile"] == "-/etc/indexpilot/lifecycle.env"
    clock = ini(timer)
    assert (clock["Timer"]["Persistent"], clock["Timer"]["OnCalendar"]) == ("true", "*-*-* *:07:00")
    assert clock["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_itself_finds_nothing_wrong(tmp_path):
    files, result = made(UnitKind.SYSTEMD, program=sys.executable, conninfo=conninfo('50% "x" $HOME'))
    paths = [tmp_path / Path(file.path).name for file in result.files]
    for path, text in zip(paths, files, strict=True):
        path.write_text(text)
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, paths)], capture_output=True, text=True, check=False
    )
    about = [line for line in (ran.stdout + ran.stderr).splitlines() if "indexpilot-lifecycle" in line]
    assert about == []


def test_systemd_as_an_account_and_with_a_socket_in_tmp():
    service = ini(made(UnitKind.SYSTEMD, account="postgres", host="/tmp")[0][0])["Service"]
    assert (service["User"], service["PrivateTmp"]) == ("postgres", "no")
    assert "DynamicUser" not in service


@pytest.mark.parametrize("name", ODD[:-1])
def test_kubernetes_reads_one_cron_job(name):
    (text,), _ = made(UnitKind.KUBERNETES, conninfo=conninfo(name), image="registry/indexpilot:1", config="/x/c.yaml")
    [job] = yaml.safe_load_all(text)
    spec = job["spec"]
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert (spec["schedule"], spec["concurrencyPolicy"], spec["timeZone"]) == ("7 * * * *", "Forbid", "Etc/UTC")
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["image"] == "registry/indexpilot:1"
    assert "$(" not in " ".join(container["args"]).replace("$$(", "")
    assert container["args"][-1].replace("$$(", "$(") == conninfo(name)
    assert container["args"][5:7] == ["--config", "/etc/indexpilot/indexpilot.yaml"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod["restartPolicy"], pod["securityContext"]["runAsNonRoot"]) == ("Never", True)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]} == {"scratch", "config"}
    assert container["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "indexpilot", "key": "password"}


@pytest.mark.parametrize("kind", UnitKind)
@pytest.mark.parametrize(
    "given",
    [
        "postgresql://dba:s3cr%40t%21@db1/shop?sslpassword=s3cr%40t%21",
        "host=db1 dbname=shop user=dba password='s3cr@t!'",
        "service=shop password=s3cr@t!",
    ],
)
def test_no_password_is_written(kind, given):
    kept, left_out = without_secrets(given, {"PGPASSWORD": "other", "PGHOST": "elsewhere", "PGSSLMODE": "require"})
    assert "password" in left_out
    text = "".join(made(kind, conninfo=kept, left_out=left_out)[0])
    assert not any(secret in text for secret in ("s3cr", "other"))
    known = psycopg.conninfo.conninfo_to_dict(kept)
    if "service" in given:
        assert known == {"service": "shop"}  # its file says the rest, and goes before variables
    else:
        assert (known["host"], known["dbname"], known["sslmode"]) == ("db1", "shop", "require")


def test_what_no_unit_can_hold_is_refused():
    with pytest.raises(UsageError, match="control character"):
        made(UnitKind.CRON, conninfo=conninfo(ODD[-1]))
    with pytest.raises(UsageError, match="longer than cron reads"):
        made(UnitKind.CRON, conninfo="dbname=" + "x" * 1000)
    with pytest.raises(UsageError, match="not an address"):
        made(UnitKind.CRON, mail_to='a" b')
    for kind in (UnitKind.CRON, UnitKind.SYSTEMD):
        with pytest.raises(UsageError, match="not the name of an account"):
            made(kind, account="root; id")
    with pytest.raises(UsageError, match="unknown time zone"):
        made(UnitKind.SYSTEMD, maintenance=MaintenanceSettings(timezone="Mars"))


def test_units_say_what_they_take_for_granted():
    notes = " ".join(made(UnitKind.KUBERNETES, host="/run/postgresql")[1].notes)
    assert "no database is named" in notes
    assert "a pod does not reach" in notes
    assert "--image" in notes
    assert "home directory" in " ".join(made(UnitKind.SYSTEMD, program="/root/bin/indexpilot")[1].notes)
    text = made(UnitKind.SYSTEMD, maintenance=MaintenanceSettings(timezone="Europe/Berlin", hour=4))[0][0]
    assert "weekly: Sunday 04:00 Europe/Berlin" in text
