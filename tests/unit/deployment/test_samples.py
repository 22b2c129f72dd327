"""The samples for containers, Kubernetes and systemd hold what they promise, as far as it shows without an engine."""

import functools
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from indexpilot_cli import __version__
from indexpilot_cli.lifecycle.schedules import units as generated
from indexpilot_cli.lifecycle.schedules.units import UnitKind, UnitRequest
from indexpilot_cli.render.views.lifecycle_schedules import units_view
from tests.cli.walking import parse
from tests.unit.deployment import samples

HERE = Path(__file__).parent
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
COMMANDS = dict(samples.commands())
DSN = "host=db1 dbname=shop user=indexpilot"


@functools.cache
def schema(file):
    kind = Draft7Validator if file == "compose.schema.json" else Draft202012Validator
    return kind(json.loads((HERE / file).read_text()))


def broken(document, file):
    return [f"{list(e.absolute_path)}: {e.message[:200]}" for e in schema(file).iter_errors(document)]


@pytest.mark.parametrize("place", COMMANDS)
def test_every_command_line_is_one_that_the_program_takes(place):
    words = COMMANDS[place]
    parse(shlex.join(words))
    if "--config" in words:
        assert words[words.index("--config") + 1] == samples.CONFIG
    assert words[1] == "init" or "--no-input" in words  # nobody answers


def test_every_sample_is_looked_at():
    assert len(COMMANDS) == 11


# The container file


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint on this machine")
def test_a_linter_finds_nothing_in_the_container_file(tmp_path):
    def faults(path):
        ran = subprocess.run([HADOLINT, "--no-color", str(path)], capture_output=True, text=True, check=False)
        return ran.stdout.splitlines()

    assert faults(samples.DOCKERFILE) == []
    (tmp_path / "Dockerfile").write_text(samples.DOCKERFILE.read_text().replace(":3.13-slim-bookworm", ""))
    assert faults(tmp_path / "Dockerfile") != []


def test_the_image_is_slim_pinned_watched_and_not_root():
    found = list(samples.instructions())
    bases = [rest.split()[0] for name, rest in found if name == "FROM"]
    assert set(bases) == {"python:3.13-slim-bookworm"}
    assert [rest for name, rest in found if name == "USER"] == ["10001:10001"]
    assert found.index(("USER", "10001:10001")) > max(n for n, (name, _) in enumerate(found) if name in ("FROM", "RUN"))
    (health,) = [rest for name, rest in found if name == "HEALTHCHECK"]
    code = json.loads(health[health.index("CMD ") + 4 :])[-1]
    compile(code, "healthcheck", "exec")
    assert "http://127.0.0.1:8080/healthz" in code
    project = tomllib.loads((samples.ROOT / "pyproject.toml").read_text())["project"]
    assert any("'.[serve]'" in rest for name, rest in found if name == "RUN")
    assert "serve" in project["optional-dependencies"]
    copied = [rest.split()[:-1] for name, rest in found if name == "COPY" and "--from" not in rest]
    names = [name for line in copied for name in line]
    assert [name for name in names if not (samples.ROOT / name).exists()] == []
    # All that the build of the package reads.
    assert {project["readme"], *project["license-files"], "pyproject.toml", "indexpilot_cli"} == set(names)


# The compose file


def test_the_compose_file_follows_the_specification():
    document = samples.compose()
    assert broken(document, "compose.schema.json") == []
    document["services"]["db"]["healtcheck"] = document["services"]["db"].pop("healthcheck")
    assert broken(document, "compose.schema.json") != []


def test_what_compose_names_is_there():
    document = samples.compose()
    for kind in ("secrets", "configs"):
        used = [entry for service in document["services"].values() for entry in service.get(kind, ())]
        names = {entry["source"] if isinstance(entry, dict) else entry for entry in used}
        assert names == set(document[kind])
        assert all(list(entry) == ["file"] for entry in document[kind].values())
    (config,) = document["configs"].values()
    assert (samples.COMPOSE.parent / config["file"]).resolve() == samples.SAMPLES / "deployed.yaml"
    build = document["x-indexpilot"]["build"]
    assert (samples.COMPOSE.parent / build["context"]).resolve() == samples.ROOT
    assert samples.ROOT / build["dockerfile"] == samples.DOCKERFILE
    for service in document["services"].values():
        assert set(service.get("depends_on", ())) <= set(document["services"])


