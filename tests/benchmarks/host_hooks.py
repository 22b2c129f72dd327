"""What a hook adds to a statement: ns of the thread's CPU time and of the clock, with and without, and the ratio.

A lookup by primary key, the cheapest statement there is, through psycopg, SQLAlchemy's Core and Django's ORM. With and
without take turns in one process; the median of the rounds. Needs a database whose tables it may make.
Usage: python tests/benchmarks/host_hooks.py CONNINFO [statements]
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable

import django
import psycopg
import sqlalchemy as sa
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from indexpilot_cli import host
from indexpilot_cli.host.hooks import django as hook

ROUNDS = 9
TEXT = "SELECT id, name FROM hooked WHERE id = "
Work = Callable[[], object]


def ns(work: Work, number: int) -> tuple[float, float]:
    """Per call: CPU of this thread, and the clock."""
    gc.collect()
    cpu, clock = time.thread_time_ns(), time.perf_counter_ns()
    for _ in range(number):
        work()
    return (time.thread_time_ns() - cpu) / number, (time.perf_counter_ns() - clock) / number


def with_psycopg(conninfo: str) -> tuple[Work, Work]:
    """Without, with."""
    bare = psycopg.connect(conninfo, autocommit=True)
    hooked = psycopg.connect(conninfo, autocommit=True, cursor_factory=host.recording_cursor())
    return (
        lambda: bare.execute(TEXT + "%s", [1]).fetchall(),
        lambda: hooked.execute(TEXT + "%s", [1]).fetchall(),
    )


def with_sqlalchemy(conninfo: str) -> tuple[Work, Work]:
    """Without, with."""
    engines = [sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo)) for _ in range(2)]
    host.record_sqlalchemy(engines[1])
    query = sa.text(TEXT + ":id")
    bare, hooked = (engine.connect() for engine in engines)
    return lambda: bare.execute(query, {"id": 1}).all(), lambda: hooked.execute(query, {"id": 1}).all()


def with_django(conninfo: str) -> tuple[Work, Work]:
    """Without, with: the same connection, whose wrappers are taken away."""
    server = conninfo_to_dict(conninfo)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    place = {name: server.get(key, "") for name, key in names.items()}
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **place}})
    django.setup()
    from django.db import connection, models

    class Hooked(models.Model):
        name = models.TextField()

        class Meta:
            app_label, db_table = "shop", "hooked"

    host.record_django()
    connection.ensure_connection()

    def bare() -> object:
        connection.execute_wrappers.clear()
        return list(Hooked.objects.filter(pk=1))

    def hooked() -> object:
        hook._install(connection=connection)
        return list(Hooked.objects.filter(pk=1))

    return bare, hooked


def main() -> None:
    """Print a line for each library."""
    conninfo, number = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
    with psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS hooked (id int PRIMARY KEY, name text)")
        connection.execute("INSERT INTO hooked VALUES (1, 'one') ON CONFLICT DO NOTHING")
    host.init_connection_pool(conninfo, 1, 2)
    assert host.discover_and_bootstrap_schema()["success"]
    for name, make in (("psycopg", with_psycopg), ("sqlalchemy", with_sqlalchemy), ("django", with_django)):
        bare, hooked = make(conninfo)
        ns(bare, number), ns(hooked, number)
        host.flush_query_stats()
        rounds = [(ns(bare, number), ns(hooked, number)) for _ in range(ROUNDS)]
        cpu, clock = ([statistics.median(pair[side][kind] for pair in rounds) for side in (0, 1)] for kind in (0, 1))
        for kind, (without, hooked_ns) in (("CPU", cpu), ("clock", clock)):
            more, ratio = hooked_ns - without, hooked_ns / without
            print(
                f"{name:10} {kind:5} {without:8.0f} ns without {hooked_ns:8.0f} ns with: {more:+7.0f} ns, {ratio:.2f}"
            )
    print(host.get_recorded_statements(), host.get_query_log_stats(), sep="\n")


if __name__ == "__main__":
    main()
