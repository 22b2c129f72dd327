"""How long ``--help`` takes, against a bare Typer program with one command: the ratio of CPU times, in one run.

The two programs take turns, so that a busy machine slows both. Exits with 1 above the limit.
Usage: python tests/benchmarks/startup.py [rounds]
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT = 1.5
BARE = """
import typer
app = typer.Typer()

@app.callback()
def root() -> None:
    "Root."

@app.command()
def hello(name: str = typer.Option("x", help="A name."), count: int = typer.Option(1, help="A number.")) -> None:
    "Say hello."

app()
"""
OURS = [sys.executable, "-m", "indexpilot_cli"]
PAIRS = (
    ("--help", ["--help"], ["--help"]),
    ("recommend --help", ["recommend", "--help"], ["hello", "--help"]),
    ("discover --help", ["discover", "--help"], ["hello", "--help"]),
)


def seconds(command: list[str]) -> float:
    """CPU seconds of the process, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(ours: list[str], bare: list[str], rounds: int) -> tuple[float, float]:
    """Median CPU seconds of both, after one round that warms the caches."""
    times = [(seconds(ours), seconds(bare)) for _ in range(rounds + 1)][1:]
    mine, other = zip(*times, strict=True)
    return statistics.median(mine), statistics.median(other)


def main() -> int:
    """Print one line per pair; 1 when a ratio is above the limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "bare.py"
        program.write_text(BARE)
        for name, ours, bare in PAIRS:
            mine, other = measure([*OURS, *ours], [sys.executable, str(program), *bare], rounds)
            worst = max(worst, mine / other)
            print(f"{name:<18} {mine * 1000:6.0f} ms   bare {other * 1000:6.0f} ms   ratio {mine / other:.2f}")
    return 1 if worst > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
