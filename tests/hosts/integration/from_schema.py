"""Mode B: the project describes its schema in a file.

Usage: python from_schema.py CONNINFO
"""

import sys
from pathlib import Path

from indexpilot_cli import host

host.init_connection_pool(sys.argv[1], 1, 4)
result = host.init_schema_from_config(Path(__file__).parent / "crm.yaml")
if not result["success"]:
    sys.exit(result["error"])
fields = [row["field_name"] for row in host.get_genome_fields("contacts") if row["is_indexable"]]
print(result["tables_count"], result["fields_count"], fields)
