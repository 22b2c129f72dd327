"""COPY of the simulated CRM: seconds and CPU until a million rows are there with keys, references and statistics.

    python -m tests.benchmarks.seeding [--rows 1000000]

A server is started for it. The limit is that of the project: a million rows in under a minute.
"""

import argparse
import os
import sys
import time

from indexpilot_cli.core.command import Silent
from indexpilot_cli.simulate.scenarios import SimulationSizes, Spikes, tenants_of
from indexpilot_cli.simulate.scratch import simulation_server
from indexpilot_cli.simulate.seeding import seed

LIMIT = 60.0  # seconds for a million rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    # As many interactions as medium has for each contact.
    contacts = options.rows * 10 // 111 // 50
    sizes = SimulationSizes(50, contacts, 1, Spikes(0, 1), 1.0, interactions=10 * contacts)
    with simulation_server(None, sizes.rows, Silent()) as server, server.database("seed") as name:
        began, cpu = time.monotonic(), sum(os.times()[:2])
        rows = seed(server.dsn(name), tenants_of(sizes), 1, Silent())
        seconds, cpu = time.monotonic() - began, sum(os.times()[:2]) - cpu
    allowed = LIMIT * rows / 1_000_000
    print(f"{rows:,} rows in {seconds:.1f} s, of which {cpu:.1f} s of our own CPU; allowed {allowed:.0f} s")
    return seconds > allowed


if __name__ == "__main__":
    sys.exit(main())
