"""Mode C: the schema is read from the database; afterwards every start keeps the catalog in step with it.

Usage: python discovered.py CONNINFO
"""

import sys

import psycopg

from indexpilot_cli import host

CONNINFO = sys.argv[1]
with psycopg.connect(CONNINFO) as connection:
    connection.execute('CREATE TABLE "Order Lines" (id int PRIMARY KEY, "Select" text, at timestamptz, doc jsonb)')
    connection.execute("CREATE TABLE audit_trail (id int)")

host.init_connection_pool(CONNINFO, 1, 4)
result = host.discover_and_bootstrap_schema("public", exclude_tables={"audit_trail"})
if not result["success"]:
    sys.exit(result["error"])

with psycopg.connect(CONNINFO) as connection:
    connection.execute('ALTER TABLE "Order Lines" ADD quantity int')
synced = host.detect_and_sync_schema_changes()
added = [(change["kind"], change["field"]) for change in synced["changes"] if change["field"]]
print(result["tables_count"], result["fields_count"], added)

# Whatever the application runs from here on becomes statistics.
with psycopg.connect(CONNINFO, cursor_factory=host.recording_cursor()) as connection:
    connection.execute('SELECT * FROM "Order Lines" WHERE "Select" = %s AND quantity > %s', ["x", 1])
assert host.flush_query_stats()
print(sorted((row["table_name"], row["field_name"], row["query_type"]) for row in host.get_query_stats()))
