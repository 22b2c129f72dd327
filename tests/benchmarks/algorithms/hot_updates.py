"""HOT updates that an index on an updated column costs: as the bill says, and as counted (algorithms.md, 7).

    python -m tests.benchmarks.algorithms.hot_updates [--rows 20000] [--updates 12000] [--turns 3]

Each case updates single rows, each in a transaction of its own, once without the candidate and once with it, each time
on a table made anew: shares that were HOT by ``pg_stat_user_tables``, and processor time of the server's process (the
least of the turns, which alternate). The prediction knows the counters of the first run and the statements. Target:
lost HOT updates within 20 % of those lost.
"""

import argparse
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from indexpilot_cli.core.ddl import create_index
from indexpilot_cli.core.index import BRIN, IndexDefinition, IndexKey
from indexpilot_cli.core.names import QualifiedName
from indexpilot_cli.db.catalog import read_catalog
from indexpilot_cli.db.session import open_session
from indexpilot_cli.methods.writes import write_cost
from indexpilot_cli.methods.written import counted_writes
from indexpilot_cli.planner.twin.server import LocalServer, new_home
from tests.benchmarks.selection import table as printed
from tests.benchmarks.tpch_database import SETTINGS, with_hypopg

NAME = QualifiedName("public", "shop")
SETS = {"a": "a = (random() * 1e6)::int", "b": "b = (random() * 1e6)::int", "ab": None, "note": "note = md5(n::text)"}
SETS["ab"] = f"{SETS['a']}, {SETS['b']}"
COLUMNS = {"a": {"a"}, "b": {"b"}, "ab": {"a", "b"}, "note": {"note"}}


@dataclass(frozen=True)
class Updates:
    """``mix`` are statements with their shares in tenths, ``there`` indexed columns, ``wanted`` those to be indexed."""

    name: str
    mix: dict[str, int]
    wanted: tuple[str, ...]
    there: tuple[str, ...] = ()
    fill: int = 100
    method: str = "btree"


MIXES = (
    Updates("one column", {"a": 10}, ("a",)),
    Updates("one column, room", {"a": 10}, ("a",), fill=80),
    Updates("another column", {"a": 10}, ("b",)),
    Updates("half", {"a": 5, "b": 5}, ("a",)),
    Updates("half, room", {"a": 5, "b": 5}, ("a",), fill=80),
    Updates("a fifth, room", {"a": 2, "note": 8}, ("a",), fill=90),
    Updates("both columns", {"a": 3, "b": 3, "note": 4}, ("a", "b"), fill=80),
    Updates("of what is left", {"a": 5, "b": 5}, ("b",), ("a",), fill=80),
    Updates("of what is left, full pages", {"a": 3, "b": 3, "note": 4}, ("b",), ("a",)),
    Updates("together with one that is there", {"ab": 5, "note": 5}, ("b",), ("a",), fill=80),
    Updates("include", {"note": 5, "b": 5}, ("a", "note"), fill=80),
    Updates("summarizing", {"a": 10}, ("a",), fill=80, method=BRIN),
)


def filled(server, case, rows):
    server.execute("drop table if exists shop")
    server.execute(
        f"""create table shop (id int primary key, a int, b int, note text, pad text)
            with (fillfactor = {case.fill}, autovacuum_enabled = off)"""
    )
    server.execute(
        f"insert into shop select n, n * 7919 % {rows}, n * 31 % {rows}, md5(n::text), repeat('x', 80) "
        f"from generate_series(1, {rows}) n"
    )
    for column in case.there:
        server.execute(f"create index on shop ({column})")
    server.execute("vacuum analyze shop")


def updated(server, case, rows, updates):
    """Microseconds of processor time per update; the server counts the rest."""
    chosen = [SETS[name] for name, tenths in case.mix.items() for _ in range(tenths)]
    arms = "".join(f"when {number} then update shop set {text} where id = key;" for number, text in enumerate(chosen))
    server.execute("select pg_stat_reset_single_table_counters('shop'::regclass), setseed(0.5)")
    spent = Path(f"/proc/{server.info.backend_pid}/schedstat")
    before = int(spent.read_text().split()[0])
    server.execute(
        f"""do $$ declare key int; begin for n in 1..{updates} loop
            key := 1 + floor(random() * {rows})::int;
            case n % 10 {arms} end case; commit; end loop; end $$"""
    )
    took = (int(spent.read_text().split()[0]) - before) / 1e3 / updates
    server.execute("select pg_stat_force_next_flush()")
    return took


def candidate(case):
    """The definition, and its DDL."""
    cut = 1 if case.name == "include" else len(case.wanted)
    wanted = IndexDefinition(NAME, tuple(map(IndexKey, case.wanted[:cut])), case.method, include=case.wanted[cut:])
    return wanted, create_index(wanted, "wanted", concurrently=False)


def measured(dsn, server, case, rows, updates, turns):
    """The bill for the candidate, the HOT share with it, and microseconds that it added to an update."""
    wanted, ddl = candidate(case)
    took = {False: [], True: []}
    for indexed in (False, True) * turns:
        filled(server, case, rows)
        if indexed:
            server.execute(ddl)
            server.execute("vacuum analyze shop")
        took[indexed].append(updated(server, case, rows, updates))
        with open_session(dsn) as session:
            catalog = read_catalog(session)
        of = catalog.table(NAME)
        assert of.activity.updates == updates
        if not indexed:
            told = tuple((frozenset(COLUMNS[name]), tenths * updates / 10) for name, tenths in case.mix.items())
            bill = write_cost(wanted, of, replace(counted_writes(of), updated=told), 1.0, catalog.major)
    return bill, of.activity.hot_updates / updates, min(took[True]) - min(took[False])


def lines(dsn, server, *amounts):
    errors = []
    for case in MIXES:
        bill, after, more = measured(dsn, server, case, *amounts)
        lost, told = bill.hot_before - after, bill.hot_loss
        errors.append(abs(told - lost) / lost if lost > 0.01 else abs(told - lost))
        shares = [f"{share:.1%}" for share in (bill.hot_before, after, lost, told, errors[-1])]
        yield case.name, *shares, f"{bill.per_update_us:+.1f}", f"{more:+.1f}"
    good = sum(error <= 0.2 for error in errors)
    yield "mean", "", "", "", "", f"{statistics.mean(errors):.1%}", f"{good} of {len(errors)} within 20 %", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--updates", type=int, default=12_000)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    amounts = given.rows, given.updates, given.turns
    more = {"autovacuum": "off", "synchronous_commit": "off"}
    heading = ("updates", "HOT", "with it", "lost", "told", "off by (20 %)", "us told", "us measured")
    with (
        LocalServer(with_hypopg(), new_home(), {**SETTINGS, **more}) as started,
        psycopg.connect(started.dsn(), autocommit=True) as server,
    ):
        print(*printed([heading, *lines(started.dsn(), server, *amounts)]), sep="\n")


if __name__ == "__main__":
    main()
