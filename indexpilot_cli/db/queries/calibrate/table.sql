CREATE TABLE {schema}.{table} (
    id bigint NOT NULL, serial bigint, scattered int, few int, token uuid, mail text, tags int[], at timestamptz,
    spot point, note text
) WITH (fillfactor = 80, autovacuum_enabled = off)
