"""pg_dump's text cut into objects."""

from indexpilot_cli.snapshot.capture import split_objects

TEXT = r"""--
-- PostgreSQL database dump
--

\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: sales; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA sales;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: odd; name; Type: TABLE; Schema: sales; Owner: -
--

CREATE TABLE sales."odd; name" (
    a integer DEFAULT 1 -- Name: not; a header
);


--
-- Name: COLUMN x; Type: COMMENT; Schema: sales; Owner: -
--

COMMENT ON COLUMN sales.x.y IS 'z';


--
-- Name: f(); Type: FUNCTION; Schema: sales; Owner: -
--

CREATE FUNCTION sales.f() RETURNS text
    LANGUAGE sql
    AS $$
-- a comment
SELECT 'SET default_tablespace = 1;'
$$;


--
-- Name: evt; Type: EVENT TRIGGER; Schema: -; Owner: -
--

CREATE EVENT TRIGGER evt ON ddl_command_start EXECUTE FUNCTION sales.f();


--
-- PostgreSQL database dump complete
--

\unrestrict abc

"""


def test_objects_carry_their_names_and_only_their_sql():
    objects = split_objects(TEXT)
    assert [(o.kind, o.schema, o.name) for o in objects] == [
        ("SCHEMA", "", "sales"),
        ("TABLE", "sales", "odd; name"),
        ("FUNCTION", "sales", "f()"),
    ]
    assert objects[0].sql == "CREATE SCHEMA sales;"
    assert objects[1].sql.endswith(");") and "not; a header" in objects[1].sql
    assert objects[2].sql.endswith("$$;") and "SET default_tablespace = 1" in objects[2].sql


def test_nothing_is_made_of_nothing():
    assert split_objects("") == ()