@pytest.mark.parametrize("name", samples.compose()["services"])
def test_a_service_has_only_what_it_needs(name):
    service = samples.compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "restart" not in service or name == "serve" or "test" in service["healthcheck"]  # serve: that of the image
    secret = re.compile(r"password|token", re.IGNORECASE)
    given = service["environment"].items()
    assert all(value.startswith("/run/secrets/") for key, value in given if secret.search(key))


# Kubernetes


def test_the_documents_for_kubernetes_follow_its_schema():
    for key, document in samples.manifests().items():
        assert broken(document, "kubernetes.schema.json") == [], key
    document = samples.manifests()["Deployment", "indexpilot-serve"]
    samples.pod(document)["containers"][0]["livenessprobe"] = {}
    assert broken(document, "kubernetes.schema.json") != []


@pytest.mark.parametrize("key", samples.pods(), ids=" ".join)
def test_a_pod_has_only_what_it_needs(key):
    found, model = samples.pods()[key], samples.pods()["CronJob", "indexpilot-lifecycle"]
    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"].items() >= model["securityContext"].items()
    (container,), (other,) = found["containers"], model["containers"]
    assert container["securityContext"] == other["securityContext"]
    assert container["resources"] == other["resources"]
    assert container["env"] == other["env"]
    assert container["image"] == f"registry.example.com/indexpilot:{__version__}"
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in found["volumes"]}


def test_the_service_reaches_the_deployment_and_probes_ask_what_is_served():
    from indexpilot_cli.serve.app import router
    from indexpilot_cli.serve.security import OPEN

    documents = samples.manifests()
    deployment, service = documents["Deployment", "indexpilot-serve"]["spec"], documents["Service", "indexpilot"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["selector"]["matchLabels"] == labels
    (container,) = samples.pod(documents["Deployment", "indexpilot-serve"])["containers"]
    (port,) = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    words = container["args"]
    assert words[words.index("--port") + 1] == str(port["containerPort"])
    served = {route.path for route in router.routes}
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        asked = container[probe]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, port["name"])
        assert path in served and path in OPEN  # a probe has no token
        assert "httpHeaders" not in asked  # test_serve_security: the kubelet's Host, the pod's address, is answered
    token = words[words.index("--token-file") + 1]
    mount = next(m["mountPath"] for m in container["volumeMounts"] if m["name"] == "token")
    assert Path(token).parent == Path(mount)
    names = yaml.safe_load((samples.SAMPLES / "deployed.yaml").read_text())["operational"]["serve"]["names"]
    assert service["metadata"]["name"] in names


# systemd


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    paths = [tmp_path / path.name for path in samples.UNITS]
    for path, unit in zip(paths, samples.UNITS, strict=True):
        path.write_text(unit.read_text().replace("/usr/bin/indexpilot", sys.executable))

    def faults():
        ran = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *map(str, paths)], capture_output=True, text=True, check=False
        )
        return [line for line in (ran.stdout + ran.stderr).splitlines() if "indexpilot-" in line]

    assert faults() == []
    paths[0].write_text(paths[0].read_text().replace("PrivateTmp", "PrivatTmp"))
    assert faults() != []


def test_units_of_services_are_as_closed_as_those_that_are_printed():
    services = [path for path in samples.UNITS if path.suffix == ".service"]
    closed = [line.split("=", 1) for line in generated._SANDBOX]
    for path in services:
        service = samples.unit(path)["Service"]
        assert [service[name] for name, _ in closed] == [value for _, value in closed], path.name
        assert (service["DynamicUser"], service["ProtectSystem"], service["NoNewPrivileges"]) == (
            "yes",
            "strict",
            "yes",
        )
    timers = [samples.unit(path)["Timer"]["Unit"] for path in samples.UNITS if path.suffix == ".timer"]
    assert set(timers) < {path.name for path in services}


@pytest.mark.parametrize("kind", [UnitKind.SYSTEMD, UnitKind.KUBERNETES])
def test_the_samples_of_lifecycle_are_what_the_program_prints(kind):
    """``lifecycle install KIND -h db1 -d shop -U indexpilot --plan --config …``."""
    image = f"registry.example.com/indexpilot:{__version__}" if kind is UnitKind.KUBERNETES else None
    asked = UnitRequest(kind, "/usr/bin/indexpilot", DSN, config=samples.CONFIG, plan=True, host="db1", image=image)
    for file in units_view(generated.units(asked)).payload["files"]:
        assert (samples.SAMPLES / kind.value / Path(file["path"]).name).read_text() == file["text"]
