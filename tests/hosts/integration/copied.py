"""Mode A: ``indexpilot_cli`` was copied into this project's folder and is imported from there.

Usage: python copied.py CONNINFO
"""

import sys
from pathlib import Path

import psycopg

import indexpilot_cli
from indexpilot_cli import host

assert Path(indexpilot_cli.__file__).parent.parent == Path(__file__).resolve().parent

CONNINFO = sys.argv[1]
with psycopg.connect(CONNINFO) as connection:
    connection.execute("CREATE TABLE contacts (id int PRIMARY KEY, tenant_id int, email text, phone text)")

host.init_connection_pool(CONNINFO, 1, 4)
assert host.create_metadata_tables()["success"]
filled = host.bootstrap_genome_catalog()  # the demo's four tables: contacts, organizations, interactions, tenants
assert filled["success"], filled["error"]
assert host.initialize_tenant_expression(1, known=True)["created"] == filled["fields_count"]
for number in range(150):
    host.log_query_stat(1, "contacts", "email" if number % 3 else "phone", "READ", 2.0)
assert host.flush_query_stats()
usage = host.get_field_usage_stats()
print(filled["tables_count"], [(row["field_name"], row["total_queries"]) for row in usage])
