"""What the interceptor costs a host: microseconds of processor time for a plan that is kept, and for a new one.

Usage: python tests/benchmarks/interceptor.py DSN [calls]
The database needs no tables of its own; exits with 1 when a hit costs more than 50 microseconds.
"""

import sys
import time

from indexpilot_cli import host

LIMIT = 50.0
LISTS = {"allow": ["select * from nothing"] * 50, "deny": ["delete *"] * 50}
CALLS = {
    "hit, one parameter": ("SELECT relname FROM pg_class WHERE oid = %s", [1259]),
    "hit, by name": (
        "SELECT relname FROM pg_class WHERE oid = %(oid)s AND relname <> %(name)s",
        {"oid": 1, "name": "x"},
    ),
    "hit, 1,000 values": ("SELECT relname FROM pg_class WHERE oid = ANY(%s)", [list(range(1000))]),
    "hit, long text": (f"SELECT relname FROM pg_class WHERE oid IN ({', '.join(map(str, range(2000)))})", None),
}


def microseconds(calls, work):
    began = time.process_time()
    for number in range(calls):
        work(number)
    return (time.process_time() - began) / calls * 1e6


def main():
    host.init_connection_pool(sys.argv[1])
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    host.configure_interceptor(per_template_per_minute=10**9, per_tenant_per_minute=10**9, **LISTS)
    worst = 0.0
    for name, (sql, params) in CALLS.items():
        host.intercept_query(sql, params, tenant_id=1)
        took = microseconds(calls, lambda _, sql=sql, params=params: host.intercept_query(sql, params, tenant_id=1))
        worst = max(worst, took)
        print(f"{name:24} {took:8.1f} us")
    host.configure_interceptor(cache_ttl_seconds=0)
    new = microseconds(
        200, lambda number: host.intercept_query("SELECT relname FROM pg_class WHERE oid = %s", [number])
    )
    print(f"{'miss (our side of it)':24} {new:8.1f} us")
    found = host.get_interceptor_metrics()["latency_us"]["miss"]
    print(f"{'miss, waited for':24} {found['p50']:8.1f} us in the middle, {found['p95']:.1f} us at 95 of 100")
    host.close_connection_pool()
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
