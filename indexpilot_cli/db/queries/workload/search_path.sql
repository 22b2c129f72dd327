SELECT current_schemas(false)::text[] AS schemas
