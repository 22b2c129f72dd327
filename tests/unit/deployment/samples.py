"""The container file, the compose file, the Kubernetes documents and the systemd units of ``sample_configs/``."""

import configparser
import json
import shlex
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "sample_configs"
CONFIG = "/etc/indexpilot/indexpilot.yaml"  # deployed.yaml, wherever it is mounted
DOCKERFILE = SAMPLES / "container" / "Dockerfile"
COMPOSE = SAMPLES / "container" / "compose.yaml"
MANIFESTS = sorted((SAMPLES / "kubernetes").glob("*.yaml"))
UNITS = sorted((SAMPLES / "systemd").iterdir())


def instructions():
    """The instructions of the container file, with their lines joined and comments left out."""
    text = "\n".join(line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#"))
    for line in text.replace("\\\n", "").splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, " ".join(rest.split())


def compose():
    """The compose file."""
    return yaml.safe_load(COMPOSE.read_text())


def manifests():
    """Every document for Kubernetes by its kind and name."""
    found = {}
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def pod(document):
    """The pod of a document that makes some."""
    spec = document["spec"]
    return spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]


def pods():
    """Every pod with the kind and name of what makes it."""
    return {key: pod(document) for key, document in manifests().items() if key[0] != "Service"}


def unit(path):
    """A systemd unit."""
    parser = configparser.RawConfigParser(strict=True, delimiters="=", comment_prefixes="#")
    parser.optionxform = str
    parser.read_string(path.read_text())
    return parser


def commands():
    """Every command line of ours in the samples, as words, by the place where it stands."""
    image = dict(instructions())
    entry = json.loads(image["ENTRYPOINT"])
    yield "Dockerfile", [*entry, *json.loads(image["CMD"])]
    for name, service in compose()["services"].items():
        if service["image"].startswith("indexpilot:"):
            yield f"compose {name}", [*entry, *service["command"]]
    for (kind, name), found in pods().items():
        (container,) = found["containers"]
        yield f"{kind} {name}", [*container["command"], *container["args"]]
    for path in UNITS:
        if path.suffix == ".service":
            yield path.name, ["indexpilot", *shlex.split(unit(path)["Service"]["ExecStart"])[1:]]
