-- Dice that always fall the same way: a number in [0, 1) from a row number, a salt and the seed.

-- step dice
CREATE SCHEMA demo;
DO $$ BEGIN EXECUTE format('CREATE FUNCTION demo.roll(bigint, int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS %L', format('SELECT (hashint8extended($1, %s * 1000 + $2::bigint) & 9007199254740991)::float8 / 9007199254740992.0', current_setting('demo.seed')::int)); END $$;
CREATE FUNCTION demo.pick(text[], float8) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT $1[1 + floor($2 * cardinality($1))::int]';
CREATE FUNCTION demo.between(bigint, bigint, float8) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT $1 + floor($3 * ($2 - $1 + 1))::bigint';
CREATE FUNCTION demo.rows(text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    AS $$SELECT current_setting('demo.' || $1)::bigint$$;
CREATE FUNCTION demo.today() RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$SELECT timestamptz '2026-06-30 18:00:00+00'$$;

-- step people
-- How many users each account has: Zipf's law, so the biggest of 2,000 accounts has an eighth of everything.
CREATE TABLE demo.shape AS
SELECT account_id, users, (sum(users) OVER (ORDER BY account_id) - users)::bigint AS first, (sum(users) OVER ())::bigint AS total
FROM (
    SELECT rank * 7919 % demo.rows('accounts') + 1 AS account_id,
           greatest(1, floor(demo.rows('users') / rank / sum(1.0 / rank) OVER ()))::bigint AS users
    FROM generate_series(1, demo.rows('accounts')) AS rank
) AS ranked;

-- step clean
DROP SCHEMA demo CASCADE;

-- step schemas
CREATE SCHEMA billing;
