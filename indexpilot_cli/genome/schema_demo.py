"""A small multi-tenant CRM, for trying out the genome catalog without a database of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CRM: Mapping[str, Any] = {
    "tables": {
        "tenants": {
            "fields": {
                "id": {"type": "integer", "required": True},
                "name": {"type": "text", "required": True},
                "created_at": {"type": "timestamptz", "required": True},
            }
        },
        "organizations": {
            "fields": {
                "id": {"type": "integer", "required": True},
                "tenant_id": {"type": "integer", "required": True, "foreign_key": {"table": "tenants"}},
                "name": {"type": "varchar(200)", "required": True},
                "industry": {"type": "varchar(80)"},
                "annual_revenue": {"type": "numeric(14,2)"},
                "custom_fields": {"type": "jsonb"},
                "created_at": {"type": "timestamptz", "required": True},
            }
        },
        "contacts": {
            "fields": {
                "id": {"type": "integer", "required": True},
                "tenant_id": {"type": "integer", "required": True, "foreign_key": {"table": "tenants"}},
                "organization_id": {"type": "integer", "foreign_key": {"table": "organizations"}},
                "full_name": {"type": "varchar(200)", "required": True},
                "email": {"type": "varchar(320)"},
                "phone": {"type": "varchar(40)"},
                "tags": {"type": "text[]"},
                "photo": {"type": "bytea"},
                "custom_text_1": {"type": "text", "default_expression": False},
                "custom_number_1": {"type": "numeric", "default_expression": False},
                "created_at": {"type": "timestamptz", "required": True},
            }
        },
        "interactions": {
            "fields": {
                "id": {"type": "bigint", "required": True},
                "tenant_id": {"type": "integer", "required": True, "foreign_key": {"table": "tenants"}},
                "contact_id": {"type": "integer", "required": True, "foreign_key": {"table": "contacts"}},
                "kind": {"type": "varchar(30)", "required": True},
                "occurred_at": {"type": "timestamptz", "required": True},
                "notes": {"type": "text"},
                "raw_message": {"type": "json"},
            }
        },
    }
}
