CREATE TABLE {schema}.schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {schema}.genome_catalog (
    id serial PRIMARY KEY,
    table_name text NOT NULL,
    field_name text NOT NULL,
    field_type text NOT NULL,
    is_required boolean DEFAULT false,
    is_indexable boolean DEFAULT true,
    default_expression boolean DEFAULT true,
    feature_group text,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    schema_name text NOT NULL DEFAULT 'public',
    UNIQUE (table_name, field_name, schema_name)
);

CREATE FUNCTION {schema}.touch_genome() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.created_at := OLD.created_at;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$body$;

CREATE TRIGGER genome_catalog_touched BEFORE UPDATE ON {schema}.genome_catalog
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION {schema}.touch_genome();

CREATE TABLE {schema}.genome_identity (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    field_name text NOT NULL,
    relid oid NOT NULL,
    attnum smallint NOT NULL,
    PRIMARY KEY (schema_name, table_name, field_name)
);

CREATE TABLE {schema}.expression_profile (
    id serial PRIMARY KEY,
    tenant_id integer,
    table_name text NOT NULL,
    field_name text NOT NULL,
    is_enabled boolean DEFAULT true,
    created_at timestamptz DEFAULT now(),
    schema_name text NOT NULL DEFAULT 'public',
    UNIQUE (tenant_id, table_name, field_name, schema_name)
);

CREATE INDEX expression_profile_field_idx ON {schema}.expression_profile (table_name, field_name);

CREATE TABLE {schema}.mutation_log (
    id bigserial PRIMARY KEY,
    tenant_id integer,
    mutation_type text NOT NULL,
    table_name text,
    field_name text,
    details_json jsonb,
    created_at timestamptz DEFAULT now(),
    schema_name text,
    op_id uuid,
    attempt integer,
    state text,
    actor text,
    relid oid,
    columns_fingerprint text,
    index_name text,
    definition_sql text,
    undo_sql text,
    backend_pid integer,
    backend_start timestamptz,
    sqlstate text,
    error text,
    leftover text
);

CREATE INDEX mutation_log_created_at_idx ON {schema}.mutation_log (created_at);

CREATE INDEX mutation_log_op_id_idx ON {schema}.mutation_log (op_id) WHERE op_id IS NOT NULL;

CREATE FUNCTION {schema}.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'mutation_log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$body$;

CREATE TRIGGER mutation_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.mutation_log
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_rewriting();

CREATE TABLE {schema}.query_stats (
    id bigserial PRIMARY KEY,
    tenant_id integer,
    table_name text NOT NULL,
    field_name text,
    query_type text NOT NULL,
    duration_ms double precision NOT NULL,
    created_at timestamptz DEFAULT now()
);

CREATE INDEX query_stats_field_idx ON {schema}.query_stats (table_name, field_name, created_at);

CREATE INDEX query_stats_created_at_idx ON {schema}.query_stats USING brin (created_at);
